#!/usr/bin/env bash
# Builds Kubeflow's notebook controller, which turns a Notebook into a pod, for tests/e2e/test_notebook.py.
#
#   tests/e2e/notebook_controller.sh CHECKOUT
#
# CHECKOUT is a clone of github.com/kubeflow/notebooks, which no module proxy has; the branch notebooks-v1 is taken. Go
# comes from PATH. Makes build/e2e/notebook-controller/: controller, crd.yaml, and `commit`, which says what it is.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

checkout=$(realpath "${1:?usage: notebook_controller.sh CHECKOUT}")
branch=notebooks-v1
folder=$PWD/build/e2e/notebook-controller
commit=$(git -C "$checkout" rev-parse --verify --quiet "$branch" || git -C "$checkout" rev-parse --verify "origin/$branch")
[[ -x $folder/controller && $(cat "$folder/commit") == "$commit" ]] && exit

source=$(mktemp -d)
trap 'rm -rf "$source"' EXIT
git -C "$checkout" archive "$commit" components/notebook-controller | tar -x -C "$source"
mkdir -p "$folder"
cp "$source"/components/notebook-controller/config/crd/bases/kubeflow.org_notebooks.yaml "$folder/crd.yaml"
cd "$source/components/notebook-controller"
CGO_ENABLED=0 GOFLAGS=-mod=mod go build -trimpath -ldflags '-s -w' -o "$folder/controller" .
echo "$commit" >"$folder/commit"
