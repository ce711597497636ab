#!/usr/bin/env bash
# Install the cluster's web UI (Headlamp) on a master, served over HTTPS on a port of the masters.
#
# Usage: kube_ui_installer.sh [--env FILE] [--help]
#
#   --env FILE   read the settings below from FILE, which must have mode 0600
#
# Safe to run again. A login needs a token, whose rights it has; one for reading only:
#   kubectl -n kube-system create token kube-ui-viewer --duration 8h
#
# Settings that must be given:
#   UI_TLS_CERT        path of the certificate that browsers see, PEM
#   UI_TLS_KEY         path of its key, PEM
# Settings with a default:
#   UI_NODE_PORT       port on the masters (30443)
#   UI_IMAGE           the UI's image (ghcr.io/headlamp-k8s/headlamp:v0.45.0)
#   UI_TIMEOUT         how long the UI may take to start, in seconds (300)
#
# Exit codes: 0 done, 1 unexpected, 2 wrong settings, 13 not root, 14 another installer runs,
# 15 disk full, 32 API server not ready, 34 the UI does not start.
# Worth a retry without a change: 14, 32.

set -Eeuo pipefail
HERE=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
for part in base cluster; do
  # shellcheck source-path=SCRIPTDIR source=lib/base.sh source=lib/cluster.sh
  . "$HERE/lib/$part.sh"
done

main() {
  read_arguments "" "$@"
  need_settings UI_TLS_CERT UI_TLS_KEY
  : "${UI_NODE_PORT:=30443}" "${UI_IMAGE:=ghcr.io/headlamp-k8s/headlamp:v0.45.0}" "${UI_TIMEOUT:=300}"
  begin
  check preflight
  phase ui
  check rollout
  finish "web UI on port $UI_NODE_PORT of the masters"
}

check_preflight() {
  local file
  ((DRY_RUN == 0)) || die "$E_USAGE" "This installer has no --dry-run; kubectl diff shows more."
  for file in "$UI_TLS_CERT" "$UI_TLS_KEY"; do
    [[ -r $file ]] || die "$E_USAGE" "The file $file cannot be read."
  done
  [[ -r $ADMIN_CONF ]] || die "$E_USAGE" "This machine is not a master: it has no admin.conf."
  wait_until 60 api_is_ready || die "$E_API" "The API server does not answer."
}

phase_ui() {
  local version
  admin -n kube-system create secret tls kube-ui-tls --cert "$UI_TLS_CERT" --key "$UI_TLS_KEY" \
    --dry-run=client -o yaml | apply_manifest ||
    die "$E_UI" "The certificate cannot be stored in the cluster; see the lines above."
  # The UI reads its certificate only at its start: a changed Secret, also by another hand, needs a new pod.
  version=$(admin -n kube-system get secret kube-ui-tls -o 'jsonpath={.metadata.resourceVersion}') ||
    die "$E_UI" "The certificate cannot be read from the cluster; see the lines above."
  render_manifest "$HERE/manifests/kube-ui.yaml" "UI_IMAGE=$UI_IMAGE" \
    "UI_NODE_PORT=$UI_NODE_PORT" "TLS_VERSION=$version" | apply_manifest ||
    die "$E_UI" "The UI's manifest cannot be applied; see the lines above."
}

check_rollout() {
  admin -n kube-system rollout status deployment/kube-ui --timeout "${UI_TIMEOUT}s" ||
    die "$E_UI" "The UI has not become ready in $UI_TIMEOUT s; look at: kubectl -n kube-system describe pod -l app=kube-ui"
}

main "$@"
