# shellcheck shell=bash
# Package sources and packages: signed, pinned, held. Sourced, never run.
#
# Mirrors carry the upstream signatures, and of the key file of a mirror only the pinned key is
# taken over, so a mirror cannot add packages of its own.

readonly KUBERNETES_PACKAGES=(kubeadm kubelet kubectl)
PACKAGES=("${KUBERNETES_PACKAGES[@]}") # those of them that are brought to K8S_VERSION
readonly SPACE_FOR_PACKAGES=1500 # MiB: the archives and what they unpack to
readonly OUTPUT="$STATE_DIR/output" # of the last apt-get or dnf
CHOSEN_MIRROR=
WHY=     # why the mirror that is being tried cannot be used
REFUSED= # the mirrors that cannot be used, each with its reason

phase_packages() {
  if packages_are_right; then
    hold_packages
    return 0
  fi
  need_space "${SYSROOT}/var" "$SPACE_FOR_PACKAGES" "the packages"
  check_network
  "forget_sources_$OS_FAMILY"
  "prepare_$OS_FAMILY"
  fetch_packages
  "install_$OS_FAMILY"
  hold_packages
  ((DRY_RUN)) || packages_are_right ||
    die "$E_PACKAGES" "The packages were installed, but not in the wanted versions; see the lines above."
}

packages_are_right() {
  local package
  for package in "${PACKAGES[@]}"; do
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
    *) # a private mirror, with the same folders as aliyun's
      KUBERNETES_URL="${1%/}/kubernetes-new/core/stable/v$minor"
      DOCKER_URL="${1%/}/docker-ce"
      ;;
  esac
}

key_url() {
  if [[ $OS_FAMILY == debian ]]; then
    echo "$KUBERNETES_URL/deb/Release.key"
  else
    echo "$KUBERNETES_URL/rpm/repodata/repomd.xml.key"
  fi
}

# Without a network the tools of the system try for minutes; a few seconds show it.
check_network() {
  local mirror
  if ((DRY_RUN)) || ! command -v curl >/dev/null; then
    return 0 # curl comes with the basic packages
  fi
  for mirror in $PACKAGE_MIRROR; do
    use_mirror "$mirror"
    doing "reaching $mirror"
    ! curl -sSL --connect-timeout 5 --max-time 8 -o /dev/null "$(key_url)" || return 0
  done
  die "$E_MIRROR" "No package mirror answers for Kubernetes ${K8S_VERSION%.*} (tried: $PACKAGE_MIRROR); does this machine reach the internet?"
}

# Each mirror is tried for all of it, both keys, both indexes and every package, before anything of it
# is installed; one that lacks a part is left for the next.
fetch_packages() {
  local mirror
  for mirror in $PACKAGE_MIRROR; do
    use_mirror "$mirror"
    doing "packages of $mirror"
    if "fetch_$OS_FAMILY"; then
      CHOSEN_MIRROR=$mirror
      say "packages come from $mirror"
      return 0
    fi
    warn "The package mirror $mirror cannot be used: $WHY."
    REFUSED+="${REFUSED:+; }$mirror: $WHY"
    "forget_sources_$OS_FAMILY"
  done
  die "$E_PACKAGES" "No mirror has all packages of Kubernetes $K8S_VERSION and containerd $CONTAINERD_VERSION: $REFUSED. Try an older patch or another PACKAGE_MIRROR."
}

# refuse REASON: the mirror that is being tried cannot be used.
refuse() {
  WHY=$*
  return 1
}

# fetch_key URL FILE FINGERPRINT: takes this one key over, and nothing else that the file contains.
fetch_key() {
  local url=$1 file=$2 fingerprint=$3 box="$STATE_DIR/keys" seen
  if ((DRY_RUN)); then
    say "+ fetch the key $fingerprint from $url"
    return 0
  fi
  rm -rf "$box"
  (umask 077 && mkdir "$box")
  curl -fsSL --retry 2 --connect-timeout 5 --max-time 60 -o "$box/fetched" "$url" ||
    refuse "its signing key at $url cannot be fetched" || return 1
  gpg --batch --quiet --no-autostart --homedir "$box" --import "$box/fetched" >/dev/null 2>&1 || true
  gpg --batch --quiet --no-autostart --homedir "$box" --armor --export "$fingerprint" >"$box/key" 2>/dev/null || true
  seen=$(gpg --batch --no-autostart --homedir "$box" --with-colons --show-keys "$box/key" 2>/dev/null) || true
  seen=$(awk -F: '$1 == "pub" { first = 1 } $1 == "fpr" && first { print $10; first = 0 }' <<<"$seen")
  [[ $seen == "$fingerprint" ]] ||
    refuse "the file at $url does not hold the key $fingerprint, so it is not to be trusted" || return 1
  write_file "$file" 0644 <"$box/key"
  rm -rf "$box"
}

