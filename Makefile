# The first of these that exists makes the virtual environment; override with PYTHON=...
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(shell command -v $(name))))
VENV := .venv
BIN := $(VENV)/bin
LOCAL := $(VENV)/.local
DEV := $(VENV)/.dev

# Where there is npm, the tests of the local Cosmos server run with the JavaScript SDK, too; without it they are skipped.
JAVASCRIPT := tests/local/cosmos/javascript
JAVASCRIPT_SDK := $(if $(shell command -v npm),$(JAVASCRIPT)/node_modules/.installed)

# Without a terminal pip draws no bars.
INSTALL = [ -t 1 ] || export PIP_PROGRESS_BAR=off; \
	$(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt --requirement

# Each of the many processes would compile every module anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help venv venv-local demo smoke test coverage conformance check lint types imports infra doctor package worker-library

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# While packages are installed there is no stamp: what an interruption leaves is never taken for finished.
$(LOCAL): requirements.txt requirements-local.txt constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else "Python 3.11, 3.12 or 3.13 is needed, this is %d.%d: make PYTHON=/path/to/python3.11" % v)'
	@echo "Installing about 60 packages for the app and the local stack into $(VENV). This happens once and takes one to three minutes."
	@test ! -L $(VENV) || rm $(VENV)  # what a link leads to belongs to another folder
	@$(PYTHON) -m venv --clear $(VENV)
	@$(INSTALL) requirements-local.txt
	@touch $@

$(DEV): $(LOCAL) requirements-dev.txt
	@echo "Adding about 60 packages for tests and checks to $(VENV). This happens once and takes one to three minutes."
	@rm -f $(LOCAL)
	@$(INSTALL) requirements-dev.txt
	@touch $(LOCAL) $@

$(JAVASCRIPT)/node_modules/.installed: $(JAVASCRIPT)/package.json $(JAVASCRIPT)/.npmrc
	@echo "Adding the Cosmos SDK for JavaScript, for its tests: some 20 packages, once"
	@cd $(JAVASCRIPT) && npm install --loglevel error
	@touch $@

venv: $(DEV) ## Install into .venv what the app, the local stack, the tests and the checks need

venv-local: $(LOCAL) ## Install into .venv only what the app and the local stack need

demo: $(LOCAL) ## Run the whole system on this machine and watch it, until Ctrl-C
	@$(BIN)/python -m local demo

smoke: $(LOCAL) ## Run the same steps once without waiting, compare both sides, and end
	@$(BIN)/python -m local smoke

# Most tests wait for processes: three at once keep two cores busy. In their order the longest files are first, and the
# unit tests last.
test: $(DEV) $(JAVASCRIPT_SDK) ## Run every test
	@$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

worker-library: $(DEV) ## Run the app in Microsoft's worker library, with Python 3.13: make VENV=.venv313 PYTHON=python3.13 worker-library
	@$(BIN)/python -m pytest tests/e2e/test_worker_library.py tests/e2e/test_package.py

coverage: $(DEV) $(JAVASCRIPT_SDK) ## Run every test and show the lines that none of them reaches
	@$(BIN)/python -m pytest --cov

conformance: $(DEV) ## Run the Cosmos SDK's own tests against local.cosmos on port 8081; takes about 15 minutes
	@$(BIN)/python -m local.cosmos.conformance

package: $(DEV) ## Build dist/mystira-cdc.zip, which is what Azure gets
	@$(BIN)/python -m local.package

check: lint types imports infra doctor test ## Run what CI runs: lint, types, imports, infra, doctor and test

lint: $(DEV) ## Check style and formatting (ruff)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(DEV) ## Check types (mypy --strict)
	@$(BIN)/mypy

imports: $(DEV) ## Check that modules import only from the layers below them (import-linter)
	@$(BIN)/lint-imports

infra: $(DEV) ## Check infra/ without Azure: against Microsoft's types, and against the app
	@$(BIN)/python -m infra.check

doctor: $(DEV) ## Check that Azure can run the app (azure-functions-doctor); prints nothing if it can
	@report=$$($(BIN)/azure-functions-doctor doctor --profile deploy --verbose 2>&1) || { echo "$$report"; exit 1; }
