#!/usr/bin/env bash
# Make this machine a master of a Kubernetes cluster: kubeadm, containerd, flannel.
#
# Usage: k8s_master_installer.sh [--env FILE] [--dry-run] [--help] [install | certificates | join]
#
#   (no word)    the first master: everything, and a new control plane
#   install      a further master: packages, container runtime and images; needs no other master yet
#   certificates on a master: store the keys that all masters share in the cluster, encrypted
#   join         a further master: join the control plane; needs `install`, and `certificates` before
#   --env FILE   read the settings below from FILE, which must have mode 0600
#   --dry-run    look and show what would be done to the machine, up to its packages
#
# Safe to run again: each phase checks first, and reports `skipped` when there is nothing to do.
# A certificate authority found in /etc/kubernetes/pki (ca.crt, ca.key) is used, else one is created.
#
# Settings that must be given:
#   CLUSTER            name of the cluster
#   NODE_NAME          name of this node, which becomes its hostname
#   NODE_IP            private address of this machine
#   API_ENDPOINT       name:port under which all machines know the API server
#   JOIN_TOKEN         bootstrap token for nodes, abcdef.0123456789abcdef (secret; not for `install`)
#   CERTIFICATE_KEY    64 hex digits, which encrypt the shared keys (secret; `certificates`, `join`)
#   CA_HASH            sha256:… of the cluster's certificate authority (for `join`)
# Settings with a default:
#   API_ADDRESS        what the endpoint's name means on this machine (NODE_IP); for `join`, until it
#                      has joined: the load balancer
#   API_WAIT           how long `join` waits for the API server to answer, in seconds (300)
#   NODE_LABELS        labels of this node, key=value,… (none)
#   K8S_VERSION        version with its patch, of 1.35 to 1.37 (1.36.4)
#   CONTAINERD_VERSION major.minor (2.3)
#   CERT_SANS          more names and addresses for the API server's certificate, by comma (none)
#   POD_CIDR           network of all pods (10.244.0.0/16)
#   NODE_CIDR_MASK     size of one node's part of it (24)
#   SERVICE_CIDR       network of services (10.96.0.0/16)
#   MAX_PODS           kubelet's limit on every node, DaemonSet pods included (43)
#   IMAGE_REPOSITORY   where Kubernetes' own images are, tried in turn; all machines name them as in the
#                      first one (registry.aliyuncs.com/google_containers registry.k8s.io)
#   PACKAGE_MIRROR     aliyun, tuna, upstream or URLs, tried in turn (aliyun tuna upstream)
#   PULL_MIRRORS       registry=mirror … for containerd, of one registry tried in turn (DaoCloud's)
#   KUBERNETES_SIGNER  fingerprint of the key that signs Kubernetes' packages (upstream's)
#   DOCKER_SIGNER      fingerprint of the key that signs containerd's packages (Docker's)
#
# Exit codes: 0 done, 1 unexpected, 2 wrong settings, 10 system not supported, 11 cgroup v1,
# 12 kernel too old, 13 not root, 14 another installer runs, 15 disk full, 20 no mirror answers,
# 21 packages, 22 images, 23 container runtime, 30 kubeadm init, 31 kubeadm join, 32 API server not ready,
# 33 network add-on.
# Worth a retry without a change: 14, 20, 21, 22, 32.

set -Eeuo pipefail
HERE=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
for part in base machine packages runtime cluster join; do
  # shellcheck source-path=SCRIPTDIR source=lib/base.sh source=lib/machine.sh
  # shellcheck source=lib/packages.sh source=lib/runtime.sh source=lib/cluster.sh source=lib/join.sh
  . "$HERE/lib/$part.sh"
done

