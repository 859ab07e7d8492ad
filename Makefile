# The one list of commands. Needs only python3 (3.11 or newer) with venv and pip, and make.
#   make                                   lists the commands
#   make test PYTEST_ARGS="-k policy"      passes arguments on

PYTHON      ?= python3
PYTEST_ARGS ?=
BENCH_ARGS  ?=
LOCK_ARGS   ?=

VENV := .venv
BIN  := $(VENV)/bin
PY   := $(BIN)/python
PIP  := $(PY) -m pip --quiet --disable-pip-version-check

# A stamp is older than what it was made from, or it is true. An install with more extras makes the lesser stamps too.
RUN  := $(VENV)/.installed-run
TEST := $(VENV)/.installed-test
DEV  := $(VENV)/.installed-dev
FROM := pyproject.toml requirements.lock

# Set by `cover` only.
MEASURE :=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test faults chaos schemathesis bench cover lint lint-style lint-mypy lint-pyright lint-imports lint-dependencies format lock clean

help:  ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' Makefile

# --- use ------------------------------------------------------------------------------------------------------------

demo: $(RUN)  ## Run the quickstart: an agent, a task, its result
	$(PY) examples/quickstart/demo.py

# --- work on it -----------------------------------------------------------------------------------------------------

setup: $(DEV)  ## Install everything that the other commands need

test: $(TEST)  ## Run the tests
	$(PY) $(MEASURE) -m pytest $(PYTEST_ARGS)

faults: $(TEST)  ## Run the long tests that kill, freeze and flush, and the full counts of the others
	OMNIDAEMON_TEST_FULL=1 $(PY) -m pytest tests/faults tests/integration/backends tests/integration/redis \
	    tests/contract/test_redis.py tests/contract/test_redis_bus.py $(PYTEST_ARGS)

schemathesis: $(DEV)  ## Send 5,000 requests by the OpenAPI document, and hold the answers against it
	OMNIDAEMON_TEST_API_CASES=5000 $(PY) -m pytest tests/integration/http/test_schema.py --timeout 3600 $(PYTEST_ARGS)

bench: $(TEST)  ## Measure it beside its peers, each in an environment of its own (BENCH_ARGS="--rounds 1 --brief")
	$(PY) benchmarks/run.py $(BENCH_ARGS)

chaos: $(TEST)  ## Play the long form of the chaos suite (SEEDS="1 2" SCENARIOS=kills PAIRS=sqlite+sqlite)
	$(PY) -m tests.chaos $(if $(SEEDS),--seeds $(SEEDS)) $(if $(SCENARIOS),--scenarios $(SCENARIOS)) \
	    $(if $(PAIRS),--pairs $(PAIRS)) $(CHAOS_ARGS)

cover: $(TEST)  ## Run the tests and hold domain and app to 95 % coverage, branches included
	$(PY) -m coverage erase
	$(MAKE) --no-print-directory test MEASURE="-m coverage run"
	$(PY) -m coverage combine --quiet
	$(PY) -m coverage report --include='omnidaemon/domain/*' --fail-under=95
	$(PY) -m coverage report --include='omnidaemon/app/*' --fail-under=95

lint: lint-style lint-mypy lint-pyright lint-imports lint-dependencies  ## Run all checks below

lint-style: $(DEV)  ## Check style and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

lint-mypy: $(DEV)  ## Check types with mypy
	$(BIN)/mypy

lint-pyright: $(DEV)  ## Check types with pyright
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright

lint-imports: $(DEV)  ## Check that imports point inwards
	$(BIN)/lint-imports --no-logo

lint-dependencies: $(DEV)  ## Check that what is imported is declared, and the reverse
	$(BIN)/deptry omnidaemon

format: $(DEV)  ## Mend style and format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

lock: $(BIN)/uv  ## Write requirements.lock anew (LOCK_ARGS=--upgrade for newer versions)
	$(BIN)/uv pip compile pyproject.toml --quiet --all-extras --universal --python-version 3.11 \
	    --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
	    --output-file requirements.lock $(LOCK_ARGS)

clean:  ## Remove builds, caches and reports; the virtual environment stays
	rm -rf build dist htmlcov .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find omnidaemon tests examples -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the virtual environment ----------------------------------------------------------------------------------------

$(PY):
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	    { echo "$(PYTHON) has no venv: on Debian, apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(RUN): $(FROM) | $(PY)
	@echo "installing OmniDaemon into $(VENV), once; that can take a minute"
	$(PIP) install --constraint requirements.lock --editable .
	@touch $(RUN)

$(TEST): $(FROM) | $(PY)
	$(PIP) install --constraint requirements.lock --editable '.[test]'
	@touch $(RUN) $(TEST)

$(DEV): $(FROM) | $(PY)
	$(PIP) install --constraint requirements.lock --editable '.[dev]'
	@touch $(RUN) $(TEST) $(DEV)

# Not from the stamps: a lock that no longer fits pyproject.toml must be mendable.
$(BIN)/uv: | $(PY)
	$(PIP) install --constraint requirements.lock uv
