#!/usr/bin/env bash
# Renew certificates of a master's control plane, and restart what uses them, one part after the other.
#
# Usage: renew_certificates.sh [--env FILE] [--help]
#
#   --env FILE   read the settings below from FILE, which must have mode 0600
#
# Safe to run again: what a run that was cut off has renewed is used after this one. The authorities
# (ca, etcd-ca, front-proxy-ca) are not renewed.
#
# Settings that must be given:
#   NODE_NAME          name of this node
# Settings with a default:
#   RENEW              names as `kubeadm certs renew` has them, with a space between two, or all; without
#                      any, only what a run that was cut off has renewed is brought into use (none)
#
# Exit codes: 0 done, 1 unexpected, 2 wrong settings, 13 not root, 14 another installer runs, 15 disk full,
# 32 API server not ready, 37 kubeadm renews nothing.
# Worth a retry without a change: 14, 32.

set -Eeuo pipefail
HERE=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
for part in base cluster; do
  # shellcheck source-path=SCRIPTDIR source=lib/base.sh source=lib/cluster.sh
  . "$HERE/lib/$part.sh"
done

readonly RENEWING="$STATE_DIR/renewing" # exists from before the first renewal to the last restart
readonly PKI="$KUBERNETES_DIR/pki" MANIFESTS="$KUBERNETES_DIR/manifests"

main() {
  read_arguments "" "$@"
  need_settings NODE_NAME
  : "${RENEW:=}"
  begin
  check membership
  phase certificates
  phase restart
  finish "certificates of $NODE_NAME"
}

check_membership() {
  [[ -f $MANIFESTS/kube-apiserver.yaml ]] ||
    die "$E_USAGE" "This machine is not a master, so it has no certificates of a control plane."
}

phase_certificates() {
  local name
  for name in $RENEW; do
    touch "$RENEWING"
    run direct kubeadm certs renew "$name" ||
      die "$E_CERTIFICATES" "kubeadm cannot renew the certificate $name; see the lines above."
  done
}

# A component reads its certificates when it starts.
phase_restart() {
  [[ -e $RENEWING ]] || return 0
  restart etcd "$PKI"/etcd/{server,peer,healthcheck-client}.crt
  restart kube-apiserver "$PKI"/{apiserver,apiserver-kubelet-client,apiserver-etcd-client,front-proxy-client}.crt
  restart kube-controller-manager "$KUBERNETES_DIR/controller-manager.conf"
  restart kube-scheduler "$KUBERNETES_DIR/scheduler.conf"
  rm -f "$RENEWING"
}

# restart COMPONENT FILE…: kubelet starts a static pod anew when its manifest changes, so a label of it
# holds the sum of the files that it has been started with.
restart() {
  local component=$1 sum fresh manifest="$MANIFESTS/$1.yaml"
  shift
  [[ -f $manifest ]] || return 0
  doing "restart of $component"
  sum=$(file_sum "$@")
  fresh=$(labelled "$sum" <"$manifest")
  write_file "$manifest" 0600 <<<"$fresh"
  wait_until 240 runs_with "$component" "$sum" ||
    die "$E_API" "$component has not started with its new certificates; look at: crictl ps -a, journalctl -u kubelet"
}

# labelled SUM < manifest: as kubeadm writes it, with our label as the first one.
labelled() {
  awk -v sum="$1" '
    /^    certificates: / && in_labels { next }
    { print }
    /^  [a-z]+:/ { in_labels = 0 }
    /^  labels:/ && !done { print "    certificates: \"" sum "\""; in_labels = done = 1 }
  '
}

runs_with() {
  local seen
  seen=$(admin -n kube-system get pod "$1-$NODE_NAME" \
    -o 'jsonpath={.metadata.labels.certificates} {.status.phase}' 2>/dev/null) || return 1
  [[ $seen == "$2 Running" ]] && api_is_ready
}

main "$@"
