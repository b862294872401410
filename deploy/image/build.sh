#!/usr/bin/env bash
# Builds the image by deploy/image/Containerfile, without a daemon, and writes it as an OCI archive.
#
#   deploy/image/build.sh [--base rootfs|IMAGE] [--output FILE.tar] [--cuda] [--fresh]
#
#   --base rootfs   (the default) Debian 12 by mmdebstrap, which asks Debian's mirrors and no registry
#   --base IMAGE    an image of a registry, say docker.io/library/debian:bookworm-slim
#   --output FILE   build/image/ramet-VERSION.tar; import it by `ctr -n k8s.io images import FILE`, `docker load`, `podman load`
#   --cuda          with cuDF, Dask-cuDF and Dask-CUDA (requirements-cuda.lock); build/image/ramet-cuda-VERSION.tar
#   --fresh         all of it anew, Debian too, in a folder that is removed again: to compare its digest with the usual one
#
# The same sources, wheels and Debian packages make the same image, digest for digest: all times in it are SOURCE_DATE_EPOCH,
# by default a constant. Everything lies in build/image; what was built before is not built again.
# Needs root, and Debian's buildah and mmdebstrap, which it installs.
set -euo pipefail

fail() { echo "build.sh: $1" >&2; exit "${2:-1}"; }

[[ $(id -u) == 0 ]] || fail "only root may make a root file system with all its owners. Run it by sudo."
# buildah leaves its layers mounted: in a mount namespace of this script's own they go with it.
[[ ${RAMET_IMAGE_MOUNTS:-} ]] || RAMET_IMAGE_MOUNTS=own exec unshare --mount --propagation private "$0" "$@"

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
version=$(sed -nE 's/.*project\(ramet VERSION ([0-9.]+).*/\1/p' CMakeLists.txt)
python=$PWD/.venv/bin/python3
folder=$PWD/build/image
base=rootfs name=ramet lock=requirements.lock output='' fresh=''
while (($#)); do
  case $1 in
    --base) base=${2:?--base needs rootfs or an image} && shift ;;
    --output) output=$(realpath -m "${2:?--output needs a file}") && shift ;;
    --cuda) name=ramet-cuda lock=requirements-cuda.lock ;;
    --fresh) fresh=yes ;;
    *) fail "$1 is unknown. Usage: build.sh [--base rootfs|IMAGE] [--output FILE.tar] [--cuda] [--fresh]" 2 ;;
  esac
  shift
done
output=${output:-$folder/$name-$version.tar}
tag=localhost/$name:$version
mkdir -p "$folder"

missing=()
for package in buildah mmdebstrap; do command -v $package >/dev/null || missing+=("$package"); done
if ((${#missing[@]})); then
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}"; } \
    >"$folder/apt.log" 2>&1 || fail "apt-get could not install ${missing[*]}: see $folder/apt.log"
fi

rm -rf "$folder/run" # which says what is mounted
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-1767225600}
wheelhouse=$folder/wheelhouse
if [[ $fresh ]]; then
  folder=$(mktemp -d "$folder/fresh.XXXXXX")
  trap 'rm -rf "$folder"' EXIT
fi

# A storage of its own: nothing of the machine's other images is touched, and `rm -r build/image` removes all of it.
export STORAGE_DRIVER=${STORAGE_DRIVER:-overlay}
store=(buildah --root "$folder/storage" --runroot "$folder/run")

base_of_debian() { # -> localhost/debian:bookworm
  local rootfs=$folder/debian-bookworm.tar container
  if [[ ! -f $rootfs ]]; then
    mmdebstrap --quiet --variant=minbase --dpkgopt='path-exclude=/usr/share/doc/*' \
      --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' bookworm "$folder/part.tar" \
      "deb http://deb.debian.org/debian bookworm main" \
      "deb http://deb.debian.org/debian bookworm-updates main" \
      "deb http://deb.debian.org/debian-security bookworm-security main" || fail "mmdebstrap failed"
    mv "$folder/part.tar" "$rootfs"
  fi
  if ! "${store[@]}" images --quiet localhost/debian:bookworm >/dev/null 2>&1; then
    container=$("${store[@]}" from scratch)
    "${store[@]}" add --quiet "$container" "$rootfs" / >/dev/null
    "${store[@]}" commit --quiet --rm --timestamp "$SOURCE_DATE_EPOCH" "$container" localhost/debian:bookworm >/dev/null
  fi
  base=localhost/debian:bookworm
}

wheels() { # the locked packages, fetched once
  local list=deploy/image/$1
  if [[ ! -f $wheelhouse/.$1 || $list -nt $wheelhouse/.$1 ]]; then
    "$python" -m pip download --quiet --disable-pip-version-check --require-hashes --no-deps --dest "$wheelhouse" \
      --requirement "$list"
    touch "$wheelhouse/.$1"
  fi
}

[[ $base != rootfs ]] || base_of_debian
ls build/wheels/ramet-"$version"-*.whl >/dev/null 2>&1 || fail "there is no wheel of version $version in build/wheels. Run \`make wheel\` first."
mkdir -p "$wheelhouse"
wheels requirements-build.lock
wheels "$lock"

"${store[@]}" build --quiet --isolation chroot --layers --timestamp "$SOURCE_DATE_EPOCH" \
  --build-arg BASE="$base" --build-arg LOCK="$lock" --ignorefile deploy/image/Containerfile.dockerignore \
  --label org.opencontainers.image.title=Ramet --label org.opencontainers.image.version="$version" \
  --label org.opencontainers.image.licenses=Apache-2.0 \
  --file deploy/image/Containerfile --tag "$tag" . >"$folder/build.log" 2>&1 || { tail -30 "$folder/build.log" >&2; fail "the build failed"; }

"$python" deploy/image/archive.py "$tag" "$output" "${store[@]}"
