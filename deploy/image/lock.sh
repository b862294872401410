#!/usr/bin/env bash
# Makes the lock files anew: the newest versions that fit, each file with its hash.
#
#   deploy/image/lock.sh [--upgrade-package NAME | …]
#
# Without an argument everything is upgraded; with one, as `uv pip compile` takes it, only that.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

python=3.11 # Debian 12's
uv=${UV:-../../.venv/bin/uv}
[[ -x $uv ]] || { echo "lock.sh: there is no $uv. Install it with .venv/bin/pip install uv, or name another one with UV=." >&2; exit 1; }

for name in requirements-build requirements requirements-cuda; do
  "$uv" pip compile --quiet --generate-hashes --no-header --allow-unsafe "${@:---upgrade}" \
    --python-version $python --python-platform x86_64-manylinux_2_36 --output-file $name.lock $name.in
  echo "$name.lock: $(grep -c '^[a-z0-9.-]*==' $name.lock) packages"
done
