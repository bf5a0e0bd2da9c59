# Two commands: `make up` runs Watchkeeper, `make test` runs every test. Both do their own set-up.
# With uv on the PATH the lock file is used; without it, pip and a virtual environment do the same from pyproject.toml.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
WORKERS ?= auto
UV := $(shell command -v uv 2>/dev/null)

# Tests start hundreds of processes: where Python may not keep what it compiled, each of them compiles everything anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup up demo test fast check types bench fuzz pictures reference clean

help:  ## what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(BIN)/.ready  ## an environment with everything that is needed

$(BIN)/.ready: pyproject.toml uv.lock
ifeq ($(UV),)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable . --group dev
else
	UV_PROJECT_ENVIRONMENT=$(VENV) uv sync --quiet --frozen --python $(PYTHON)
endif
	touch $@

up: setup  ## the gateway, the watch and the console, with a first incident to look at
	$(BIN)/watchkeeper up --demo

demo: setup  ## one attack, contained and proven, then exit
	$(BIN)/watchkeeper demo

test: setup check  ## every test: fast ones in parallel, then the slow ones
	$(BIN)/pytest -n $(WORKERS) --dist worksteal -m "not slow"
	$(BIN)/pytest -n $(WORKERS) --dist worksteal -m slow

fast: setup  ## the fast tests only
	$(BIN)/pytest -n $(WORKERS) --dist worksteal -m "not slow"

check: setup  ## style, types, storeys
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: setup  ## every benchmark, quick
	for script in bench/[a-z]*.py; do $(BIN)/python $$script --quick || exit 1; done

FUZZ_SECONDS ?= 600
FUZZ_PYTHON ?= $(BIN)/python

fuzz: setup  ## coverage-guided fuzzing of every reader of foreign bytes, FUZZ_SECONDS each; nightly, not in CI
	$(FUZZ_PYTHON) -c "import atheris" || $(FUZZ_PYTHON) -m pip install --quiet --group fuzz
	for target in requests answers messages events; do \
	  $(FUZZ_PYTHON) fuzz/run.py $$target -max_total_time=$(FUZZ_SECONDS) || exit 1; done

reference: setup  ## docs/reference from the code
	$(BIN)/python docs/reference/generate.py

clean:  ## remove what set-up and tests made
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
