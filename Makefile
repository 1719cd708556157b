# Everything that a person does with this checkout. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
ENGINE = settings="$$($(PYTHON) tools/engine.py env --stack lab)" && eval "$$settings"

.PHONY: help setup lab lab-down preview check format test trial soak bench golden reference wheel lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: ## system packages, virtual environment, Pulumi engine and plugin
	@$(PYTHON) tools/setup.py

lab: setup ## the virtual site: rack it, `pulumi up` of stack lab, summary
	@$(BIN)/lab up --stack Pulumi.lab.yaml
	@$(ENGINE) && pulumi stack select --create lab && pulumi up --stack lab --yes --non-interactive --skip-preview \
	  && pulumi stack output site --json --stack lab | $(BIN)/gridmill summary

lab-down: ## end the virtual site; its state in Pulumi is forgotten with it, caches stay
	@$(BIN)/lab down --stack Pulumi.lab.yaml
	@$(ENGINE) && if pulumi stack ls --json | grep -q '"name": "lab"'; then pulumi stack rm lab --force --yes --preserve-config; fi

preview: setup ## `pulumi preview --diff` of stack lab
	@$(ENGINE) && pulumi preview --stack lab --diff --non-interactive

check: setup ## format, lint, types and all tests that need neither root nor the engine; under 2 minutes
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/yamllint --strict .
	@PATH="$$PWD/$(BIN):$$PATH" $(BIN)/ansible-lint --offline --strict playbooks
	@$(BIN)/python -m pytest -q --numprocesses auto --maxprocesses 8 -m 'not lab and not engine and not trial and not soak'

test: check ## every test, the virtual site included
	@$(ENGINE) && $(BIN)/python -m pytest -m '(lab or engine) and not trial and not soak'

format: setup ## format the code
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

trial: setup ## long trials on virtual sites that `make test` leaves out: a lost controller, a directory, drivers, meters, power limits, toolkits
	@$(ENGINE) && for file in ldap driver_rollout meters power restore software toolkits; do \
	  $(BIN)/python -m pytest -m 'trial or lab' tests/e2e/test_chain.py::test_up tests/e2e/test_$$file.py; done

soak: setup ## faults on the virtual site while `pulumi up` works: processes, power, cables; GRIDMILL_SOAK_ROUNDS=5
	@$(ENGINE) && $(BIN)/python -m pytest -s -m 'soak or lab' tests/e2e/test_chain.py::test_up tests/e2e/test_faults.py tests/e2e/test_thrash.py

bench: setup ## how fast it is: plan, inventory and preview of 10,000 nodes; no machine is contacted
	@$(BIN)/python -m benchmarks

golden: setup ## write the golden sites anew; look at the difference
	@GRIDMILL_UPDATE_GOLDEN=1 $(BIN)/python -m pytest -q tests/documents && git diff --stat tests/golden

reference: setup ## write the generated pages and schemas of docs/reference/
	@$(BIN)/python -m tools.reference

wheel: setup ## build dist/gridmill-VERSION-py3-none-any.whl, from which repositories with sites are made
	@$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

lock: setup ## lock the requirements anew (needs uv)
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header requirements.in -o requirements.txt
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header requirements-lab.in -c requirements.txt -o requirements-lab.txt
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header requirements-dev.in -c requirements-lab.txt -o requirements-dev.txt

clean: ## remove what is generated in the checkout
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .ansible
