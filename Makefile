# Everything happens in .venv and .airflow inside the checkout. PYTHON may name any Python from 3.10 on.
PYTHON ?= python3
CONSTRAINTS := constraints/airflow-3.3.txt
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint $(CONSTRAINTS)
# Airflow reads its home at import; commands that only import it get one of their own.
export AIRFLOW_HOME := $(CURDIR)/.airflow/home

.PHONY: demo test airflow lint docs check bench cluster cluster-small audit matrix matrix-constraints constraints clean

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

check:  ## all that CI checks
	.ci/run

bench: .venv/bench  ## measure this provider beside its peers, into benchmarks/results; BENCH=--quick for a short run
	$(BIN)/python -m benchmarks $(BENCH)

cluster: .airflow/cluster-venv/ready  ## 500 launches on a distributed Airflow whose processes are killed; CLUSTER="--launches 30"
	.airflow/cluster-venv/bin/python scripts/cluster.py $(CLUSTER)

cluster-small:  ## the same in some minutes; as root it installs PostgreSQL and Redis from Debian, without them it skips
	scripts/cluster_small.sh

audit: .venv/dev  ## what is pinned: is it there, withdrawn, as installed, and without known holes
	@[ -e .airflow/audit/ready ] || $(MAKE) --no-print-directory .airflow/audit/ready || true
	$(BIN)/python scripts/audit.py

constraints: .venv/dev  ## pin anew what development and the demo install
	$(PIP) uv
	$(BIN)/uv pip compile --universal --python-version 3.10 --no-header --no-emit-index-url --upgrade --quiet \
		--extra dev --extra docs pyproject.toml constraints/airflow-3.3.in --output-file $(CONSTRAINTS)
	$(BIN)/uv pip compile --universal --python-version 3.10 --no-header --no-emit-index-url --upgrade --quiet \
		--no-annotate --constraint $(CONSTRAINTS) constraints/bench.in --output-file constraints/bench.txt
	$(BIN)/uv pip compile --universal --python-version 3.10 --no-header --no-emit-index-url --upgrade --quiet \
		--no-annotate --constraint $(CONSTRAINTS) constraints/cluster.in --output-file constraints/cluster.txt

matrix: .venv/dev  ## pass the tests on every supported Airflow; CELLS="2.11 lowest" for some of them
	$(PIP) uv
	$(BIN)/python scripts/matrix.py $(if $(CELLS),--only $(CELLS)) $(if $(PYTEST),-- $(PYTEST))

MATRIX := airflow-2.11 airflow-3.0 airflow-3.1 airflow-3.2
# Airflow 3.2 works with what there was when it came out; common-compat has to be newer than that.
THEN-airflow-3.2 := --exclude-newer 2026-06-01 --exclude-newer-package apache-airflow-providers-common-compat=2026-11-22
matrix-constraints: .venv/dev  ## pin anew what the matrix installs
	$(PIP) uv
	$(foreach airflow,$(MATRIX),$(BIN)/uv pip compile --universal --python-version 3.10 --no-header --no-emit-index-url \
		--no-annotate --upgrade --quiet $(THEN-$(airflow)) --extra dev pyproject.toml constraints/matrix/$(airflow).in \
		--output-file constraints/matrix/$(airflow).txt &&) true
	$(BIN)/uv pip compile --universal --python-version 3.10 --no-header --no-emit-index-url --no-annotate \
		--upgrade --quiet --extra dev --resolution lowest-direct --constraint constraints/matrix/lowest.in pyproject.toml \
		--output-file constraints/matrix/lowest.txt

clean:  ## forget all that was made here
	rm -rf .venv .airflow .matrix docs/_build dist

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

# Kept apart, so that nothing of it changes what is audited; without it the audit says what it did not do.
.airflow/audit/ready: .venv/python
	$(BIN)/python -m venv .airflow/audit
	.airflow/audit/bin/python -m pip --disable-pip-version-check install --quiet pip-audit
	touch $@

.venv/dev .venv/docs: .venv/%: .venv/demo
	$(PIP) --editable '.[$*]'
	touch $@

# What .venv has, and on top of it what the cluster needs: neither the tests nor the demo see Celery.
.airflow/cluster-venv/ready: .venv/demo constraints/cluster.in constraints/cluster.txt
	@echo "Installing Celery and the drivers of PostgreSQL and Redis into .airflow/cluster-venv ..."
	$(BIN)/python -m venv --clear .airflow/cluster-venv
	$(BIN)/python -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' \
		> "$$(.airflow/cluster-venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/base.pth"
	.airflow/cluster-venv/bin/python -m pip --disable-pip-version-check install --quiet --constraint $(CONSTRAINTS) \
		--constraint constraints/cluster.txt --requirement constraints/cluster.in
	touch $@
