# Two commands: `make demo` and `make test`. Both do their own set-up in .venv and build/, without root.
# Needs: Python >= 3.11 with its venv module and headers (Debian: python3-venv, python3-dev), make.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check
FUZZ_SECONDS ?= 60
# Bytecode beside what was built, not beside the sources; a command starts in half the time with it.
unexport PYTHONDONTWRITEBYTECODE
# What is made here only its owner can change: below a directory that a group can write, a key store is refused.
CLOSED := umask 022;
export PYTHONPYCACHEPREFIX := $(CURDIR)/build/pycache

.DEFAULT_GOAL := help
.PHONY: help setup build demo demo-multitool test test-making test-running lint bench figures fuzz lock clean

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/ready ## .venv with the locked dependencies (the compiler among them: 100 MB, fetched once)

$(VENV)/ready: tools/requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "setup: Python >= 3.11 is needed (PYTHON=...)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "setup: Python's venv module is missing: apt-get install python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_paths()["include"] + "/Python.h"))' || { echo "setup: Python's headers are missing: apt-get install python3-dev" >&2; exit 1; }
	@test -x $(PY) || { echo "setup: $(VENV)"; $(CLOSED) $(PYTHON) -m venv $(VENV); }
	@echo "setup: fetching the locked dependencies (the compiler is 100 MB, once; pip caches it)"
	@$(CLOSED) $(PIP) install --quiet --progress-bar on --require-hashes -r tools/requirements.lock
	@$(CLOSED) $(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@

build: setup ## the C library and the loader stubs
	@$(CLOSED) $(PY) csrc/build.py

demo: build ## hello world, compiled, signed and run; a program of this machine, lifted and run beside native
	@$(CLOSED) PATH="$(CURDIR)/$(VENV)/bin:$$PATH" sh examples/hello/demo.sh
	@$(CLOSED) PATH="$(CURDIR)/$(VENV)/bin:$$PATH" sh examples/lifted/demo.sh

demo-multitool: build ## an image of three programs and a script: one signed bundle, run
	@$(CLOSED) PATH="$(CURDIR)/$(VENV)/bin:$$PATH" sh examples/multitool/demo.sh

test: build ## the tests (under five minutes on two cores, in two halves at once)
	@$(MAKE) --no-print-directory -j2 --output-sync=target test-making test-running

# What makes blobs, and all else: halves that take about as long.
MAKING := $(addprefix tests/,examples recompiler)
test-making test-running:
	@$(CLOSED) $(PY) -m pytest -q -p no:cacheprovider $(if $(filter %making,$@),$(MAKING),$(MAKING:%=--ignore=%))

lint: setup ## ruff, mypy --strict, clang-format
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@find csrc examples loader tests tools/recompiler/include -name '*.[ch]' -exec $(VENV)/bin/clang-format --dry-run --Werror {} +

bench: build ## speed, as ratios measured side by side in one run
	@$(CLOSED) $(PY) -m tests.bench.bench
	@$(CLOSED) $(PY) -m tests.bench.spawn
	@$(CLOSED) $(PY) -m tests.bench.lift
	@$(CLOSED) $(PY) -m tests.bench.lifting

figures: build ## the long proofs: 100,000 mutants, 10,000 malformed frames, 1,000 kills
	@$(CLOSED) RECOMPILER_FIGURES=1 $(PY) -m pytest -q -s -m figures

fuzz: setup ## fuzz the C parsers under sanitizers (FUZZ_SECONDS=60 each)
	@$(CLOSED) $(PY) csrc/build.py fuzz
	@$(CLOSED) $(PY) -m tests.fuzz.run --seconds $(FUZZ_SECONDS)

lock: setup ## renew tools/requirements.lock from pyproject.toml (needs uv on PATH)
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	    --extra dev pyproject.toml -o tools/requirements.lock

clean: ## remove what make made (keys and caches outside the checkout stay)
	rm -rf $(VENV) build tools/recompiler/stubs tools/recompiler/engine tools/recompiler/_native*.so .pytest_cache .mypy_cache .ruff_cache *.egg-info
