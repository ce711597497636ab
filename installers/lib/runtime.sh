# shellcheck shell=bash
# containerd with our complete configuration, and the images. Sourced, never run.

readonly RUNNING_SUM="$STATE_DIR/containerd.sum" # of the configuration that containerd was started with
readonly CRI_SOCKET=unix:///run/containerd/containerd.sock
readonly FLANNEL_IMAGES=(
  ghcr.io/flannel-io/flannel:v0.28.9
  ghcr.io/flannel-io/flannel-cni-plugin:v1.9.1-flannel3
)

IMAGES_FROM= # the repository that the last missing image of Kubernetes came from

# kubeadm_images REPOSITORY: the images that this version of kubeadm wants, as this repository names them.
kubeadm_images() {
  kubeadm config images list --kubernetes-version "v$K8S_VERSION" --image-repository "$1"
}

phase_runtime() {
  local sandbox config="${SYSROOT}/etc/containerd/config.toml"
  # kubeadm defines the tag of the pause image; another tag would be garbage-collected.
  sandbox=$(kubeadm_images "$FIRST_REPOSITORY" | grep '/pause:')
  containerd_config "$sandbox" | write_file "$config" 0644
  write_mirrors
  write_file "${SYSROOT}/etc/crictl.yaml" 0644 <<<"runtime-endpoint: $CRI_SOCKET"
  enable_unit containerd
  # Without the order kubelet may start first at boot, and ends once for want of containerd.
  write_file "${SYSROOT}/etc/systemd/system/kubelet.service.d/20-containerd.conf" 0644 <<'END'
[Unit]
After=containerd.service
END
  enable_unit kubelet # restarts in a loop until kubeadm has configured it; that is normal
  # The file may be newer than the running containerd: an installer was killed here.
  if [[ $(file_sum "$config") != "$(cat "$RUNNING_SUM" 2>/dev/null)" ]] || ! runtime_is_right "$sandbox"; then
    run systemctl restart containerd
    file_sum "$config" | write_file "$RUNNING_SUM" 0644
  fi
  wait_until 30 runtime_is_right "$sandbox" ||
    die "$E_RUNTIME" "containerd does not run with our configuration (systemd cgroups, $sandbox); look at: journalctl -u containerd"
}

enable_unit() {
  systemctl is-enabled --quiet "$1" || run systemctl enable "$1"
}

# `crictl info` of containerd 2 does not name the pause image any more (kubernetes/kubeadm#3146).
runtime_is_right() {
  local info config
  info=$(crictl --timeout 20s info 2>/dev/null) || return 1
  config=$(containerd config dump 2>/dev/null) || return 1
  [[ $info == *'"SystemdCgroup": true'* && $config == *"$1"* ]]
}

# Packaged files switch the CRI plugin off, and patched defaults are fragile: write the whole file.
containerd_config() {
  cat <<END
version = 3
root = '/var/lib/containerd'
state = '/run/containerd'

[grpc]
  address = '/run/containerd/containerd.sock'

[plugins.'io.containerd.cri.v1.images']
  snapshotter = 'overlayfs'

[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = '$1'

[plugins.'io.containerd.cri.v1.images'.registry]
  config_path = '/etc/containerd/certs.d'

[plugins.'io.containerd.cri.v1.runtime'.containerd]
  default_runtime_name = 'runc'

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = 'io.containerd.runc.v2'

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
  SystemdCgroup = true

[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ['/opt/cni/bin']
  conf_dir = '/etc/cni/net.d'
END
}

# One hosts.toml a registry; containerd reads them at each pull, no restart needed.
write_mirrors() {
  local entry registry
  for entry in $PULL_MIRRORS; do
    registry=${entry%%=*}
    mirrors_of "$registry" | write_file "${SYSROOT}/etc/containerd/certs.d/$registry/hosts.toml" 0644
  done
}

# mirrors_of REGISTRY: its mirrors, tried in turn, and last the registry itself.
mirrors_of() {
  local entry server="https://$1"
  [[ $1 != docker.io ]] || server=https://registry-1.docker.io
  say "server = \"$server\""
  for entry in $PULL_MIRRORS; do
    if [[ ${entry%%=*} == "$1" ]]; then
      printf '\n[host."%s"]\n  capabilities = ["pull", "resolve"]\n' "${entry#*=}"
    fi
  done
}

# pull_kubernetes_images PATTERN: those of kubeadm's images whose names match. They have the names of
# the first repository on all machines, whichever of the repositories a machine can pull them from: by
# these names kubeadm and every kubelet ask for them.
pull_kubernetes_images() {
  local repository images own
  mapfile -t images < <(kubeadm_images "$FIRST_REPOSITORY" | grep -E "$1")
  ((${#images[@]})) || die "$E_IMAGES" "kubeadm names no images for Kubernetes $K8S_VERSION."
  for repository in $IMAGE_REPOSITORY; do
    mapfile -t own < <(kubeadm_images "$repository" | grep -E "$1")
    ! pull_from "$repository" || return 0
    warn "The image repository $repository cannot be used: $WHY."
    REFUSED+="${REFUSED:+; }$repository: $WHY"
  done
  die "$E_IMAGES" "No repository has all images of Kubernetes $K8S_VERSION: $REFUSED. Try an older patch or another IMAGE_REPOSITORY."
}

# pull_from REPOSITORY: the missing ones of `images`, of which `own` has the names in this repository.
pull_from() {
  local index
  for index in "${!images[@]}"; do
    ! has_image "${images[index]}" || continue
    pull_image "${own[index]}" || {
      WHY=${WHY//"$1/"/}
      return 1
    }
    IMAGES_FROM=$1
    [[ ${own[index]} == "${images[index]}" ]] || name_image "${own[index]}" "${images[index]}" || return 1
  done
}

# name_image IMAGE NAME: gives a pulled image one more name.
name_image() {
  run ctr -n k8s.io images tag --force "$1" "$2" && wait_until 20 has_image "$2" ||
    refuse "$1 cannot be given the name $2"
}

# pull_images IMAGE…: pulls missing images only.
pull_images() {
  local image
  for image in "$@"; do
    has_image "$image" || pull_image "$image" ||
      die "$E_IMAGES" "The image $image cannot be pulled: $WHY. Try another mirror in PULL_MIRRORS."
  done
}

has_image() { crictl --timeout 20s inspecti -q "$1" >/dev/null 2>&1; }

# pull_image IMAGE: sets WHY where it cannot be pulled.
pull_image() {
  local attempt
  doing "image ${1##*/}"
  CHANGED=1
  for attempt in 1 2 3; do
    ! run crictl pull "$1" 2>&1 | keep_output || return 0
    # What a registry does not have, it will not have in a few seconds either.
    ! grep -q ': not found"$' "$OUTPUT" || break
    ((attempt == 3)) || sleep $((attempt * 2))
  done
  why_of "$OUTPUT"
  WHY=${WHY##*level=fatal msg=\"pulling image: }
  WHY=${WHY//\\\"/\"}
  WHY=${WHY%\"}
  WHY=${WHY#failed to pull and unpack image \"*\": }
  WHY=${WHY#failed to resolve image: }
  return 1
}
