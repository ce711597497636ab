# shellcheck shell=bash
# Checks and preparation of a machine for Kubernetes. Sourced, never run.

# os_field NAME: one value of os-release, without its quotes.
os_field() {
  sed -n "s/^$1=//p" "${SYSROOT}/etc/os-release" | tr -d "\"'"
}

# Refuse an unsuitable machine in one sentence, before anything is changed.
check_preflight() {
  local id version kernel major minor
  [[ -r ${SYSROOT}/etc/os-release ]] || die "$E_OS" "This system has no /etc/os-release; use Ubuntu 24.04."
  id=$(os_field ID)
  version=$(os_field VERSION_ID)
  case "$id $version" in
    "ubuntu 22.04" | "ubuntu 24.04" | "debian 12" | "debian 13") OS_FAMILY=debian ;;
    "rocky 9"* | "almalinux 9"*) OS_FAMILY=rhel ;;
    "centos 7"*) die "$E_OS" "CentOS 7 is too old for Kubernetes (kernel 3.10, cgroup v1); use Ubuntu 24.04, Debian 12 or 13, or Rocky 9." ;;
    *) die "$E_OS" "$id $version is not supported; use Ubuntu 22.04 or 24.04, Debian 12 or 13, or Rocky 9." ;;
  esac
  kernel=$(uname -r)
  IFS=.- read -r major minor _ <<<"$kernel"
  ((major > 4 || (major == 4 && minor >= 19))) ||
    die "$E_KERNEL" "Kernel $kernel is too old: kubeadm needs 4.19 or newer."
  [[ $(stat -fc %T "${SYSROOT}/sys/fs/cgroup") == cgroup2fs ]] ||
    die "$E_CGROUP" "This system runs cgroup v1, and the kubelet needs v2; boot with systemd.unified_cgroup_hierarchy=1 or use Ubuntu 24.04."
  case $(uname -m) in
    x86_64) ARCHITECTURE=amd64 ;;
    aarch64) ARCHITECTURE=arm64 ;;
    *) die "$E_OS" "The processor $(uname -m) is not supported; use x86_64 or aarch64." ;;
  esac
  if [[ -z $DOCKER_SIGNER && $OS_FAMILY == debian ]]; then
    DOCKER_SIGNER=9DC858229FC7DD38854AE2D88D81803C0EBFCD88
  elif [[ -z $DOCKER_SIGNER ]]; then
    DOCKER_SIGNER=060A61C51B558A7F742B77AAC52FEB6B621E9F35
  fi
  check_address_plan
  check_clock
}

# kubeadm signs everything with a clock that is too early for its authority, and then nobody trusts
# the API server.
check_clock() {
  local ca="$KUBERNETES_DIR/pki/ca.crt" starts
  if [[ -s $ca ]] && starts=$(openssl x509 -in "$ca" -noout -startdate 2>/dev/null); then
    (($(date +%s) >= $(date -d "${starts#*=}" +%s))) ||
      die "$E_OS" "The clock of this machine says $(date -u '+%F %T') UTC, before the cluster's certificate authority is valid (${starts#*=}); set the clock, and look at: timedatectl"
  fi
  [[ $(timedatectl show -p NTPSynchronized --value) == yes ]] ||
    warn "The clock is not synchronised; certificates and tokens may be refused until it is."
}

# address_number A.B.C.D: the address as a number.
address_number() {
  local a b c d
  IFS=. read -r a b c d <<<"$1"
  echo $(((a << 24) + (b << 16) + (c << 8) + d))
}

