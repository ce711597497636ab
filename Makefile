# Two commands do all the set-up on a fresh machine: `make provision` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# The parts in installers/lib are checked where they are sourced.
SHELL_SCRIPTS := $(shell find installers -maxdepth 1 -type f)

.PHONY: help install server provision status teardown deploy worker test check format benchmarks down

help: ## Say what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

install: $(INSTALLED) ## Make the environment in .venv

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade 'pip>=24'
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

server: install ## Start a Prefect server in the background, when none answers
	$(BIN)/python -m deployments.server up

provision: install server ## A Kubernetes cluster on the local cloud (or on the account in the environment)
	$(BIN)/python -m flows.provision $(ARGS)
	@$(BIN)/python -m deployments.server status

status: install ## How the cluster is
	$(BIN)/python -m flows.status $(ARGS)

teardown: install ## Take the cluster down again
	$(BIN)/python -m flows.teardown $(ARGS)

deploy: install server ## Register blocks and deployments on the Prefect server
	$(BIN)/python -m deployments.register $(ARGS)

worker: install server ## Run what is deployed, until Ctrl-C
	$(BIN)/python -m deployments.worker

test: install check ## Everything that must pass before a commit
	$(BIN)/pytest

check: install ## Format, lint, types, imports, shell scripts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/shellcheck -x -S style $(SHELL_SCRIPTS)

format: install ## Put the code into its format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

down: ## End what runs in the background: local cloud and Prefect server
	-$(BIN)/python -m localcloud down
	-$(BIN)/python -m deployments.server down
