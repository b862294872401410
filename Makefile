# The front door. `make help` lists what it does.
#
# Everything that is made lies in build/, .venv/ and data/, which git ignores.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := build

# Processors to build and test with; `make test JOBS=1` on a small machine.
JOBS ?= $(shell nproc)
# Where `make install` puts command, library and headers.
PREFIX ?= /usr/local
# Cases of the fuzz and property tests in `make test-all`; `make test` uses the tests' own, smaller numbers.
FUZZ_ITERATIONS ?= 100000
PROPERTY_CASES ?= 400
# Pythons that `make wheel` builds for; from 3.12 on one wheel serves all later ones.
WHEEL_PYTHONS ?= $(PYTHON)
# Random fault schedules of `make chaos`, and the seed of the first.
CHAOS_SCHEDULES ?= 200
CHAOS_SEED ?= 0
# Data and settings of `make bench`, as bench/compare.py takes them.
BENCH_ARGUMENTS ?= --rows 1000000 --rounds 100 --depth 8 --threads 1 2

PYTHON := .venv/bin/python3
export RAMET_PYTHON := $(abspath $(PYTHON))
export CMAKE_BUILD_PARALLEL_LEVEL := $(JOBS)
export CTEST_PARALLEL_LEVEL := $(JOBS)
# Compilations that were done before, in any build folder, are not done again: pip's too, if it calls the compiler alike.
export CC CXX
export CMAKE_CXX_COMPILER_LAUNCHER := $(shell command -v ccache)

SOURCES = $(shell git ls-files '*.h' '*.cc' '*.cpp')
PRESETS := release debug asan tsan

.PHONY: build bootstrap python wheel demo docs test test-all test-long test-asan test-tsan test-wheel test-docs test-dask-oldest e2e-slurm chaos e2e e2e-build scale-report bench format lint install clean help deploy-check image image-check $(PRESETS)

build: release  ## build the library and the command (the default)

bootstrap:  ## install what this machine lacks (apt-get, .venv); nothing the second time
	@scripts/bootstrap.sh

$(PRESETS): bootstrap
	@mkdir -p build
	@cmake --preset $@ >build/$@.configure.log 2>&1 || { cat build/$@.configure.log; exit 1; }
	@cmake --build --preset $@

python: release  ## install the Python package into .venv, as users do with pip
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation .

wheel: release  ## build/wheels: a wheel that needs nothing of the system (WHEEL_PYTHONS="python3.10 …" for several)
	@scripts/wheel.sh $(WHEEL_PYTHONS)

demo: python  ## train on the flights of 2013, on Dask too, and prove that the model is the same everywhere
	@scripts/bootstrap.sh examples/flights/requirements.txt
	@$(PYTHON) examples/flights/demo.py --ramet build/release/src/cli/ramet
	@$(PYTHON) examples/flights/on_dask.py --ramet .venv/bin/ramet

docs: python  ## build/docs: the documentation, with its pictures drawn and its links checked
	@scripts/bootstrap.sh docs/requirements.txt
	@rm -rf build/docs
	@$(PYTHON) -m sphinx -E -W --keep-going -q -b html docs build/docs
	@echo "build/docs/index.html"

test: python  ## release build, Python package, unit and property tests, Python tests
	@ctest --preset release
	@RAMET=$(abspath build/release/src/cli/ramet) $(PYTHON) -m pytest
	@RAMET=$(abspath .venv/bin/ramet) $(PYTHON) -m pytest tests/python

deploy-check: bootstrap  ## the Helm chart, the image's recipe and all shell scripts: rendered, refused, validated
	@scripts/bootstrap.sh tests/deploy/requirements.txt
	@tests/e2e/kubernetes/build.sh helm
	@$(PYTHON) -m pytest tests/deploy

test-all: test test-long test-asan test-tsan test-wheel test-docs test-dask-oldest demo  ## all of it: sanitizers, long fuzzing, wheel, documentation, demo

# Many more random tables; the hostile files are read again, more of them, under ASan below.
test-long: release
	@RAMET_PROPERTY_CASES=$(PROPERTY_CASES) ctest --preset release --tests-regex Promise

test-asan: asan
	@RAMET_FUZZ_ITERATIONS=$(FUZZ_ITERATIONS) ctest --preset asan

test-tsan: tsan
	@ctest --preset tsan

# Some 20 minutes. Each schedule prints its seed: `make chaos CHAOS_SCHEDULES=1 CHAOS_SEED=17` repeats it.
chaos: python  ## fits on real worker processes that are killed, frozen, retired and added at random
	@$(PYTHON) python/tests/dask_chaos.py --schedules $(CHAOS_SCHEDULES) --seed $(CHAOS_SEED)

