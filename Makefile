# Needs Python 3.11 or newer and GNU make. Everything else is installed into .venv and .cache by hash locks.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := $(CURDIR)/.venv
CACHE := $(CURDIR)/.cache
BIN := $(VENV)/bin
LOCKS := roles/common/files/locks
COLLECTIONS := $(CACHE)/collections
export PATH := $(BIN):$(PATH)
export ANSIBLE_COLLECTIONS_PATH := $(COLLECTIONS)
export ANSIBLE_LOCALHOST_WARNING := false
export MOLECULE_GLOB := molecule/*/molecule.yml
# Borders break lines after 80 characters, names of tests too.
export MOLECULE_COMMAND_BORDERS := false
export PYTHONWARNINGS := ignore::DeprecationWarning:ansible
export UPDRAFT_VENV_2 := $(CACHE)/venvs/2.11.2
export UPDRAFT_VENV_3 := $(CACHE)/venvs/3.3.2
export UPDRAFT_SWIFT := $(CACHE)/venvs/swift

# The longest first, for they run side by side.
SCENARIOS := sqlite_to_postgresql cluster celery_redis default local_mysql
# Without what would take `make test` too long; the targets below run those tests.
SHORT := PYTEST_ADDOPTS='-m "not long"'
SERVERS := database api dags
LANES ?= 2

help: ## Show what there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

$(VENV)/.complete: requirements/dev.txt $(LOCKS)/uv.txt
	@echo "== Installing the tools into .venv"
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: set PYTHON.")'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r $(LOCKS)/uv.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	touch $@

tools: $(VENV)/.complete ## Install the tools
	@mkdir -p $(COLLECTIONS)/ansible_collections/updraft
	ln -sfn $(CURDIR) $(COLLECTIONS)/ansible_collections/updraft/airflow

docker-engine:
	@tests/tools/docker-engine

# Docker first: where it is missing and cannot be installed, that is said before anything is downloaded.
demo: docker-engine tools ## Lift a tutorial installation in a container; with TOPOLOGY=celery_redis, show that one of the inventories
	@PYTHONPATH=tests:tests/testinfra python -m demo.demo $(TOPOLOGY)

demo-clean: ## Remove everything of the demo
	@PYTHONPATH=tests $(PYTHON) -m demo.clean

lint: tools ## Check style: ruff, mypy, yamllint, ansible-lint, changelog, generated docs
	@echo "== Lint"
	ruff check .
	ruff format --check .
	tests/tools/typecheck
	yamllint --strict .
	antsibull-changelog lint
	tests/tools/make-variables --check
	tests/tools/make-losses --check
	ansible-lint --offline --strict

unit: tools ## Run the unit tests
	@echo "== Unit tests"
	python -m pytest tests/unit

$(CACHE)/venvs/%/.complete: $(LOCKS)/%.txt $(LOCKS)/%-postgresql.txt $(LOCKS)/%-mysql.txt | tools
	@echo "== Installing Airflow $* for the tests"
	tests/tools/mysql-client
	uv venv --quiet --clear $(@D)
	uv pip install --quiet --compile-bytecode --python $(@D)/bin/python --require-hashes $(patsubst %,-r %,$(filter %.txt,$^))
	touch $@

database: tools $(CACHE)/venvs/2.11.2/.complete $(CACHE)/venvs/3.3.2/.complete ## Test the copy on servers of its own, PostgreSQL and MySQL
	@echo "== Tests on real database servers"
	tests/tools/postgresql-server
	tests/tools/mysql-server
	python -m pytest tests/integration_db

# Sources as old as they are taken over, with what there was at their time.
OLDER := 2.7.0 2.9.3 3.0.6 3.1.0
export UPDRAFT_SOURCES := $(CACHE)/venvs/sources
$(CACHE)/venvs/sources/%/.complete: tests/locks/%.txt tests/locks/build.txt | tools
	@echo "== Installing Airflow $* for the tests"
	uv venv --quiet --clear --python $(VENV)/bin/python $(@D)
	uv pip install --quiet --compile-bytecode --python $(@D)/bin/python --build-constraints tests/locks/build.txt --require-hashes -r $<
	touch $@

test-sources: tools $(CACHE)/venvs/2.11.2/.complete $(CACHE)/venvs/3.3.2/.complete $(OLDER:%=$(CACHE)/venvs/sources/%/.complete) ## Take over SQLite databases of older versions, copied to PostgreSQL (15 minutes)
	@echo "== Tests with older versions"
	tests/tools/postgresql-server
	UPDRAFT_TESTS_SOURCES=1 python -m pytest tests/integration_db/test_older_sources.py

$(CACHE)/venvs/swift/.complete: requirements/s3-server.txt | tools
	@echo "== Installing OpenStack Swift for the tests"
	uv venv --quiet --clear $(@D)
	uv pip install --quiet --compile-bytecode --python $(@D)/bin/python --require-hashes -r requirements/s3-server.txt
	touch $@

dags: tools $(CACHE)/venvs/2.11.2/.complete $(CACHE)/venvs/3.3.2/.complete $(CACHE)/venvs/swift/.complete ## Test where DAGs come from on real servers
	@echo "== Tests on real servers of git and S3, and on both lines of Airflow"
	tests/tools/ssh-server
	python -m pytest tests/integration_dags
api: tools $(CACHE)/venvs/2.11.2/.complete $(CACHE)/venvs/3.3.2/.complete ## Test the modules on the API of both versions
	@echo "== Tests on real API servers"
	python -m pytest tests/integration_api

bench-objects: tools $(CACHE)/venvs/2.11.2/.complete $(CACHE)/venvs/3.3.2/.complete ## Time 120 objects through the API against Airflow's own command
	@PYTHONPATH=tests/integration_api python tests/bench/objects.py

$(CACHE)/venvs/%/.celery: $(CACHE)/venvs/%/.complete $(LOCKS)/%-celery.txt
	uv pip install --quiet --compile-bytecode --python $(@D)/bin/python --require-hashes -r $(LOCKS)/$*.txt -r $(LOCKS)/$*-celery.txt
	touch $@

canary: tools $(CACHE)/venvs/2.11.2/.celery $(CACHE)/venvs/3.3.2/.celery ## Fly canaries in both versions of Airflow with Celery (3 minutes)
	@echo "== Canaries in real installations"
	tests/tools/postgresql-server
	tests/tools/redis-server
	python -m pytest tests/integration_canary

ROUNDS ?= 3
bench-throughput: tools $(CACHE)/venvs/2.11.2/.celery $(CACHE)/venvs/3.3.2/.celery ## Time tasks with Airflow's defaults and with airflow_size: auto, in turns (an hour; ROUNDS, ARGS=--help)
	@tests/tools/postgresql-server
	tests/tools/redis-server
	PYTHONPATH=$(COLLECTIONS):tests:tests/bench:tests/unit/plugins/module_utils python -m throughput --rounds $(ROUNDS) $(ARGS)

bench-copy: ROWS ?= 1000000
bench-copy: tools $(CACHE)/venvs/2.11.2/.complete $(CACHE)/venvs/3.3.2/.complete ## Time the copy against pgloader and pg_restore, in turns (ROWS, ROUNDS, ARGS=--help)
	@tests/tools/postgresql-server
	tests/tools/pgloader
	PYTHONPATH=tests:tests/bench:tests/fixtures/tutorial/files python -m copying --rows $(ROWS) --rounds $(ROUNDS) $(ARGS)

bench-lift: ROWS ?= 300000
bench-lift: docker-engine tools ## Lift installations made by hand, within a line and from 2 to 3, and tell how long nothing runs (half an hour; ROWS, ARGS=--help)
	@PYTHONPATH=tests:tests/testinfra:tests/bench python -m lift --rows $(ROWS) $(ARGS)

bench-converge: docker-engine tools ## Time a first run against a script by hand, runs that change nothing, and the install against pip (ARGS=--help)
	@tests/tools/ssh-server
	tests/images/build bookworm
	PYTHONPATH=tests:tests/bench:tests/testinfra python -m converge $(ARGS)

sanity: tools ## Run ansible-test sanity on what the tarball holds
	@echo "== ansible-test sanity (about a minute)"
	tests/tools/sanity

molecule: tools ## Run the Molecule scenarios, LANES=2 at a time
	@echo "== Molecule"
	tests/tools/prepare-molecule
	$(SHORT) python tests/tools/lanes.py $(LANES) $(SCENARIOS)

# What does not fit into the time of `make test`.
LOCAL := sqlite local_postgresql
MOVES := executor_moves sqlite_to_mysql sqlite_to_celery

test-local: tools ## Run the scenarios of fresh hosts with SQLite, and with PostgreSQL behind PgBouncer
	@echo "== Molecule"
	tests/tools/prepare-molecule
	python tests/tools/lanes.py $(LANES) $(LOCAL)

test-inputs: tools ## Run the scenario of the short story whole, with a table of mistakes before the lift
	@echo "== Molecule"
	tests/tools/prepare-molecule
	python tests/tools/lanes.py 1 default

test-moves: tools ## Run the scenarios in which executors and brokers change, and the lifts straight to CeleryExecutor
	@echo "== Molecule"
	tests/tools/prepare-molecule
	python tests/tools/lanes.py $(LANES) $(MOVES)

test-lift: tools ## Run the scenario of the lifts to 3.3.2 whole: back to the old installation and forward again, too
	@echo "== Molecule"
	tests/tools/prepare-molecule
	python tests/tools/lanes.py 1 sqlite_to_postgresql

test-celery: tools ## Run the scenarios with CeleryExecutor whole: what fails while tasks run, and a table of mistakes
	@echo "== Molecule"
	tests/tools/prepare-molecule
	python tests/tools/lanes.py $(LANES) celery_redis celery_rabbitmq

test-cluster: tools ## Run the scenario of a cluster whole: everything is restarted, workers go and come, while requests and tasks go on (40 minutes)
	@echo "== Molecule"
	tests/tools/prepare-molecule
	python tests/tools/lanes.py 1 cluster

test-cluster-mysql: tools ## Run the scenario of a small cluster with 2.11.2, MySQL and Redis with sentinels, whose parts fail one at a time
	@echo "== Molecule"
	tests/tools/prepare-molecule
	python tests/tools/lanes.py 1 cluster_mysql

test-grown: tools ## Run the scenario of one host that becomes a cluster
	@echo "== Molecule"
	tests/tools/prepare-molecule
	python tests/tools/lanes.py 1 cluster_grown

test-tls: tools ## Run the scenario in which every connection is encrypted, and its certificates are replaced while tasks run
	@echo "== Molecule"
	tests/tools/prepare-molecule
	python tests/tools/lanes.py 1 tls

test-replaced: tools ## Run the scenario in which a host of the database cluster is lost for good and another takes its place (15 minutes)
	@echo "== Molecule"
	tests/tools/prepare-molecule
	python tests/tools/lanes.py 1 database_host_replaced

test-secrets: tools ## Plant a secret through every variable that can hold one, and look for it in all that others may read
	@echo "== Molecule"
	tests/tools/prepare-molecule
	python tests/tools/lanes.py 1 planted_secrets

test-faults: tools ## Let everything in a cluster fail, one thing at a time, and write docs/faults.md
	@echo "== Molecule"
	tests/tools/prepare-molecule
	trap 'tests/tools/cluster-disks remove' EXIT
	tests/tools/cluster-disks make
	UPDRAFT_CLUSTER_TESTS=cluster_faults python tests/tools/lanes.py 1 cluster

SEED ?= 20261201
test-kills: docker-engine tools ## Kill site at 33 moments of a lift, run it again each time, and write docs/kills.md (two hours; SEED, ARGS=--help)
	@echo "== Kills"
	PYTHONPATH=tests:tests/testinfra python -m kills --seed $(SEED) $(ARGS)

# They need the same environments, which one of them would make while another one reads them.
servers-and-scenarios: tools $(CACHE)/venvs/2.11.2/.complete $(CACHE)/venvs/3.3.2/.complete $(CACHE)/venvs/swift/.complete
	@echo "== Tests on real servers, and Molecule"
	tests/tools/prepare-molecule
	$(SHORT) python tests/tools/lanes.py $(LANES) $(SCENARIOS) $(addprefix make:,$(SERVERS))

checks: tools ## Run lint, unit and sanity, LANES=2 at a time
	@echo "== Checks without a server"
	python tests/tools/lanes.py $(LANES) make:unit make:lint make:sanity

test: ## Run all but what has a target of its own; say at the end how long each part took and what failed
	@$(PYTHON) tests/tools/reporting.py $(MAKE) --no-print-directory checks servers-and-scenarios

locks: tools ## Resolve requirements/*.in into hash locks anew
	requirements/make-locks

docs: tools ## Write the generated docs anew
	tests/tools/make-variables
	tests/tools/make-losses

build: tools ## Build the collection's tarball
	@ansible-galaxy collection build --force --output-path $(CACHE)

.PHONY: help tools docker-engine demo demo-clean checks lint unit database api bench-objects bench-throughput bench-copy bench-lift bench-converge dags canary sanity molecule servers-and-scenarios test-local test-sources test-inputs test-moves test-lift test-celery test-cluster test-cluster-mysql test-tls test-grown test-replaced test-secrets test-faults test-kills test locks docs build