main() {
  read_arguments "install certificates join" "$@"
  need_settings CLUSTER NODE_NAME NODE_IP API_ENDPOINT
  [[ $STEP == install || $STEP == certificates ]] || need_settings JOIN_TOKEN
  [[ $STEP != certificates && $STEP != join ]] || need_settings CERTIFICATE_KEY
  [[ $STEP != join ]] || need_settings CA_HASH
  : "${API_ADDRESS:=$NODE_IP}" "${NODE_LABELS:=}" "${K8S_VERSION:=1.36.4}" "${CERT_SANS:=}"
  : "${POD_CIDR:=10.244.0.0/16}" "${NODE_CIDR_MASK:=24}" "${SERVICE_CIDR:=10.96.0.0/16}"
  : "${MAX_PODS:=43}" "${API_WAIT:=300}"
  machine_defaults
  begin
  check preflight
  case $STEP in
    '') become_first_master ;;
    install) prepare_machine ;;
    certificates) phase certificates ;;
    join)
      phase join
      check verify
      ;;
  esac
  ((DRY_RUN)) || finish "master $NODE_NAME of $CLUSTER${STEP:+, $STEP}"
}

prepare_machine() {
  need_size
  phase host
  phase packages
  ((DRY_RUN)) && return 0
  phase runtime
  phase images
}

become_first_master() {
  prepare_machine
  ((DRY_RUN)) && return 0
  phase control_plane
  phase network
  check verify
}

# kubeadm checks it, too, but only after all packages and images.
need_size() {
  local memory
  memory=$(awk '/^MemTotal:/ { print int($2 / 1024) }' "${SYSROOT}/proc/meminfo")
  (($(nproc) >= 2 && memory >= 1700)) ||
    die "$E_OS" "A master needs 2 processors and 1700 MiB of memory; this machine has $(nproc) and $memory MiB."
}

