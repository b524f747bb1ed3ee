# Everything happens in .venv and .airflow inside the checkout. PYTHON may name any Python from 3.10 on.
PYTHON ?= python3
CONSTRAINTS := constraints/airflow-3.3.txt
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint $(CONSTRAINTS)
# Airflow reads its home at import; commands that only import it get one of their own.
export AIRFLOW_HOME := $(CURDIR)/.airflow/home

.PHONY: demo test airflow lint docs check bench constraints clean

demo: .venv/demo  ## take the example Dag through a real Airflow, twice
	$(BIN)/python scripts/demo.py

test: .venv/dev  ## pass the tests
	$(BIN)/python -m pytest

airflow: .venv/demo  ## an Airflow to click through, with the sandbox
	$(BIN)/python scripts/playground.py

lint: .venv/dev  ## style, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/docs  ## the documentation, into docs/_build/html
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet -b html docs docs/_build/html

check: lint docs demo test  ## all that CI checks

bench: .venv/bench  ## measure this provider beside its peers, into benchmarks/results; BENCH=--quick for a short run
	$(BIN)/python -m benchmarks $(BENCH)

constraints: .venv/dev  ## pin anew what development and the demo install
	$(PIP) uv
	$(BIN)/uv pip compile --universal --python-version 3.10 --no-header --no-emit-index-url --upgrade --quiet \
		--extra dev --extra docs pyproject.toml constraints/airflow-3.3.in --output-file $(CONSTRAINTS)
	$(BIN)/uv pip compile --universal --python-version 3.10 --no-header --no-emit-index-url --upgrade --quiet \
		--no-annotate --constraint $(CONSTRAINTS) constraints/bench.in --output-file constraints/bench.txt

clean:  ## forget all that was made here
	rm -rf .venv .airflow docs/_build dist

.venv/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
		|| { echo "Python 3.10 or later is needed; set PYTHON, as in: make PYTHON=python3.12 demo"; exit 1; }
	$(PYTHON) -m venv .venv
	touch $@

.venv/demo: .venv/python pyproject.toml $(CONSTRAINTS)
	@echo "Installing Airflow and this provider into .venv ..."
	$(PIP) --editable .
	touch $@

.venv/bench: .venv/demo constraints/bench.in constraints/bench.txt
	$(PIP) --constraint constraints/bench.txt --requirement constraints/bench.in
	touch $@

.venv/dev .venv/docs: .venv/%: .venv/demo
	$(PIP) --editable '.[$*]'
	touch $@