# in_network ADDRESS CIDR
in_network() {
  local shift_by=$((32 - ${2#*/}))
  (($(address_number "$1") >> shift_by == $(address_number "${2%/*}") >> shift_by))
}

# A pod or service network that covers the machine's own network would take its traffic.
check_address_plan() {
  local network
  for network in ${POD_CIDR:-} ${SERVICE_CIDR:-}; do
    if in_network "$NODE_IP" "$network"; then
      die "$E_USAGE" "The network $network covers this machine's address $NODE_IP; choose another POD_CIDR or SERVICE_CIDR."
    fi
  done
}

phase_host() {
  keep_names
  set_hostname
  set_hosts_line "$NODE_IP" "$NODE_NAME"
  set_hosts_line "$API_ADDRESS" "${API_ENDPOINT%:*}"
  turn_swap_off
  load_modules
  set_sysctls
  quiet_firewall
  # Machines cloned from one image share /etc/machine-id, from which udev would derive the same
  # hardware address for every flannel.1; flannel must choose its own.
  write_file "${SYSROOT}/etc/systemd/network/50-flannel.link" 0644 <<'END'
[Match]
OriginalName=flannel*

[Link]
MACAddressPolicy=none
END
  write_file "${SYSROOT}/usr/local/bin/f2cadm" 0755 <"$HERE/f2cadm"
  # Older monitor scripts call `docker ps`; a real Docker answers it itself.
  if [[ ! -e ${SYSROOT}/usr/bin/docker ]]; then
    write_file "${SYSROOT}/usr/local/bin/docker" 0755 <"$HERE/docker"
  fi
}

# cloud-init may write /etc/hosts and the hostname again at each boot.
keep_names() {
  [[ -e ${SYSROOT}/etc/cloud/cloud.cfg ]] || return 0
  write_file "${SYSROOT}/etc/cloud/cloud.cfg.d/99-k8s-installer.cfg" 0644 <<'END'
manage_etc_hosts: false
preserve_hostname: true
END
}

set_hostname() {
  [[ $(hostname) == "$NODE_NAME" ]] || run hostnamectl set-hostname "$NODE_NAME"
}

# set_hosts_line ADDRESS NAME: keeps exactly one line of ours for NAME.
set_hosts_line() {
  local hosts="${SYSROOT}/etc/hosts" wanted
  wanted=$(printf '%s\t%s\t# k8s-installer' "$1" "$2")
  if ! grep -qxF "$wanted" "$hosts"; then
    {
      awk -v name="$2" '!($2 == name && /# k8s-installer$/)' "$hosts"
      say "$wanted"
    } | write_file "$hosts" 0644
  fi
}

# Swap is enabled at boot by fstab, or by a unit of its own, such as zram's; systemctl lists such
# units only while they are on, so they are masked first.
turn_swap_off() {
  local fstab="${SYSROOT}/etc/fstab" unit
  for unit in $(systemctl list-units --type=swap --no-legend --plain | awk '{ print $1 }'); do
    run systemctl mask "$unit"
  done
  if (($(wc -l <"${SYSROOT}/proc/swaps") > 1)); then
    run swapoff -a ||
      die "$E_OS" "Swap cannot be turned off; is there memory for what it holds? Kubernetes' kubelet does not start with swap. Look at: swapon --show"
  fi
  if grep -Eq '^[^#]\S*\s+\S+\s+swap\s' "$fstab" 2>/dev/null; then
    sed -E 's/^([^#]\S*\s+\S+\s+swap\s)/# off for kubelet: \1/' "$fstab" | write_file "$fstab" 0644
  fi
}

load_modules() {
  local module
  write_file "${SYSROOT}/etc/modules-load.d/k8s.conf" 0644 <<<$'overlay\nbr_netfilter\nvxlan'
  for module in overlay br_netfilter vxlan; do
    kernel_has "$module" || run modprobe "$module" ||
      die "$E_KERNEL" "The kernel $(uname -r) has no module $module; install its package of extra modules (linux-modules-extra, kernel-modules) or use another image."
  done
}

# kernel_has MODULE: loaded, or built in. A built-in one may have no folder below /sys/module, and
# modprobe knows it only where the image has a list of them.
kernel_has() {
  [[ ! -d ${SYSROOT}/sys/module/$1 ]] || return 0
  case $1 in
    overlay) grep -qw overlay "${SYSROOT}/proc/filesystems" 2>/dev/null ;;
    br_netfilter) [[ -e ${SYSROOT}/proc/sys/net/bridge/bridge-nf-call-iptables ]] ;;
    vxlan)
      ip link add k8s-probe type vxlan id 1 dstport 4789 >/dev/null 2>&1 || return 1
      ip link delete k8s-probe
      ;;
    *) return 1 ;;
  esac
}

# The last file name counts at boot, and images have a 99-sysctl.conf. Only our file is loaded now:
# another file with a setting unknown to this kernel must not end the installer.
set_sysctls() {
  local file="${SYSROOT}/etc/sysctl.d/99-zz-k8s.conf"
  write_file "$file" 0644 <<'END'
net.ipv4.ip_forward = 1
net.bridge.bridge-nf-call-iptables = 1
net.bridge.bridge-nf-call-ip6tables = 1
END
  sysctls_are_right || run sysctl -q -p "$file"
}

