# Every target needs nothing but Python 3.11 (or newer) and make; each does its own set-up.
# The first interpreter that starts and is new enough: a version manager's shim may exist and still not run.
# Python 3.11 comes first because the constraints were resolved on it.
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in python3.11 python3 python3.12 python3.13 python3.14; do \
	$$python -c '$(NEW_ENOUGH)' >/dev/null 2>&1 && { echo $$python; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
# A CPU build of torch is enough; where pip finds none by itself, name an index: make TORCH_ARGS='--index-url URL'
TORCH_ARGS ?=
SEEDS ?= 10000
# Each of thousands of short tests costs the others' scheduler nothing here, and neighbours share what their module made.
UNIT := -m "not real and not slow" -n 2 --dist worksteal
SLOW := -m "slow and not real" -n 2 --dist loadgroup
REAL := -m real -n 2 --dist loadfile

# Tests are compiled once and kept, even where the shell says that nothing is to be: a third of the quick tests' time.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup run stories torture torture-mutants test unit check bench lab format clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 30

setup: $(STAMP) ## create .venv with everything

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" && $(PYTHON) -c '$(NEW_ENOUGH)' || { echo "prunella needs Python >= 3.11; set PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet $(TORCH_ARGS) "$$(grep '^torch==' constraints.txt)"
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[compiled,dev,lab,prove]'
	@touch $(STAMP)

run: setup ## watch Prunella heal an embedded fleet
	$(BIN)/prunella demo

test: setup ## the whole test suite, real servers included where they can be had
	$(BIN)/python -m pytest $(UNIT)
	$(BIN)/python -m pytest $(SLOW)
	$(BIN)/python -m tests.servers
	$(BIN)/python -m pytest $(REAL)

unit: setup ## the quick tests alone
	$(BIN)/python -m pytest $(UNIT)

check: setup ## lint, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

stories: setup ## play every fault once and write down what happened: docs/stories.md
	$(BIN)/python -m simulator.stories > docs/stories.new && mv docs/stories.new docs/stories.md

torture: setup ## the engine in a hostile pretend world: make torture SEEDS=10000
	$(BIN)/python -m tests.torture --seeds $(SEEDS) --jobs 2

torture-mutants: setup ## twenty deliberate breakages of the engine, each caught within 500 seeds
	$(BIN)/python -m tests.torture.mutants

bench: setup ## benchmarks; figures in build/bench.json (some of them: make bench BENCH="fleet nab")
	$(BIN)/python -m tests.bench.run $(BENCH)

lab: setup ## a real control plane, Prometheus and model servers, with Prunella watching
	$(BIN)/prunella lab run

format: setup ## format and sort imports
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove what the targets made
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
