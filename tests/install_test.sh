#!/usr/bin/env bash
# Law: what `cmake --install` puts down is enough. A program outside the tree finds the package, builds against its headers
# and library alone, and trains the same model with one thread and with several. The installed command finds its libraries.
#
#   tests/install_test.sh BUILD_FOLDER
set -euo pipefail
source_folder=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build_folder=$(cd "${1:?give the build folder}" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { printf 'install_test: %s\n' "$*" >&2; exit 1; }

cmake --install "$build_folder" --prefix "$work/prefix" >"$work/install.log" || { cat "$work/install.log"; fail "install"; }
# The example is built from a copy: nothing of the checkout can be found beside it.
cp -r "$source_folder/examples/cpp" "$work/source"
cmake -S "$work/source" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$work/prefix" \
  >"$work/configure.log" || { cat "$work/configure.log"; fail "find_package(ramet)"; }
cmake --build "$work/build" || fail "build against the installed library"

for internal in dispatch.h kernel.h testing.h math-inl.h; do
  found=$(find "$work/prefix" -name "$internal")
  [[ -z "$found" ]] || fail "an internal header was installed: $found"
done

one=$(RAMET_THREADS=1 "$work/build/tide" "$work/one.ramet")
many=$(RAMET_THREADS=3 "$work/build/tide" "$work/many.ramet")
printf '%s\n' "$one"
grep -qE '^digest [0-9a-f]{64}$' <<<"$one" || fail "no digest was printed"
[[ "$one" == "$many" ]] || fail "one thread and three disagree: $many"
cmp "$work/one.ramet" "$work/many.ramet" || fail "the model files differ"

# Moved to another folder, as a package would be: no path of the build may be left in what was installed.
mv "$work/prefix" "$work/moved"
if [[ -e "$work/moved/bin/ramet" ]]; then
  "$work/moved/bin/ramet" digest "$work/one.ramet" "$work/many.ramet" --same || fail "the installed command"
fi
! grep -rlF -e "$source_folder" "$work/moved" --include='*.cmake' || fail "a path of the source folder was installed"