sysctls_are_right() {
  local name
  for name in net.ipv4.ip_forward net.bridge.bridge-nf-call-iptables net.bridge.bridge-nf-call-ip6tables; do
    [[ $(sysctl -n "$name" 2>/dev/null) == 1 ]] || return 1
  done
}

# The cloud's security groups filter connections; a second firewall would cut the overlay.
quiet_firewall() {
  local unit
  for unit in firewalld ufw; do
    # On Ubuntu the unit of ufw is active, too, where the firewall itself is off, as it is at first.
    if [[ $unit == ufw ]] && ! grep -Eqsi '^ENABLED="?yes' "${SYSROOT}/etc/ufw/ufw.conf"; then
      continue
    fi
    if systemctl is-active --quiet "$unit"; then
      say "turning $unit off: the security group is the firewall"
      run systemctl disable --now "$unit"
    fi
  done
}

# Settings that master and node share.
machine_defaults() {
  : "${CONTAINERD_VERSION:=2.3}"
  : "${KUBERNETES_SIGNER:=DE15B14486CD377B9E876E1A234654DA9A296436}"
  : "${DOCKER_SIGNER:=}" # Docker signs deb and rpm with different keys
  : "${IMAGE_REPOSITORY:=registry.aliyuncs.com/google_containers registry.k8s.io}"
  : "${PACKAGE_MIRROR:=aliyun tuna upstream}"
  : "${PULL_MIRRORS:=docker.io=https://docker.m.daocloud.io registry.k8s.io=https://k8s.m.daocloud.io ghcr.io=https://ghcr.m.daocloud.io quay.io=https://quay.m.daocloud.io}"
  [[ $K8S_VERSION =~ ^1\.[0-9]+\.[0-9]+$ ]] ||
    die "$E_USAGE" "K8S_VERSION is $K8S_VERSION; a version with its patch is wanted, such as 1.36.4."
  # kubeadm would make the letters small, and the node would not be found by the name it was given.
  [[ $NODE_NAME =~ ^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$ && ${#NODE_NAME} -le 63 ]] ||
    die "$E_USAGE" "NODE_NAME is $NODE_NAME; a node's name has small letters, digits, dots and dashes, and at most 63 characters."
  check_mirror_words
  [[ $K8S_VERSION =~ ^1\.3[567]\. ]] ||
    die "$E_USAGE" "Kubernetes $K8S_VERSION is not supported; use a patch of 1.35, 1.36 or 1.37."
}

# The description of a cluster has the same rules (domain/spec/cluster.py).
readonly HOST='[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?(:[0-9]+)?'
readonly URL="https?://$HOST(/[a-zA-Z0-9._~%+:/-]*)?"
readonly REPOSITORY="$HOST(/[a-z0-9._-]+)*"

check_mirror_words() {
  local word
  [[ $PACKAGE_MIRROR =~ [^[:space:]] ]] || die "$E_USAGE" "PACKAGE_MIRROR names no mirror."
  for word in $PACKAGE_MIRROR; do
    [[ $word =~ ^(aliyun|tuna|upstream|$URL)$ ]] ||
      die "$E_USAGE" "PACKAGE_MIRROR holds $word; the words are aliyun, tuna, upstream, or a URL."
  done
  for word in $PULL_MIRRORS; do
    [[ $word =~ ^$HOST=$URL$ ]] ||
      die "$E_USAGE" "PULL_MIRRORS holds $word; a registry and the URL of its mirror are wanted, such as docker.io=https://docker.m.daocloud.io."
  done
  [[ $IMAGE_REPOSITORY =~ ^$REPOSITORY(\ +$REPOSITORY)*$ ]] ||
    die "$E_USAGE" "IMAGE_REPOSITORY is $IMAGE_REPOSITORY; registries with their paths are wanted, with a space between two, such as registry.k8s.io."
  FIRST_REPOSITORY=${IMAGE_REPOSITORY%% *}
  [[ $CONTAINERD_VERSION =~ ^[0-9]+\.[0-9]+$ ]] ||
    die "$E_USAGE" "CONTAINERD_VERSION is $CONTAINERD_VERSION; major and minor are wanted, such as 2.3."
}
