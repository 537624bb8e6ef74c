# Everything a developer runs. It works on a fresh machine: each target installs what it lacks first.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# Nothing of the caller's Python may leak into ours.
unexport PYTHONHOME PYTHONPATH PYTEST_ADDOPTS

# Programs that make file systems are not on everybody's PATH.
export PATH := $(PATH):/usr/sbin:/sbin

BIN := .venv/bin
PYTHON := $(BIN)/python
SCRIPTS = $(shell git -c safe.directory='*' ls-files '*.sh' .ci/run packaging/debian/*inst packaging/debian/*rm \
    packaging/systemd/site-file-is-ours packaging/systemd/ports-have-power \
    packaging/systemd/leds-ask-for-help packaging/systemd/lamp-command-asks-for-help)

# Tests write gigabytes and need direct I/O: on a disk, not in the memory that /tmp is on newer systems.
export TMPDIR ?= /var/tmp

# The parts of a run, for example: make check PYTEST="tests/unit -k spool"
PYTEST ?= tests
# Two workers halve the time on two cores; PROCESSES=0 runs in one, which is what a debugger wants.
PROCESSES ?= 2
# Machines that run at a time. A part of the rig, for example: make rig RIG="-k 'debian13 and keyboard'"
MACHINES ?= 2
RIG ?=
# What of the rig's is prepared that most scenarios need not: a Debian with a browser.
SCREEN ?= screen

# The Debian releases that `make deb`, `make deb-check` and `make rig` are for.
SUITES ?= 12 13

# What `make check` demands of branch coverage, in percent: what whole runs on both suites have shown.
COVERAGE ?= 97

.NOTPARALLEL:

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: setup-run ## docks cameras with real video and brings every recording into the archive, proved
	@$(BIN)/dockd demo

.PHONY: test
test: root check deb deb-check rig-always ## all that CI runs: packages and machines too (as root on Debian; less than an hour on 2 quiet cores)

.PHONY: check
check: lint pytest coverage ## every gate, and every test that needs neither root nor machines (a quarter of an hour)

# Said at once, and not when half an hour has passed.
.PHONY: root
root:
	@if [ "$$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then \
	    echo 'make test builds Debian packages and boots machines, which takes root on Debian: sudo make test' >&2; \
	    echo 'Every test that takes neither: make check' >&2; exit 1; fi

.PHONY: gates
gates: lint house-rules ## the gates alone: seconds, not minutes (make -k gates shows all that fail)

# Linters, in the order in which a newcomer wants to hear of them. tests/gates holds the rules that are ours alone.
LINTERS := ruff-check ruff-format mypy import-linter codespell interrogate shellcheck

.PHONY: lint $(LINTERS) house-rules pytest coverage
lint: $(LINTERS)

announce = @printf '\n== %s: %s (%s)\n' "$(or $1,gate)" "$@" "$$(date +%T)"

ruff-check: setup-test
	$(announce)
	@$(BIN)/ruff check .

ruff-format: setup-test
	$(announce)
	@$(BIN)/ruff format --check .

mypy: setup-test
	$(announce)
	@$(BIN)/mypy

import-linter: setup-test
	$(announce)
	@$(BIN)/lint-imports

codespell: setup-test
	$(announce)
	@$(BIN)/codespell

interrogate: setup-test
	$(announce)
	@$(BIN)/interrogate tests

shellcheck: setup-test
	$(announce)
	@shellcheck $(SCRIPTS)

house-rules: setup-test
	$(announce)
	@$(PYTHON) -m pytest -q tests/gates

pytest: setup-test
	$(announce)
	@rm -rf build/coverage && mkdir -p build/coverage
	@$(PYTHON) -m coverage run -m pytest -n $(PROCESSES) $(PYTEST)

coverage: pytest
	$(announce)
	@# Processes that tests killed left broken files: no data, and no error. Nothing to combine at all is one all the same.
	@$(PYTHON) -W ignore -m coverage combine --quiet build/coverage
	@rm -f build/coverage/data.*
	@echo "branch coverage of dockd/core, 100 % wanted:"
	@$(PYTHON) -m coverage report --include='dockd/core/*' --fail-under=100
	@echo "branch coverage of everything, $(COVERAGE) % wanted:"
	@$(PYTHON) -m coverage report --fail-under=$(COVERAGE)

.PHONY: bench
bench: setup-test ## measures against cp, rsync, rclone, curl, tuspy and aiotus
	@$(PYTHON) -m tests.bench

.PHONY: deb deb-check
deb: setup-deb ## builds the Debian packages, build/deb/SUITE/dockd_*.deb (as root; SUITES=13 for one)
	$(call announce,packages)
	@for suite in $(SUITES); do packaging/deb/build.sh $$suite; done

deb-check: setup-deb ## installs, uses, upgrades, removes and purges them in clean roots of Debian
	$(call announce,packages)
	@for suite in $(SUITES); do tests/package/check.sh $$suite; done

.PHONY: rig rig-always
# Those scenarios that fit into every run.
rig-always: RIG = -m always
rig-always: SCREEN =
rig-always: rig

rig: setup-test deb ## boots whole machines, installs the package there and docks cameras (as root; RIG="-k debian13" for a part)
	$(call announce,machines)
	@tests/rig/setup.sh
	@$(PYTHON) -m tests.rig $(SUITES) $(SCREEN)
	@SUITES='$(SUITES)' $(PYTHON) -m pytest -p no:randomly -n $(MACHINES) --dist worksteal --timeout 1800 --durations 0 --durations-min 20 \
	    -o faulthandler_timeout=1800 -o tmp_path_retention_policy=failed -o python_files='scenario_*.py' tests/rig $(RIG)

.PHONY: card
card: setup-test ## prints the officers' card anew from its text: docs/officer-card.pdf, and that in Spanish
	@$(PYTHON) -m tests.kiosk.card

.PHONY: fmt
fmt: setup-test ## formats the code and mends what ruff can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: lock
lock: setup-test ## renews the hash-locked requirements
	@packaging/requirements/lock.sh

.PHONY: setup
setup: setup-test ## installs what make test needs, and nothing else

.PHONY: setup-run setup-test setup-deb
setup-run setup-test setup-deb: setup-%:
	@packaging/setup/install.sh $*

.PHONY: clean
clean: ## removes everything that was made, .venv too
	rm -rf .venv build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
