#!/usr/bin/env bash
# Installs what Ramet needs and this machine lacks. Quiet and without effect when nothing is missing.
#
#   scripts/bootstrap.sh [REQUIREMENTS_FILE...]
#
# 1. System packages (Debian 12 or newer, Ubuntu 24.04 or newer): asks dpkg which of the list below are missing and
#    installs only those with apt-get; through sudo unless run by root.
# 2. Python packages: makes .venv with `python3 -m venv` (RAMET_BOOTSTRAP_PYTHON names another interpreter) and installs
#    requirements.txt and the given files, each only if its content changed since it was last installed.
#
# Nothing else on the machine is touched.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

system_packages=(
  build-essential g++ cmake ninja-build ccache pkg-config binutils  # to build, and to look into what was built
  libtbb-dev libhwy-dev libssl-dev nlohmann-json3-dev libxxhash-dev # the library
  libcli11-dev                                                      # the command
  libgtest-dev libbenchmark-dev                                     # tests and benchmarks
  python3 python3-venv                                              # the wheel that carries Arrow C++; Python tests
  shellcheck                                                        # `make deploy-check`
)

say() { printf 'bootstrap: %s\n' "$*" >&2; }

install_system_packages() {
  local missing=() package
  if ! command -v dpkg-query >/dev/null; then
    say "this is not Debian or Ubuntu: install the equivalents of: ${system_packages[*]}"
    return
  fi
  for package in "${system_packages[@]}"; do
    if [[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" != installed ]]; then
      missing+=("$package")
    fi
  done
  ((${#missing[@]} > 0)) || return 0

  local as_root=()
  if ((EUID != 0)); then
    if ! command -v sudo >/dev/null; then
      say "these system packages are missing, and there is no sudo to install them with. As root, run:"
      say "  apt-get install --no-install-recommends ${missing[*]}"
      exit 1
    fi
    as_root=(sudo)
  fi
  say "installing system packages: ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
}

install_python_packages() {
  local python=${RAMET_BOOTSTRAP_PYTHON:-python3}
  if ! .venv/bin/python3 -c 'import pip' 2>/dev/null; then
    say "making .venv with $("$python" --version)"
    "$python" -m venv .venv
  fi
  local file stamp sum
  for file in "$@"; do
    stamp=".venv/.installed-${file//\//-}.sha256"
    sum=$(sha256sum <"$file")
    if [[ "$(cat "$stamp" 2>/dev/null)" != "$sum" ]]; then
      say "installing into .venv: $(sed -e 's/[[:space:]]*#.*//' -e '/^$/d' "$file" | paste -sd ' ')"
      .venv/bin/python3 -m pip install --quiet --disable-pip-version-check --use-pep517 -r "$file"
      printf '%s\n' "$sum" >"$stamp"
    fi
  done
}

install_system_packages
# One at a time: two builds started at once in one checkout would write the same .venv.
mkdir -p .venv
exec 9>.venv/.bootstrap.lock
flock 9
install_python_packages requirements.txt "$@"