# why_of FILE: the reason in the output of a package tool. A full disk is no fault of a mirror.
why_of() {
  if grep -Eqi 'no space left|enough free space|disk quota|read-only file system' "$1"; then
    die "$E_SPACE" "The disk takes no more packages: $(grep -Eim1 'no space left|enough free space|disk quota|read-only file system' "$1"). Free some space, or use a larger disk."
  fi
  WHY=$(grep -Em1 '^(E:|Error:)' "$1" || tail -n 1 "$1")
  WHY=${WHY#E: }
  WHY=${WHY%.}
}

# --- Debian and Ubuntu ---------------------------------------------------------------------

readonly SOURCES=(kubernetes docker) # our files in sources.list.d

# The first boot runs unattended upgrades for minutes, so wait for all of apt's locks: apt-get itself
# waits for one of them only, and only for so long.
apt() {
  local deadline=$((SECONDS + 300))
  CHANGED=1
  until (
    DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a run apt-get -q -y \
      -o DPkg::Lock::Timeout=300 -o Acquire::Retries=2 -o Acquire::http::Timeout=15 \
      -o Acquire::https::Timeout=15 -o Dpkg::Options::=--force-confold "$@"
  ) 2>&1 | keep_output; do
    grep -Eq 'Could not get lock|Unable to lock' "$OUTPUT" && ((SECONDS < deadline)) || return 1
    say "waiting for the program that holds the package lists"
    sleep 3
  done
}

# keep_output: passes lines on, and keeps them in OUTPUT.
keep_output() {
  if ((DRY_RUN)); then
    cat
  else
    tee "$OUTPUT"
  fi
}

# An interrupted run leaves dpkg's journal, with which apt-get refuses to work. The journal may also
# be that of a running program: then dpkg fails, and apt-get waits for the lock.
install_debs() {
  if [[ -n $(find "${SYSROOT}/var/lib/dpkg/updates" -type f 2>/dev/null) ]]; then
    DEBIAN_FRONTEND=noninteractive run dpkg --force-confold --configure -a || true
  fi
  apt install "$@"
}

# A source of ours that an ended run has left may be of a mirror that fails.
forget_sources_debian() {
  local source
  ((DRY_RUN)) && return 0
  for source in "${SOURCES[@]}"; do
    rm -f "${SYSROOT}/etc/apt/sources.list.d/$source.list"
  done
}

prepare_debian() {
  apt update || die "$E_MIRROR" "apt-get update fails; see the lines above."
  retry 3 install_debs ca-certificates curl gnupg iptables ethtool tar openssl || {
    why_of "$OUTPUT"
    die "$E_PACKAGES" "The basic packages cannot be installed; see the lines above."
  }
}

# fetch_debian: both sources, and all packages as files; nothing is installed.
fetch_debian() {
  local id codename source keys="${SYSROOT}/etc/apt/keyrings"
  id=$(os_field ID)
  codename=$(os_field VERSION_CODENAME)
  fetch_key "$(key_url)" "$keys/kubernetes.asc" "$KUBERNETES_SIGNER" || return 1
  fetch_key "$DOCKER_URL/linux/$id/gpg" "$keys/docker.asc" "$DOCKER_SIGNER" || return 1
  write_file "${SYSROOT}/etc/apt/sources.list.d/kubernetes.list" 0644 <<END
deb [signed-by=/etc/apt/keyrings/kubernetes.asc] $KUBERNETES_URL/deb/ /
END
  write_file "${SYSROOT}/etc/apt/sources.list.d/docker.list" 0644 <<END
deb [arch=$ARCHITECTURE signed-by=/etc/apt/keyrings/docker.asc] $DOCKER_URL/linux/$id $codename stable
END
  # Only these two, each with its own errors: by default apt-get ends well with an old index.
  for source in "${SOURCES[@]}"; do
    apt update -o APT::Update::Error-Mode=any -o APT::Get::List-Cleanup=0 \
      -o "Dir::Etc::sourcelist=${SYSROOT}/etc/apt/sources.list.d/$source.list" \
      -o Dir::Etc::sourceparts=- || {
      why_of "$OUTPUT"
      return 1
    }
  done
  install_kubernetes --download-only || {
    why_of "$OUTPUT"
    return 1
  }
}

install_kubernetes() {
  install_debs "$@" --allow-change-held-packages --allow-downgrades \
    "containerd.io=$CONTAINERD_VERSION.*" "${PACKAGES[@]/%/=$K8S_VERSION-*}"
}

install_debian() {
  retry 3 install_kubernetes || {
    why_of "$OUTPUT"
    die "$E_PACKAGES" "Kubernetes $K8S_VERSION or containerd $CONTAINERD_VERSION cannot be installed; see the lines above."
  }
}

# --- Rocky and similar systems ------------------------------------------------------------

dnf() { run command dnf -q -y "$@" 2>&1 | keep_output; }

forget_sources_rhel() {
  ((DRY_RUN)) || rm -f "${SYSROOT}/etc/yum.repos.d/kubernetes.repo" "${SYSROOT}/etc/yum.repos.d/docker-ce.repo"
}

prepare_rhel() {
  local packages=(ca-certificates gnupg2 iptables-nft ethtool tar openssl container-selinux)
  command -v curl >/dev/null || packages+=(curl) # curl-minimal is enough, and curl conflicts with it
  CHANGED=1
  retry 3 dnf install "${packages[@]}" || {
    why_of "$OUTPUT"
    die "$E_PACKAGES" "The basic packages cannot be installed; see the lines above."
  }
}

# fetch_rhel: both sources, and all packages as files; nothing is installed.
fetch_rhel() {
  local keys="${SYSROOT}/etc/pki/rpm-gpg"
  fetch_key "$(key_url)" "$keys/kubernetes.asc" "$KUBERNETES_SIGNER" || return 1
  fetch_key "$DOCKER_URL/linux/centos/gpg" "$keys/docker.asc" "$DOCKER_SIGNER" || return 1
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
  install_rpms --downloadonly || {
    why_of "$OUTPUT"
    return 1
  }
}

install_rpms() {
  dnf "$@" install --disableexcludes=kubernetes,docker-ce-stable --allowerasing \
    "containerd.io-$CONTAINERD_VERSION.*" "${PACKAGES[@]/%/-$K8S_VERSION}"
}

install_rhel() {
  CHANGED=1
  retry 3 install_rpms || {
    why_of "$OUTPUT"
    die "$E_PACKAGES" "Kubernetes $K8S_VERSION or containerd $CONTAINERD_VERSION cannot be installed; see the lines above."
  }
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
