# What the scripts of the action tell the runner. Sourced by them.
# shellcheck shell=bash

# A value as the runner reads it in a command: else one with a line end could add a command of its own.
escaped() {
  local value=${1//'%'/'%25'}
  value=${value//$'\r'/'%0D'}
  printf '%s' "${value//$'\n'/'%0A'}"
}

fail() {
  printf '::error title=image-sync::%s\n' "$(escaped "$*")"
  exit 2
}

notice() {
  printf '::notice title=image-sync::%s\n' "$(escaped "$*")"
}

mask() {
  printf '::add-mask::%s\n' "$(escaped "$1")"
}
