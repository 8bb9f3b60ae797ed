{{- define "image-sync.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride }}
{{- else if contains .Chart.Name .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{- define "image-sync.serviceAccountName" -}}
{{ .Values.serviceAccount.name | default (include "image-sync.fullname" .) }}
{{- end }}

{{- define "image-sync.configMapName" -}}
{{ .Values.existingConfigMap | default (printf "%s-config" (include "image-sync.fullname" .)) }}
{{- end }}

{{- define "image-sync.stateClaimName" -}}
{{ .Values.state.existingClaim | default (printf "%s-state" (include "image-sync.fullname" .)) }}
{{- end }}

{{- define "image-sync.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end -}}
{{- end }}

{{- define "image-sync.natsUrl" -}}
{{ .Values.nats.url | default (printf "nats://%s:4222" .Values.nats.server.name) }}
{{- end }}

{{- define "image-sync.natsMonitoring" -}}
{{ .Values.nats.monitoringEndpoint | default (printf "%s.%s.svc.cluster.local:8222" .Values.nats.server.name .Release.Namespace) }}
{{- end }}

{{/* Labels of an object. Takes root and component, which objects of the whole lack. */}}
{{- define "image-sync.labels" -}}
app.kubernetes.io/name: {{ .name | default "image-sync" }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
app.kubernetes.io/part-of: image-sync
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What selects the pods of a component. Takes root and component. */}}
{{- define "image-sync.selector" -}}
app.kubernetes.io/name: {{ .name | default "image-sync" }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Metadata of a pod. Takes root and component, and the checksum of what it reads only when it starts. */}}
{{- define "image-sync.podMetadata" -}}
{{- if or .checksum .root.Values.podAnnotations -}}
annotations:
  {{- with .checksum }}
  checksum/config: {{ . }}
  {{- end }}
  {{- with .root.Values.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{ end -}}
labels:
  {{- include "image-sync.selector" . | nindent 2 }}
  app.kubernetes.io/part-of: image-sync
  {{- with .root.Values.commonLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
