# All targets write to the checkout only (.venv, .airflow, .matrix). PYTHON can be any Python from 3.10 on.
PYTHON ?= python3
CONSTRAINTS := constraints/airflow-3.3.txt
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint $(CONSTRAINTS)
# Airflow reads AIRFLOW_HOME when it is imported.
export AIRFLOW_HOME := $(CURDIR)/.airflow/home
STORM := test_watchers.py test_ledger_storm.py

.PHONY: demo demo-events test test-all test-system storm airflow screenshots lint docs check mutants bench cluster cluster-small audit matrix \
	matrix-constraints constraints dist help clean

demo: .venv/demo  ## run the example Dag twice on a real Airflow
	$(BIN)/python -m scripts.demo

demo-events: .venv/demo  ## a campaign completes and one falls ill, and each starts its Dag
	$(BIN)/python -m scripts.demo_events

test: .venv/dev  ## run the unit tests
	$(BIN)/python -m pytest tests/unit

test-all: .venv/dev  ## run the unit and integration tests
	$(BIN)/python -m pytest tests/unit tests/integration

test-system: .venv/dev .venv/browser  ## run the tests that start and kill real Airflow processes
	$(BIN)/python -m pytest tests/system

storm: .venv/dev  ## kill triggerers with watchers 16 times, and workers, schedulers and triggerers of a ledger 24 times
	WATCHER_KILLS=10 WATCHER_STOPS=6 LEDGER_KILLS=24 $(BIN)/python -m pytest -s $(addprefix tests/system/,$(STORM))

airflow: .venv/demo  ## run an Airflow with the sandbox, to try in a browser
	$(BIN)/python -m scripts.playground

screenshots: .venv/browser  ## make the pictures in docs/images from a real Airflow; needs Chromium
	$(BIN)/python -m scripts.screenshots

lint: .venv/dev  ## check style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/docs  ## build the documentation into docs/_build/html
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet -b html docs docs/_build/html

check:  ## run everything that CI checks
	.ci/run

bench: .venv/bench .venv/browser  ## measure this provider and its peers into benchmarks/results; BENCH=--quick for a short run
	$(BIN)/python -m benchmarks $(BENCH)

cluster: .airflow/cluster-venv/ready  ## run 500 launches on a distributed Airflow with kills; CLUSTER="--launches 30"
	.airflow/cluster-venv/bin/python -m tests.system.cluster $(CLUSTER)

cluster-small:  ## the same in a few minutes; as root it installs PostgreSQL and Redis, without them it skips
	tests/system/cluster/small.sh

audit: .venv/dev  ## check the pinned packages: available, not yanked, installed as pinned, no known vulnerabilities
	@[ -e .airflow/audit/ready ] || $(MAKE) --no-print-directory .airflow/audit/ready || true
	$(BIN)/python scripts/audit.py

constraints: .venv/dev  ## update the pins of development, demo, benchmarks and cluster
	$(PIP) uv
	$(BIN)/uv pip compile --universal --python-version 3.10 --no-header --no-emit-index-url --upgrade --quiet \
		--extra dev --extra docs --extra browser pyproject.toml constraints/airflow-3.3.in --output-file $(CONSTRAINTS)
	$(BIN)/uv pip compile --universal --python-version 3.10 --no-header --no-emit-index-url --upgrade --quiet \
		--no-annotate --constraint $(CONSTRAINTS) constraints/bench.in --output-file constraints/bench.txt
	$(BIN)/uv pip compile --universal --python-version 3.10 --no-header --no-emit-index-url --upgrade --quiet \
		--no-annotate --constraint $(CONSTRAINTS) constraints/cluster.in --output-file constraints/cluster.txt
	$(BIN)/uv pip compile --universal --python-version 3.10 --no-header --no-emit-index-url --upgrade --quiet \
		--no-annotate --constraint $(CONSTRAINTS) constraints/dist.in --output-file constraints/dist.txt

matrix: .venv/dev  ## run the tests on every supported Airflow; CELLS="2.11 lowest" for some of them, JOBS=2 for two at a time
	$(PIP) uv
	$(BIN)/python scripts/matrix.py $(if $(JOBS),--jobs $(JOBS) )$(if $(CELLS),--only $(CELLS))$(if $(PYTEST), -- $(PYTEST))

