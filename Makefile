# Two commands do everything on a fresh machine: `make provision` and `make test`.
# Flags for a command go into ARGS: make provision ARGS='--nodes 3'

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# The parts in installers/lib are checked where they are sourced.
SHELL_SCRIPTS := $(shell find installers -maxdepth 1 -type f)

.PHONY: help install server provision status teardown deploy worker test test-machines test-team quick check docs matrix words format down

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

install: $(INSTALLED) ## Create the environment in .venv

$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed; name one, such as: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade 'pip>=24'
	$(BIN)/pip install --quiet --editable '.[dev,docs]'
	touch $@

server: install ## Start a Prefect server in the background, if none answers
	$(BIN)/python -m deployments.server up

provision: install server ## Create a cluster on the local cloud, or on the account in the environment
	$(BIN)/python -m flows.provision $(ARGS)
	@$(BIN)/python -m deployments.server status
	@echo 'Before typing the commands above: . $(BIN)/activate'

status: install ## Show the state of the cluster
	$(BIN)/python -m flows.status $(ARGS)

teardown: install ## Delete the cluster
	$(BIN)/python -m flows.teardown $(ARGS)

deploy: install server ## Register a cluster's deployments on the Prefect server
	$(BIN)/python -m deployments.register $(ARGS)

worker: install server ## Run the deployments, until Ctrl-C
	$(BIN)/python -m deployments.worker

test: install check ## Everything that must pass before a commit: check and tests
	$(BIN)/pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder

test-machines: install ## The installers on real systems in guests; needs root (CONTRIBUTING.md)
	$(BIN)/pytest tests/machines -m machine -rs --numprocesses 2 --dist loadfile --timeout 600

test-team: install ## Ten clusters, two workers, one of which is killed, on PostgreSQL and Redis
	$(BIN)/pip install --quiet --editable '.[dev,team]'
	$(BIN)/pytest tests/team -m team -rs -s --timeout 1500

quick: install ## The tests that need nothing but Python; under a minute
	$(BIN)/pytest -m pure --numprocesses 2 --dist loadfile

check: install ## Format, lint, types, import contract, shell scripts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/shellcheck -x -S style $(SHELL_SCRIPTS)

docs: install ## Build the documentation's site in build/site
	$(BIN)/python -m docs.site.build

matrix: install ## Strike every changing call of a cluster's life (docs/reliability.md)
	$(BIN)/python -m benchmarks.reliability $(ARGS)

words: install ## Add new texts to the catalogue of translations, and print them
	$(BIN)/python -m words

format: install ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

down: ## Stop what runs in the background: local cloud and Prefect server
	-$(BIN)/python -m localcloud down
	-$(BIN)/python -m deployments.server down
