# Everything a clone needs. `make` prepares .venv; `make help` lists the rest.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
WORKERS ?= 2 # test processes; each has a broker and a database server of its own
BIN := $(VENV)/bin
QUIET := $(shell test -t 2 || echo -q) # on a terminal pip shows how far it is
READY := $(VENV)/.ready

.DEFAULT_GOAL := setup
.PHONY: help setup demo serve test test-fast check docs format kafka postgres bench chaos fuzz mutants lock clean for-demo for-broker for-test

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY) ## .venv with everything from the lock, and the `hub` command in it (needs Python 3.11)
	@echo "Ready. Next: make demo, make test, or $(BIN)/hub --help"

$(READY): requirements/dev.txt pyproject.toml | for-demo
	$(PYTHON) -m venv $(VENV)
	@echo "Installing the packages of the lock into $(VENV) (once; a minute or two)"
	$(BIN)/pip install $(QUIET) --require-hashes -r requirements/dev.txt
	$(BIN)/pip install -q --no-deps --no-build-isolation --config-settings editable_mode=compat -e .
	@touch $@

demo: $(READY) ## two synthetic agencies in one process, no server (needs Python only)
	$(BIN)/hub demo

serve: $(READY) ## the same, and the joint view in a browser
	$(BIN)/hub demo --serve

test: for-test $(READY) ## the whole suite, on a real broker and a real PostgreSQL; installs what it needs
	$(BIN)/pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder

FAST := tests/unit --ignore=tests/unit/cli --ignore=tests/unit/simulate --ignore=tests/unit/policy/test_properties.py
test-fast: $(READY) ## stages, folds, policy and mapping on plain data, in under a minute; starts no server
	$(BIN)/pytest -q $(FAST)

check: $(READY) docs ## format, lint, types, import contracts, the documentation with its links
	$(BIN)/ruff format --check .
	@! grep -rn --include='*.py' 'fmt: skip' hub connectors projections schemas tests
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(READY) ## the documentation as a site in site/ (open site/index.html); a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict -q

format: $(READY) ## put the code into form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

kafka: for-broker $(READY) ## a broker in the foreground, until Ctrl+C
	$(BIN)/python -m hub.dev.servers kafka

postgres: $(READY) ## a PostgreSQL in the foreground, until Ctrl+C
	$(BIN)/python -m hub.dev.servers postgres

bench: for-broker $(READY) ## what this machine clears per second
	$(BIN)/hub bench

chaos: export HUB_CHAOS_ROUNDS ?= 50
chaos: export HUB_FUZZ_RECORDS ?= 2000
chaos: export HUB_BURST_EVENTS ?= 200000
chaos: export HUB_LONG_ROWS ?= 20000
chaos: export HUB_CUT_STEPS ?= all
chaos: for-test $(READY) ## only the fault tests, ten times as long as in CI: servers killed, stopped and continued
	$(BIN)/pytest -s tests/faults tests/acceptance/test_withdrawal_burst.py tests/integration/connectors/houses

FUZZ_SECONDS ?= 600
fuzz: $(READY) ## mutated files, answers, dates and numbers for every parser, ten minutes each (FUZZ_SECONDS=60 for less)
	$(BIN)/python -m tests.fuzz.parsers --seconds $(FUZZ_SECONDS)

mutants: $(READY) ## which changes to policy code and data no test would notice (an hour; docs/reference/mutants.md)
	$(BIN)/python -m tests.mutation.run

LOCK := uv pip compile -q --generate-hashes --no-header --no-emit-index-url --strip-extras --python-version 3.11
lock: ## the lock from pyproject.toml: versions and hashes only; what is pinned already stays (needs uv)
	$(LOCK) -o requirements/connector.txt pyproject.toml
	$(LOCK) --extra hub -o requirements/hub.txt pyproject.toml
	$(LOCK) --extra hub --extra dev -o requirements/dev.txt pyproject.toml

clean: ## remove what make made, the fetched broker too
	rm -rf $(VENV) site .cache .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

for-demo for-broker for-test: ## what this machine lacks for the command is installed, or named
	@PYTHON='$(PYTHON)' bash .ci/install $(@:for-%=%)
