# The first of these that exists makes the virtual environment; override with PYTHON=...
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(shell command -v $(name))))
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help venv demo smoke test coverage conformance check lint types imports doctor worker-library

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.txt requirements-dev.txt constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else "Python 3.11, 3.12 or 3.13 is needed, this is %d.%d: make PYTHON=/path/to/python3.11" % v)'
	@echo "Installing the packages into $(VENV) (once, about a minute)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --requirement requirements-dev.txt
	@touch $@

venv: $(READY) ## Make .venv with everything that the project needs

demo: $(READY) ## Run the whole system on this machine and watch it, until Ctrl-C
	@$(BIN)/python -m local demo

smoke: $(READY) ## Run the whole system once and compare both sides
	@$(BIN)/python -m local smoke

# Most tests wait for processes: three at once keep two cores busy.
test: $(READY) ## Run every test
	@$(BIN)/python -m pytest --numprocesses 3 --dist loadfile

worker-library: $(READY) ## Run the app in Microsoft's worker library (make VENV=.venv313 PYTHON=python3.13 worker-library)
	@$(BIN)/python -m pytest tests/e2e/test_worker_library.py

coverage: $(READY) ## Run every test and show the lines that none of them reaches
	@$(BIN)/python -m pytest --cov

conformance: $(READY) ## Run the Cosmos SDK's own tests against local.cosmos on port 8081 (about a quarter of an hour)
	@$(BIN)/python -m local.cosmos.conformance

check: lint types imports doctor test ## Everything that CI runs

lint: $(READY) ## ruff: rules and formatting
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(READY) ## mypy --strict
	@$(BIN)/mypy

imports: $(READY) ## import-linter: imports only ever point down
	@$(BIN)/lint-imports

doctor: $(READY) ## azure-functions-doctor: what Azure would not run; it speaks only when it fails
	@report=$$($(BIN)/azure-functions-doctor doctor --profile deploy --verbose 2>&1) || { echo "$$report"; exit 1; }
