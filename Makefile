# Everything a developer runs. `make demo` and `make test` work on a fresh machine: each installs what it lacks first.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# Nothing of the caller's Python may leak into ours.
unexport PYTHONHOME PYTHONPATH PYTEST_ADDOPTS

BIN := .venv/bin
PYTHON := $(BIN)/python
SCRIPTS = $(shell git -c safe.directory='*' ls-files '*.sh' .ci/run)

# The parts of a run, for example: make test PYTEST="tests/unit -k spool"
PYTEST ?= tests
# Two workers halve the time on two cores; PROCESSES=0 runs in one, which is what a debugger wants.
PROCESSES ?= 2

# What `make test` demands of branch coverage, in percent.
COVERAGE ?= 97

gate = @printf '\n== gate: %s\n' "$(1)"

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: setup-run ## docks cameras with real video and brings every recording into the archive, proved
	@$(BIN)/dockd demo

.PHONY: test
test: lint coverage ## every gate and every test

.PHONY: gates
gates: lint ## the gates that run no product code: seconds, not minutes
	$(call gate,house rules)
	@$(PYTHON) -m pytest -q tests/gates

.PHONY: lint
lint: setup-test
	$(call gate,ruff check)
	@$(BIN)/ruff check .
	$(call gate,ruff format)
	@$(BIN)/ruff format --check .
	$(call gate,mypy)
	@$(BIN)/mypy
	$(call gate,import-linter)
	@$(BIN)/lint-imports
	$(call gate,codespell)
	@$(BIN)/codespell
	$(call gate,interrogate)
	@$(BIN)/interrogate tests
	$(call gate,shellcheck)
	@shellcheck $(SCRIPTS)

.PHONY: coverage
coverage: setup-test
	$(call gate,pytest)
	@rm -rf build/coverage && mkdir -p build/coverage
	@$(PYTHON) -m coverage run -m pytest -n $(PROCESSES) $(PYTEST)
	$(call gate,branch coverage of dockd/core: 100 %)
	@$(PYTHON) -m coverage combine --quiet build/coverage
	@$(PYTHON) -m coverage report --include='dockd/core/*' --fail-under=100
	$(call gate,branch coverage of everything: $(COVERAGE) %)
	@$(PYTHON) -m coverage report --fail-under=$(COVERAGE)

.PHONY: bench
bench: setup-bench ## measures against cp, rsync, rclone, curl, tuspy and aiotus
	@$(PYTHON) -m tests.bench

.PHONY: fmt
fmt: setup-test ## formats the code and mends what ruff can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: lock
lock: setup-test ## renews the hash-locked requirements
	@packaging/requirements/lock.sh

.PHONY: setup
setup: setup-test ## installs what make test needs, and nothing else

.PHONY: setup-run setup-test setup-bench
setup-run setup-test setup-bench: setup-%:
	@packaging/setup/install.sh $*

.PHONY: clean
clean: ## removes everything that was made, .venv too
	rm -rf .venv build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