MATRIX := airflow-2.11 airflow-3.0 airflow-3.1 airflow-3.2
# Airflow 3.2 does not work with later packages; common-compat must be newer.
CUTOFF-airflow-3.2 := --exclude-newer 2026-06-01 --exclude-newer-package apache-airflow-providers-common-compat=2026-11-22
# The tests of the pages run on the oldest Airflow that has them.
EXTRA-airflow-3.1 := --extra browser
matrix-constraints: .venv/dev  ## update the pins of the matrix
	$(PIP) uv
	$(foreach airflow,$(MATRIX),$(BIN)/uv pip compile --universal --python-version 3.10 --no-header --no-emit-index-url \
		--no-annotate --upgrade --quiet $(CUTOFF-$(airflow)) $(EXTRA-$(airflow)) --extra dev pyproject.toml constraints/matrix/$(airflow).in \
		--output-file constraints/matrix/$(airflow).txt &&) true
	$(BIN)/uv pip compile --universal --python-version 3.10 --no-header --no-emit-index-url --no-annotate \
		--upgrade --quiet --extra dev --resolution lowest-direct --constraint constraints/matrix/lowest.in pyproject.toml \
		--output-file constraints/matrix/lowest.txt

mutants: .airflow/mutants-venv/ready  ## mutation tests: change the code in one place, check that a test fails; PART="rules" for one part
	.airflow/mutants-venv/bin/python scripts/mutants.py $(PART)

dist: .airflow/dist-venv/ready .venv/dev  ## build the sdist and the wheel into dist, check them and the workflows, and test the installed wheel
	.airflow/dist-venv/bin/zizmor --offline --quiet .github
	.airflow/dist-venv/bin/python scripts/dist.py $(DIST)

help:  ## list the targets
	@sed -En 's/^([a-z-]+):[^#]*## (.*)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-19s %s\n", $$1, $$2 }'

clean:  ## delete everything that these targets create
	rm -rf .venv .airflow .matrix docs/_build dist .hypothesis .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

.venv/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
		|| { echo "Python 3.10 or later is needed; set PYTHON, as in: make PYTHON=python3.12 demo"; exit 1; }
	$(PYTHON) -m venv .venv
	touch $@

# A raised __version__ is installed again, so that Airflow lists it.
.venv/demo: .venv/python pyproject.toml airflow_provider_campaigns/__init__.py $(CONSTRAINTS)
	@echo "Installing Airflow and this provider into .venv ..."
	$(PIP) --editable .
	touch $@

.venv/bench: .venv/demo constraints/bench.in constraints/bench.txt
	$(PIP) --constraint constraints/bench.txt --requirement constraints/bench.in
	touch $@

# In an environment of its own, so that pip-audit changes no audited package. It may be missing.
.airflow/audit/ready: .venv/python
	$(BIN)/python -m venv .airflow/audit
	.airflow/audit/bin/python -m pip --disable-pip-version-check install --quiet pip-audit
	touch $@

.venv/dev .venv/docs .venv/browser: .venv/%: .venv/demo
	$(PIP) --editable '.[$*]'
	touch $@

# Everything in .venv, and the packages of the cluster. Tests and demo run without Celery.
.airflow/cluster-venv/ready: .venv/demo constraints/cluster.in constraints/cluster.txt
	@echo "Installing Celery and the drivers of PostgreSQL and Redis into .airflow/cluster-venv ..."
	$(BIN)/python -m venv --clear .airflow/cluster-venv
	$(BIN)/python -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' \
		> "$$(.airflow/cluster-venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/base.pth"
	.airflow/cluster-venv/bin/python -m pip --disable-pip-version-check install --quiet --constraint $(CONSTRAINTS) \
		--constraint constraints/cluster.txt --requirement constraints/cluster.in
	touch $@

.airflow/dist-venv/ready: .venv/python constraints/dist.in constraints/dist.txt
	$(BIN)/python -m venv .airflow/dist-venv
	.airflow/dist-venv/bin/python -m pip --disable-pip-version-check install --quiet --constraint constraints/dist.txt \
		--requirement constraints/dist.in
	touch $@

# What .venv has, plus mutmut; the tests and the audit do not see it.
.airflow/mutants-venv/ready: .venv/dev
	@echo "Installing mutmut into .airflow/mutants-venv ..."
	$(BIN)/python -m venv --clear .airflow/mutants-venv
	$(BIN)/python -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' \
		> "$$(.airflow/mutants-venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/base.pth"
	.airflow/mutants-venv/bin/python -m pip --disable-pip-version-check install --quiet --constraint $(CONSTRAINTS) mutmut==3.8.1
	touch $@