init_file() {
  local name
  cat <<END
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
bootstrapTokens:
- token: "$JOIN_TOKEN"
  ttl: 2h0m0s
  usages: [signing, authentication]
  groups: ["system:bootstrappers:kubeadm:default-node-token"]
localAPIEndpoint:
  advertiseAddress: "$NODE_IP"
  bindPort: 6443
$(node_registration)
timeouts:
  kubernetesAPICall: 5m0s # of which the control plane's own start takes a part; 1m0s by default
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
clusterName: "$CLUSTER"
kubernetesVersion: v$K8S_VERSION
controlPlaneEndpoint: "$API_ENDPOINT"
imageRepository: $FIRST_REPOSITORY
networking:
  podSubnet: $POD_CIDR
  serviceSubnet: $SERVICE_CIDR
  dnsDomain: cluster.local
controllerManager:
  extraArgs:
  - name: node-cidr-mask-size
    value: "$NODE_CIDR_MASK"
apiServer:
  certSANs:
  - "${API_ENDPOINT%:*}"
END
  for name in ${CERT_SANS//,/ }; do
    say "  - \"$name\""
  done
  cat <<END
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: systemd
maxPods: $MAX_PODS
---
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
END
}

phase_images() {
  pull_kubernetes_images '.'
  pull_images "${FLANNEL_IMAGES[@]}"
}

readonly FINISHED_MARK="$STATE_DIR/initialised" # exists from the end of a successful init or join on

# The mark distinguishes a cluster that does not answer now, which must never be reset, from an init
# that never finished.
phase_control_plane() {
  local finished=$FINISHED_MARK file="$STATE_DIR/init.yaml"
  if [[ -f $finished ]]; then
    rm -f "$file" # it holds the token
    wait_until 180 api_is_ready ||
      die "$E_API" "The control plane was set up before, but its API server does not answer; look at: crictl ps -a, journalctl -u kubelet"
    return 0
  fi
  # The file exists from before the first certificate until the end: an attempt that left one may
  # have been killed between a certificate and its key, and each further init would fail.
  if [[ -e $file || -e $ADMIN_CONF || -e $KUBERNETES_DIR/manifests/kube-apiserver.yaml ]]; then
    forget_attempt
  fi
  restore_authority
  init_file | write_file "$file" 0600
  direct kubeadm config validate --config "$file" ||
    die "$E_USAGE" "kubeadm refuses its configuration; see the lines above."
  # Without the flag it would print the token, also to logs.
  run direct kubeadm init --config "$file" --skip-token-print || {
    : >"$file" # it holds the token; that it exists says that an attempt was made
    die "$E_INIT" "kubeadm init failed; see the lines above, and look at: journalctl -u kubelet, crictl ps -a"
  }
  touch "$finished"
  rm -f "$file"
  wait_until 60 api_is_ready || die "$E_API" "kubeadm init ended well, but the API server is not ready."
}

certificates_file() {
  cat <<END
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
certificateKey: "$CERTIFICATE_KEY"
localAPIEndpoint:
  advertiseAddress: "$NODE_IP"
  bindPort: 6443
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v$K8S_VERSION # else kubeadm would ask the internet for the newest one
controlPlaneEndpoint: "$API_ENDPOINT"
END
}

# phase_certificates: the keys that masters share go into a Secret, from which `join` takes them.
phase_certificates() {
  local file="$STATE_DIR/certificates.yaml"
  [[ -f $FINISHED_MARK ]] || die "$E_USAGE" "This machine is not a master yet: it has no keys to share."
  ((DRY_RUN == 0)) || die "$E_USAGE" "The step certificates has no --dry-run."
  wait_until 60 api_is_ready || die "$E_API" "The API server does not answer."
  certificates_file | write_file "$file" 0600
  # With the flag kubeadm would not print the key, but it is known already: it must not reach a log.
  run direct kubeadm init phase upload-certs --upload-certs --skip-certificate-key-print --config "$file" || {
    rm -f "$file"
    die "$E_INIT" "The shared keys cannot be stored in the cluster; see the lines above."
  }
  rm -f "$file"
}

# While it joins, the endpoint's name means the load balancer; afterwards this machine itself, because a
# balancer cannot send a backend's own traffic back to it.
phase_join() {
  local file="$STATE_DIR/join.yaml"
  if [[ -f $FINISHED_MARK ]]; then
    rm -f "$file" # it holds secrets
    [[ $(authority_hash) == "$CA_HASH" ]] ||
      die "$E_JOIN" "This machine is a master of another cluster; kubeadm reset -f and a reboot make it free."
    set_hosts_line "$NODE_IP" "${API_ENDPOINT%:*}"
    wait_until 180 api_is_ready ||
      die "$E_API" "This master has joined before, but its API server does not answer; look at: crictl ps -a, journalctl -u kubelet"
    return 0
  fi
  set_hosts_line "$API_ADDRESS" "${API_ENDPOINT%:*}"
  # A reset takes an unfinished attempt's member out of etcd, too.
  if [[ -e $KUBERNETES_DIR/pki/ca.crt || -e $KUBERNETES_DIR/bootstrap-kubelet.conf || -e $KUBERNETES_DIR/kubelet.conf ]]; then
    forget_attempt
    rm -rf "$KEPT_AUTHORITY"
  fi
  join_cluster "$file"
  touch "$FINISHED_MARK"
  set_hosts_line "$NODE_IP" "${API_ENDPOINT%:*}"
  wait_until 120 api_is_ready || die "$E_API" "kubeadm join ended well, but the API server is not ready."
}

phase_network() {
  render_manifest "$HERE/manifests/flannel.yaml" "POD_CIDR=$POD_CIDR" \
    "FLANNEL_IMAGE=${FLANNEL_IMAGES[0]}" "CNI_PLUGIN_IMAGE=${FLANNEL_IMAGES[1]}" | apply_manifest ||
    die "$E_NETWORK" "flannel cannot be applied; see the lines above."
  pin_coredns || die "$E_NETWORK" "CoreDNS cannot be pinned to the masters; see the lines above."
}

check_verify() {
  local changes=$CHANGES
  register_deleted_node
  # A kubelet may not give its own node the labels of a master, and does not set the taint.
  ((CHANGES == changes)) || direct kubeadm init phase mark-control-plane --node-name "$NODE_NAME" ||
    die "$E_API" "The node $NODE_NAME cannot be marked as a master; see the lines above."
  wait_until 60 node_is_known || die "$E_API" "The node $NODE_NAME has not registered; look at: journalctl -u kubelet"
}

main "$@"
