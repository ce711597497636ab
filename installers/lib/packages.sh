# shellcheck shell=bash
# Package sources and packages: signed, pinned, held. Sourced, never run.
#
# Mirrors carry the upstream signatures, so a mirror cannot add packages of its own.

readonly KUBERNETES_PACKAGES=(kubeadm kubelet kubectl)
CHOSEN_MIRROR=

phase_packages() {
  if packages_are_right; then
    hold_packages
    return 0
  fi
  "prepare_$OS_FAMILY"
  choose_mirror
  "add_sources_$OS_FAMILY"
  "install_$OS_FAMILY"
  hold_packages
  ((DRY_RUN)) || packages_are_right ||
    die "$E_PACKAGES" "The packages were installed, but not in the wanted versions; see the lines above."
}

packages_are_right() {
  local package
  for package in "${KUBERNETES_PACKAGES[@]}"; do
    [[ $(installed_version "$package") == "$K8S_VERSION"[-.]* ]] || return 1
  done
  [[ $(installed_version containerd.io) == "$CONTAINERD_VERSION".* ]]
}

# installed_version PACKAGE: empty when it is not installed.
installed_version() {
  case $OS_FAMILY in
    debian) dpkg-query -W -f '${db:Status-Abbrev}${Version}' "$1" 2>/dev/null | sed -n 's/^[hi]i *//p' ;;
    rhel) rpm -q --qf '%{VERSION}-%{RELEASE}' "$1" 2>/dev/null || true ;;
  esac
}

# use_mirror WORD: sets KUBERNETES_URL and DOCKER_URL.
use_mirror() {
  local minor=${K8S_VERSION%.*}
  case $1 in
    aliyun)
      KUBERNETES_URL="https://mirrors.aliyun.com/kubernetes-new/core/stable/v$minor"
      DOCKER_URL=https://mirrors.aliyun.com/docker-ce
      ;;
    tuna)
      KUBERNETES_URL="https://mirrors.tuna.tsinghua.edu.cn/kubernetes/core:/stable:/v$minor"
      DOCKER_URL=https://mirrors.tuna.tsinghua.edu.cn/docker-ce
      ;;
    upstream)
      KUBERNETES_URL="https://pkgs.k8s.io/core:/stable:/v$minor"
      DOCKER_URL=https://download.docker.com
      ;;
    http://* | https://*) # a private mirror, with the same folders as aliyun's
      KUBERNETES_URL="${1%/}/kubernetes-new/core/stable/v$minor"
      DOCKER_URL="${1%/}/docker-ce"
      ;;
    *) die "$E_USAGE" "PACKAGE_MIRROR holds $1; the words are aliyun, tuna, upstream, or a URL." ;;
  esac
}

key_url() {
  if [[ $OS_FAMILY == debian ]]; then
    echo "$KUBERNETES_URL/deb/Release.key"
  else
    echo "$KUBERNETES_URL/rpm/repodata/repomd.xml.key"
  fi
}

# The first mirror that answers; its name is part of the result.
choose_mirror() {
  local mirror
  ((DRY_RUN)) && use_mirror "${PACKAGE_MIRROR%% *}" && return 0
  for mirror in $PACKAGE_MIRROR; do
    use_mirror "$mirror"
    if curl -fsSL --connect-timeout 5 --max-time 15 -o /dev/null "$(key_url)"; then
      CHOSEN_MIRROR=$mirror
      say "packages come from $mirror"
      return 0
    fi
  done
  die "$E_MIRROR" "No package mirror answers for Kubernetes ${K8S_VERSION%.*} (tried: $PACKAGE_MIRROR)."
}

# fetch_key URL FILE FINGERPRINT: only a key with this fingerprint is accepted.
fetch_key() {
  local url=$1 file=$2 fingerprint=$3 fresh seen
  if ((DRY_RUN)); then
    say "+ fetch the key $fingerprint from $url"
    return 0
  fi
  fresh="$STATE_DIR/.key"
  curl -fsSL --retry 5 --retry-connrefused --connect-timeout 10 --max-time 120 -o "$fresh" "$url" ||
    die "$E_MIRROR" "The signing key at $url cannot be fetched."
  seen=$(gpg --batch --with-colons --show-keys "$fresh") || true
  grep -q "^fpr:.*:$fingerprint:" <<<"$seen" ||
    die "$E_PACKAGES" "The signing key at $url is not $fingerprint; this mirror is not to be trusted."
  write_file "$file" 0644 <"$fresh"
  rm -f "$fresh"
}

# --- Debian and Ubuntu ---------------------------------------------------------------------

# The first boot runs unattended upgrades for minutes, so wait for dpkg's lock.
apt() {
  DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a run apt-get -q -y \
    -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -o Dpkg::Options::=--force-confold "$@"
}