test-wheel: wheel  ## the wheel in fresh environments, without a compiler and a source tree
	@$(PYTHON) tests/wheel_test.py build/wheels/*.whl

# `make test` has the newest Dask.
OLDEST_DASK = $(shell sed -nE 's/^dask = .*>=([0-9.]+)".*/\1/p' pyproject.toml)
OLDEST_DASK_FOLDER = $(abspath build/dask-$(OLDEST_DASK))
test-dask-oldest: python  ## the tests on Dask with the oldest release that is supported
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target $(OLDEST_DASK_FOLDER) \
	  dask==$(OLDEST_DASK) distributed==$(OLDEST_DASK)
	@PYTHONPATH=$(OLDEST_DASK_FOLDER) $(PYTHON) -c 'import dask; assert dask.__version__ == "$(OLDEST_DASK)", dask'
	@PYTHONPATH=$(OLDEST_DASK_FOLDER) $(PYTHON) -m pytest $(wildcard python/tests/test_dask_*.py)

# The site without a warning, its tables against the other libraries, the notebook from top to bottom.
test-docs: docs
	@$(PYTHON) -m pytest python/tests/test_documentation.py
	@$(PYTHON) tests/notebook_test.py

# Needs root; installs Debian's buildah and mmdebstrap. The wheel is for .venv's Python, which must be Debian 12's: 3.11.
image: wheel  ## build/image: the container image as an OCI archive, made without a daemon or a registry
	@deploy/image/build.sh

image-check: python image  ## the image for real: any user, read-only root, empty home; JupyterLab in a browser, the tutorial in it
	@scripts/bootstrap.sh tests/image/requirements.txt
	@$(PYTHON) -m pytest tests/image

e2e-build:  ## the Kubernetes of `make e2e`, and Helm, from their sources into build/e2e/bin (10 minutes the first time)
	@tests/e2e/kubernetes/build.sh

# With KUBECONFIG=FILE on make's command line (and RAMET_IMAGE): that cluster, else two nodes on this machine (root).
ASKED := $(if $(filter command,$(firstword $(origin KUBECONFIG))),$(KUBECONFIG),$(E2E_KUBECONFIG))
e2e: python $(if $(ASKED),,image)  ## on a real Kubernetes of two nodes: docs/deploy is walked, fits lose pods, nodes and cables
	@scripts/bootstrap.sh tests/e2e/requirements.txt examples/flights/requirements.txt
	@$(if $(ASKED),KUBECONFIG=$(abspath $(ASKED)),$(PYTHON) tests/e2e/kubernetes/cluster.py with) $(abspath $(PYTHON)) -m pytest -s tests/e2e

# Needs root, and slurmctld, slurmd, slurm-client, munge; starts its own, and leaves nothing.
e2e-slurm: python  ## on a real Slurm of three nodes: train, kill, requeue, hold a cluster; docs/deploy/slurm.md runs
	@scripts/bootstrap.sh tests/slurm/requirements.txt
	@$(PYTHON) -m pytest tests/slurm

SCALE ?= --rows 20000000 --parts 32
scale-report: python  ## docs/performance.md: without Dask, on one node, on many, beside xgboost.dask and lightgbm.dask (SCALE="--rows …")
	@scripts/bootstrap.sh bench/requirements.txt
	@PYTHONPATH=bench $(PYTHON) bench/scaling.py --page $(SCALE)

bench: release  ## compare with LightGBM, XGBoost, CatBoost and scikit-learn (long)
	@scripts/bootstrap.sh bench/requirements.txt
	@$(PYTHON) bench/compare.py $(BENCH_ARGUMENTS)

format: bootstrap  ## format C++ and Python
	@scripts/bootstrap.sh requirements-dev.txt
	@.venv/bin/clang-format -i $(SOURCES)
	@.venv/bin/ruff format --quiet .
	@.venv/bin/ruff check --quiet --fix .

lint: release  ## check format, ruff, mypy and clang-tidy; changes nothing
	@scripts/bootstrap.sh requirements-dev.txt
	@.venv/bin/clang-format --dry-run -Werror $(SOURCES)
	@.venv/bin/ruff format --quiet --check .
	@.venv/bin/ruff check --quiet .
	@.venv/bin/mypy --no-error-summary
	@git ls-files 'src/*.cc' | xargs -P $(JOBS) -n 4 .venv/bin/clang-tidy --quiet -p build/release

install: release  ## install under PREFIX (/usr/local): the command, libramet.so, headers, find_package(ramet)
	@cmake --install build/release --prefix $(PREFIX)

clean:  ## remove what was built; .venv and data stay
	@rm -rf build

help:  ## this list
	@sed -nE 's/^([a-z0-9-]+):[^#]*## (.*)/\1|\2/p' $(MAKEFILE_LIST) | awk -F '|' '{printf "  make %-12s %s\n", $$1, $$2}'
