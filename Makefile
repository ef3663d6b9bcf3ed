# Each target makes .venv by itself with the Python it finds (3.11+) and can be run again at once.
.DELETE_ON_ERROR:
.PHONY: demo test test-install test-crm-apps check kit acceptance proof stories fix clean

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { command -v $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= auto
# Tests of a module share what is expensive to start.
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

demo: $(VENV)/.app
	$(BIN)/crm-bridge demo $(ARGS)

test: $(VENV)/.dev
	$(PYTEST) $(ARGS)

# What a stranger installs: the wheel in an empty environment, a generated adapter, the tutorial's adapter.
test-install: $(VENV)/.dev
	$(PYTEST) -m install $(ARGS)

# What is deployed into the CRMs, with Node 20.19 or newer: lint, unit tests, and every page state in Chromium.
APPS := $(wildcard adapters/*/crm_app)
test-crm-apps: $(VENV)/.dev
	@command -v npm >/dev/null || { echo "the tests of what is deployed into the CRMs need Node 20.19 or newer with npm"; exit 1; }
	@for app in $(APPS); do echo "$$app: installing, about a minute …"; \
		( cd $$app && npm ci --ignore-scripts --no-audit --no-fund --silent && npm run --silent check && node preview/build.mjs --check ) || exit 1; done
	$(PYTEST) -m crm_apps $(ARGS)

# The runs with a stopwatch: kills, stopped workers, a CRM in trouble. Minutes long.
acceptance: $(VENV)/.dev
	$(BIN)/python -m pytest tests/acceptance -p no:randomly $(ARGS)

# The adapter kit's own proofs: the contract in every profile, broken adapters, bugs that stories find.
kit: $(VENV)/.dev
	$(PYTEST) -m kit $(ARGS)

# What the adapters have proven, recorded anew after a change of its code or of the contract's rules.
proof: $(VENV)/.dev
	$(PYTEST) $(wildcard tests/adapters/*/test_contract.py) -m "kit or not kit" -p no:randomly \
		-p crm_bridge.testing.recording --record-proof
	$(BIN)/python docs/generate.py --write

# Random stories of customers, agents and crashes until one breaks; so many with ARGS="--stories 2000 --full 150".
stories: $(VENV)/.dev
	$(BIN)/python -m crm_bridge.testing.stories $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# What a user needs, and what a developer needs besides. A changed pyproject.toml installs again.
$(VENV)/.app: pyproject.toml
	@test -n "$(PYTHON)" || { echo "crm_bridge needs Python 3.11 or newer with venv (Debian: apt install python3-venv)"; exit 1; }
	@echo "Installing into $(VENV): a minute or two, the first time only …"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[embedded,ai,lang]'
	@touch $@

$(VENV)/.dev: $(VENV)/.app
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[embedded,ai,lang,dev]'
	@touch $@