# apt-get never waits for the lock of the lists, so wait here.
update_lists() {
  local answer attempt=1 deadline=$((SECONDS + 300))
  CHANGED=1
  until answer=$(apt update 2>&1); do
    printf '%s\n' "$answer" >&2
    if [[ $answer == *"Could not get lock"* ]] && ((SECONDS < deadline)); then
      say "waiting for the program that holds the package lists"
    elif ((attempt++ == 5)); then
      return 1
    fi
    sleep 3
  done
  printf '%s\n' "$answer"
}

# An interrupted run leaves dpkg's journal, with which apt-get refuses to work. The journal may also
# be that of a running program: then dpkg fails, and apt-get waits for the lock.
install_debs() {
  if [[ -n $(find "${SYSROOT}/var/lib/dpkg/updates" -type f 2>/dev/null) ]]; then
    DEBIAN_FRONTEND=noninteractive run dpkg --force-confold --configure -a || true
  fi
  apt install "$@"
}

prepare_debian() {
  update_lists || die "$E_MIRROR" "apt-get update fails; see the lines above."
  retry 3 install_debs ca-certificates curl gnupg iptables ethtool tar openssl ||
    die "$E_PACKAGES" "The basic packages cannot be installed; see the lines above."
}

add_sources_debian() {
  local id codename keys="${SYSROOT}/etc/apt/keyrings"
  id=$(os_field ID)
  codename=$(os_field VERSION_CODENAME)
  fetch_key "$(key_url)" "$keys/kubernetes.asc" "$KUBERNETES_SIGNER"
  fetch_key "$DOCKER_URL/linux/$id/gpg" "$keys/docker.asc" "$DOCKER_SIGNER"
  write_file "${SYSROOT}/etc/apt/sources.list.d/kubernetes.list" 0644 <<END
deb [signed-by=/etc/apt/keyrings/kubernetes.asc] $KUBERNETES_URL/deb/ /
END
  write_file "${SYSROOT}/etc/apt/sources.list.d/docker.list" 0644 <<END
deb [arch=$ARCHITECTURE signed-by=/etc/apt/keyrings/docker.asc] $DOCKER_URL/linux/$id $codename stable
END
}

install_debian() {
  update_lists || die "$E_MIRROR" "apt-get update fails with the new sources; see the lines above."
  retry 3 install_debs --allow-change-held-packages --allow-downgrades \
    "containerd.io=$CONTAINERD_VERSION.*" "${KUBERNETES_PACKAGES[@]/%/=$K8S_VERSION-*}" ||
    die "$E_PACKAGES" "Kubernetes $K8S_VERSION or containerd $CONTAINERD_VERSION cannot be installed; the mirror may lag behind, so try an older patch."
}

# --- Rocky and similar systems ------------------------------------------------------------

prepare_rhel() {
  local packages=(ca-certificates gnupg2 iptables-nft ethtool tar openssl container-selinux)
  command -v curl >/dev/null || packages+=(curl) # curl-minimal is enough, and curl conflicts with it
  retry 3 run dnf -q -y install "${packages[@]}" ||
    die "$E_PACKAGES" "The basic packages cannot be installed; see the lines above."
}

add_sources_rhel() {
  local keys="${SYSROOT}/etc/pki/rpm-gpg"
  fetch_key "$(key_url)" "$keys/kubernetes.asc" "$KUBERNETES_SIGNER"
  fetch_key "$DOCKER_URL/linux/centos/gpg" "$keys/docker.asc" "$DOCKER_SIGNER"
  write_file "${SYSROOT}/etc/yum.repos.d/kubernetes.repo" 0644 <<END
[kubernetes]
name=Kubernetes
baseurl=$KUBERNETES_URL/rpm/
enabled=1
gpgcheck=1
repo_gpgcheck=1
gpgkey=file:///etc/pki/rpm-gpg/kubernetes.asc
exclude=kubelet kubeadm kubectl cri-tools kubernetes-cni
END
  write_file "${SYSROOT}/etc/yum.repos.d/docker-ce.repo" 0644 <<END
[docker-ce-stable]
name=Docker CE
baseurl=$DOCKER_URL/linux/centos/9/\$basearch/stable
enabled=1
gpgcheck=1
gpgkey=file:///etc/pki/rpm-gpg/docker.asc
exclude=containerd.io
END
}

install_rhel() {
  retry 3 run dnf -q -y install --disableexcludes=kubernetes,docker-ce-stable --allowerasing \
    "containerd.io-$CONTAINERD_VERSION.*" "${KUBERNETES_PACKAGES[@]/%/-$K8S_VERSION}" ||
    die "$E_PACKAGES" "Kubernetes $K8S_VERSION or containerd $CONTAINERD_VERSION cannot be installed; the mirror may lag behind, so try an older patch."
}

# No unattended upgrade may change a cluster; on Rocky the sources' exclude lines prevent it.
hold_packages() {
  local package held
  [[ $OS_FAMILY == debian ]] || return 0
  held=$(apt-mark showhold)
  for package in "${KUBERNETES_PACKAGES[@]}" containerd.io; do
    grep -qx "$package" <<<"$held" || run apt-mark hold "$package"
  done
}
