#!/usr/bin/env bash
# Bring this machine of a Kubernetes cluster to another version, in place.
#
# Usage: k8s_upgrade_installer.sh [--env FILE] [--help] [prepare | upgrade]
#
#   prepare      kubeadm and the images, beside everything that runs; the node need not be empty
#   upgrade      a master: its control plane, then its kubelet; another machine: its kubelet,
#                after all masters, and once its pods have left it
#                (without a word: both, in this order)
#   --env FILE   read the settings below from FILE, which must have mode 0600
#
# Safe to run again: each phase checks first, and reports `skipped` when there is nothing to do.
# Whether this machine is a master follows from its manifests.
#
# Settings that must be given:
#   NODE_NAME          name of this node
#   NODE_IP            private address of this machine
#   K8S_VERSION        the wanted version with its patch, of 1.35 to 1.37
# Settings with a default:
#   CONTAINERD_VERSION major.minor (2.3)
#   IMAGE_REPOSITORY   where Kubernetes' own images are, tried in turn; all machines name them as in the
#                      first one (registry.aliyuncs.com/google_containers registry.k8s.io)
#   PACKAGE_MIRROR     aliyun, tuna, upstream or URLs, tried in turn (aliyun tuna upstream)
#   PULL_MIRRORS       registry=mirror … for containerd, of one registry tried in turn (DaoCloud's)
#   KUBERNETES_SIGNER  fingerprint of the key that signs Kubernetes' packages (upstream's)
#   DOCKER_SIGNER      fingerprint of the key that signs containerd's packages (Docker's)
#
# Exit codes: 0 done, 1 unexpected, 2 wrong settings, 10 system not supported, 11 cgroup v1,
# 12 kernel too old, 13 not root, 14 another installer runs, 15 disk full, 20 no mirror answers,
# 21 packages, 22 images, 23 container runtime, 32 API server not ready, 33 network add-on, 36 upgrade.
# Worth a retry without a change: 14, 20, 21, 22, 32.

set -Eeuo pipefail
HERE=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
for part in base machine packages runtime cluster; do
  # shellcheck source-path=SCRIPTDIR source=lib/base.sh source=lib/machine.sh
  # shellcheck source=lib/packages.sh source=lib/runtime.sh source=lib/cluster.sh
  . "$HERE/lib/$part.sh"
done

readonly UPGRADED="$STATE_DIR/upgraded" # the version that kubeadm has brought this machine to

main() {
  read_arguments "prepare upgrade" "$@"
  need_settings NODE_NAME NODE_IP K8S_VERSION
  machine_defaults
  begin
  check preflight
  check membership
  if [[ $STEP != upgrade ]]; then
    phase kubeadm
    phase images
  fi
  if [[ $STEP != prepare ]]; then
    check order
    phase cluster
    phase packages
    phase runtime
    phase kubelet
    check verify
  fi
  finish "Kubernetes $K8S_VERSION on $NODE_NAME${STEP:+, $STEP}"
}

node_kubectl() { direct kubectl --kubeconfig "$KUBERNETES_DIR/kubelet.conf" "$@"; }
is_master() { [[ -f $KUBERNETES_DIR/manifests/kube-apiserver.yaml ]]; }

check_membership() {
  [[ -f $KUBERNETES_DIR/kubelet.conf ]] ||
    die "$E_USAGE" "This machine is not a node of a cluster, so there is nothing to upgrade."
}

# A kubelet must not be newer than an API server.
check_order() {
  local server
  ! is_master || return 0
  server=$(node_kubectl get --raw /version | sed -n 's/.*"gitVersion": *"v\([^"]*\)".*/\1/p') ||
    die "$E_API" "The API server does not say its version; see the lines above."
  [[ $(printf '%s\n' "$K8S_VERSION" "$server" | sort -V | tail -n 1) == "$server" ]] ||
    die "$E_UPGRADE" "The API server has version $server; upgrade all masters before this node."
}

# So kubeadm comes alone and first.
phase_kubeadm() {
  # shellcheck disable=SC2034 # phase_packages reads it
  local PACKAGES=(kubeadm)
  phase_packages
}

phase_images() {
  if is_master; then
    pull_kubernetes_images '.'
  else
    pull_kubernetes_images '/(kube-proxy|pause):'
  fi
}

# kubeadm's own part; the mark says that it came to its end, as one that was killed must run again.
phase_cluster() {
  [[ $(cat "$UPGRADED" 2>/dev/null) != "$K8S_VERSION" ]] || return 0
  [[ $(installed_version kubeadm) == "$K8S_VERSION"[-.]* ]] ||
    die "$E_UPGRADE" "kubeadm has another version than $K8S_VERSION; run the step prepare first."
  if is_master; then
    upgrade_control_plane
  else
    run direct kubeadm upgrade node ||
      die "$E_UPGRADE" "kubeadm upgrade node failed; see the lines above."
  fi
  write_file "$UPGRADED" 0644 <<<"$K8S_VERSION"
}

# The first master tells the cluster its version, the others follow it.
upgrade_control_plane() {
  wait_until 60 api_is_ready || die "$E_API" "The API server is not ready; look at: crictl ps -a, journalctl -u kubelet"
  if [[ $(cluster_version) == "v$K8S_VERSION" ]]; then
    run direct kubeadm upgrade node
  else
    run direct kubeadm upgrade apply "v$K8S_VERSION" --yes
  fi || die "$E_UPGRADE" "kubeadm upgrade failed, and has put the manifests of before back; see the lines above, and look at: crictl ps -a, journalctl -u kubelet"
  wait_until 180 api_is_ready || die "$E_API" "The control plane was upgraded, but its API server is not ready; look at: crictl ps -a"
  pin_coredns || die "$E_NETWORK" "CoreDNS cannot be pinned to the masters; see the lines above."
}

# cluster_version: as kubeadm keeps it, such as v1.36.4.
cluster_version() {
  admin -n kube-system get configmap kubeadm-config -o 'jsonpath={.data.ClusterConfiguration}' |
    sed -n 's/^kubernetesVersion: *//p'
}

phase_kubelet() {
  [[ $(reported_version) != "v$K8S_VERSION" ]] || return 0
  run systemctl daemon-reload
  run systemctl restart kubelet
}

# reported_version: of this machine's kubelet; a node may read itself.
reported_version() {
  node_kubectl get node "$NODE_NAME" -o 'jsonpath={.status.nodeInfo.kubeletVersion}' 2>/dev/null || true
}

kubelet_reports() { [[ $(reported_version) == "v$K8S_VERSION" ]]; }

check_verify() {
  wait_until 120 kubelet_reports ||
    die "$E_API" "The kubelet of $NODE_NAME does not report version $K8S_VERSION; look at: journalctl -u kubelet"
}

main "$@"
