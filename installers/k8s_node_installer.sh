#!/usr/bin/env bash
# Make this machine a node of a Kubernetes cluster: kubeadm, containerd, flannel.
#
# Usage: k8s_node_installer.sh [--env FILE] [--dry-run] [--help] [install | join]
#
#   install      packages, container runtime and images; needs no master yet
#   join         join the cluster; needs `install` and a master that answers
#                (without one: both, in this order)
#   --env FILE   read the settings below from FILE, which must have mode 0600
#   --dry-run    look and show what would be done to the machine, up to its packages
#
# Safe to run again: each phase checks first, and reports `skipped` when there is nothing to do.
#
# Settings that must be given:
#   NODE_NAME          name of this node, which becomes its hostname
#   NODE_IP            private address of this machine
#   API_ENDPOINT       name:port under which all machines know the API server
#   API_ADDRESS        what the endpoint's name means on this machine: load balancer or master
#   JOIN_TOKEN         bootstrap token (secret; for `join`)
#   CA_HASH            sha256:… of the cluster's certificate authority (for `join`)
# Settings with a default:
#   NODE_LABELS        labels of this node, key=value,… (none)
#   NODE_TAINTS        taints of this node, key=value:effect,… (none)
#   K8S_VERSION        version with its patch, of 1.35 to 1.37 (1.36.4)
#   CONTAINERD_VERSION major.minor (2.3)
#   IMAGE_REPOSITORY   where Kubernetes' own images are, tried in turn; all machines name them as in the
#                      first one (registry.aliyuncs.com/google_containers registry.k8s.io)
#   PACKAGE_MIRROR     aliyun, tuna, upstream or URLs, tried in turn (aliyun tuna upstream)
#   PULL_MIRRORS       registry=mirror … for containerd, of one registry tried in turn (DaoCloud's)
#   API_WAIT           how long `join` waits for the API server to answer, in seconds (300)
#   KUBERNETES_SIGNER  fingerprint of the key that signs Kubernetes' packages (upstream's)
#   DOCKER_SIGNER      fingerprint of the key that signs containerd's packages (Docker's)
#
# Exit codes: 0 done, 1 unexpected, 2 wrong settings, 10 system not supported, 11 cgroup v1,
# 12 kernel too old, 13 not root, 14 another installer runs, 15 disk full, 20 no mirror answers,
# 21 packages, 22 images, 23 container runtime, 31 kubeadm join, 32 API server not reachable.
# Worth a retry without a change: 14, 20, 21, 22, 32.

set -Eeuo pipefail
HERE=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
for part in base machine packages runtime cluster join; do
  # shellcheck source-path=SCRIPTDIR source=lib/base.sh source=lib/machine.sh
  # shellcheck source=lib/packages.sh source=lib/runtime.sh source=lib/cluster.sh source=lib/join.sh
  . "$HERE/lib/$part.sh"
done

main() {
  read_arguments "install join" "$@"
  need_settings NODE_NAME NODE_IP API_ENDPOINT API_ADDRESS
  [[ $STEP == install ]] || need_settings JOIN_TOKEN CA_HASH
  : "${NODE_LABELS:=}" "${NODE_TAINTS:=}" "${K8S_VERSION:=1.36.4}" "${API_WAIT:=300}"
  machine_defaults
  begin
  check preflight
  if [[ $STEP != join ]]; then
    phase host
    phase packages
    ((DRY_RUN)) && return 0
    phase runtime
    phase images
  fi
  if [[ $STEP != install ]]; then
    ((DRY_RUN)) && return 0
    phase join
    check verify
  fi
  finish "node $NODE_NAME${STEP:+, $STEP}"
}

phase_images() {
  pull_kubernetes_images '/(kube-proxy|pause):'
  pull_images "${FLANNEL_IMAGES[@]}"
}

phase_join() {
  local file="$STATE_DIR/join.yaml" kubelet_conf="$KUBERNETES_DIR/kubelet.conf"
  set_hosts_line "$API_ADDRESS" "${API_ENDPOINT%:*}"
  if [[ -f $kubelet_conf ]]; then
    rm -f "$file" # it holds the token
    [[ $(authority_hash) == "$CA_HASH" ]] ||
      die "$E_JOIN" "This machine is a node of another cluster; kubeadm reset -f and a reboot make it free."
    return 0
  fi
  [[ ! -e $KUBERNETES_DIR/bootstrap-kubelet.conf && ! -e $KUBERNETES_DIR/pki/ca.crt ]] || forget_attempt
  join_cluster "$file"
}

check_verify() {
  wait_until 60 systemctl is-active --quiet kubelet ||
    die "$E_JOIN" "kubelet does not run; look at: journalctl -u kubelet"
  register_deleted_node
}

main "$@"
