{{/* What all pods have. Takes root, grace (terminationGracePeriodSeconds) and, for Jobs, restart. */}}
{{- define "image-sync.pod" -}}
serviceAccountName: {{ include "image-sync.serviceAccountName" .root }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .restart }}
restartPolicy: {{ . }}
{{- end }}
terminationGracePeriodSeconds: {{ .grace | int }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .root.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
{{- end }}

{{- define "image-sync.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "image-sync.selector" . | nindent 8 }}
{{- end }}

{{- define "image-sync.containerImage" -}}
image: {{ include "image-sync.image" . }}
{{- with .Values.image.pullPolicy }}
imagePullPolicy: {{ . }}
{{- end }}
{{- end }}

{{- define "image-sync.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}

{{/* Where the NATS server is, and who a role is there. Takes root and role. */}}
{{- define "image-sync.natsEnv" -}}
- name: NATS_URL
  value: {{ include "image-sync.natsUrl" .root }}
- name: NATS_USER
  value: {{ .role }}
- name: NATS_PASSWORD_FILE
  value: /run/secrets/nats/password
- name: NATS_INBOX_PREFIX
  value: _INBOX_{{ .role }}
{{- if ne .root.Values.nats.prefix "imgsync" }}
- name: IMAGE_SYNC_PREFIX
  value: {{ .root.Values.nats.prefix }}
{{- end }}
{{- with .root.Values.nats.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "image-sync.natsMount" -}}
- name: nats
  mountPath: /run/secrets/nats
  readOnly: true
{{- end }}

{{- define "image-sync.natsVolume" -}}
- name: nats
  secret:
    secretName: {{ index .root.Values.nats.secrets .role }}
    defaultMode: 0440
{{- end }}

{{- define "image-sync.configMount" -}}
- name: config
  mountPath: /etc/image-sync
  readOnly: true
{{- end }}

{{- define "image-sync.configVolume" -}}
- name: config
  configMap:
    name: {{ include "image-sync.configMapName" . }}
{{- end }}

{{- define "image-sync.tmpMount" -}}
- name: tmp
  mountPath: /tmp
{{- end }}

{{- define "image-sync.tmpVolume" -}}
- name: tmp
  emptyDir:
    sizeLimit: {{ .Values.tmpSizeLimit }}
{{- end }}

{{- define "image-sync.authEnv" -}}
- name: DOCKER_CONFIG
  value: /tmp/docker
{{- end }}

{{- define "image-sync.authMount" -}}
- name: docker-auth
  mountPath: /tmp/docker
  readOnly: true
{{- end }}

{{- define "image-sync.authVolume" -}}
- name: docker-auth
  secret:
    secretName: {{ .Values.registryAuth.secret }}
    defaultMode: 0440
    optional: true
{{- end }}

{{- define "image-sync.probes" -}}
startupProbe:
  httpGet:
    path: /livez
    port: http
  periodSeconds: 2
  failureThreshold: 30
livenessProbe:
  httpGet:
    path: /livez
    port: http
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet:
    path: /readyz
    port: http
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- end }}

{{/* The pod of a `sync` that ends. Takes root and trigger, which its report says. */}}
{{- define "image-sync.syncPod" -}}
{{- $trigger := .trigger }}
{{- with .root }}
{{- include "image-sync.pod" (dict "root" . "grace" .Values.sync.terminationGracePeriodSeconds "restart" "Never") }}
containers:
  - name: image-sync
    {{- include "image-sync.containerImage" . | nindent 4 }}
    args: {{ concat (list "sync" "--grace" .Values.sync.grace "--overlap" "queue" "--trigger" $trigger) .Values.sync.extraArgs | toJson }}
    env:
      {{- include "image-sync.authEnv" . | nindent 6 }}
      - name: IMAGE_SYNC_STATE_DIR
        value: /var/lib/image-sync
      {{- with .Values.extraEnv }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- include "image-sync.containerSecurity" . | nindent 4 }}
    resources:
      {{- toYaml .Values.sync.resources | nindent 6 }}
    volumeMounts:
      {{- include "image-sync.configMount" . | nindent 6 }}
      {{- include "image-sync.tmpMount" . | nindent 6 }}
      {{- include "image-sync.authMount" . | nindent 6 }}
      - name: state
        mountPath: /var/lib/image-sync
      {{- with .Values.extraVolumeMounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
volumes:
  {{- include "image-sync.configVolume" . | nindent 2 }}
  {{- include "image-sync.tmpVolume" . | nindent 2 }}
  {{- include "image-sync.authVolume" . | nindent 2 }}
  {{- include "image-sync.stateVolume" (dict "root" . "persistent" .Values.state.persistent) | nindent 2 }}
  {{- with .Values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* What is remembered between runs. Takes root and persistent. */}}
{{- define "image-sync.stateVolume" -}}
- name: state
  {{- if .persistent }}
  persistentVolumeClaim:
    claimName: {{ include "image-sync.stateClaimName" .root }}
  {{- else }}
  emptyDir:
    sizeLimit: {{ .root.Values.state.size }}
  {{- end }}
{{- end }}
