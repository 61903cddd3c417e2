# make demo   the product in a minute, from nothing
# make test   every test
# make check  test, format, lint, types, import contracts, coverage
# make bench  speed, as ratios measured side by side

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
# Tests wait for disks, servers and daemons more than they compute.
WORKERS ?= 4

.PHONY: demo test check lint types contracts coverage bench docs clean

demo: $(VENV)/.ready
	$(BIN)/rerund demo $(if $(KEEP),--keep)

test: $(VENV)/.ready-dev
	$(BIN)/python -m pytest -n $(WORKERS)

check: test lint types contracts coverage

lint: $(VENV)/.ready-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.ready-dev
	$(BIN)/mypy

contracts: $(VENV)/.ready-dev
	$(BIN)/lint-imports

# Each core package is covered by its own tests alone, so that end-to-end tests
# can not paint it green.
coverage: $(VENV)/.ready-dev
	COVERAGE_FILE=.coverage.protocols $(BIN)/coverage run --source=protocols -m pytest -q -p no:cacheprovider tests/protocols
	COVERAGE_FILE=.coverage.protocols $(BIN)/coverage report --fail-under=100
	COVERAGE_FILE=.coverage.drivers $(BIN)/coverage run --source=drivers -m pytest -q -p no:cacheprovider tests/drivers
	COVERAGE_FILE=.coverage.drivers $(BIN)/coverage report --fail-under=100

bench: $(VENV)/.ready-dev
	$(BIN)/python -m benchmarks

docs: $(VENV)/.ready-dev
	$(BIN)/python docs/draw_state_machines.py
	$(BIN)/python docs/draw_report_states.py
	$(BIN)/python tests/conformance_report.py

$(VENV)/.ready: setup.cfg constraints.txt
	sh .ci/venv $(PYTHON) $(VENV) .
	touch $@

$(VENV)/.ready-dev: setup.cfg constraints.txt
	sh .ci/venv $(PYTHON) $(VENV) ".[dev]"
	touch $@ $(VENV)/.ready

clean:
	rm -rf $(VENV) build dist *.egg-info .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis
