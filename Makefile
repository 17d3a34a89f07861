# The lab, the tests and the checks; `make` alone lists the targets. The formula itself needs no make.

# The versions of Salt that the tests know, the newest first; SALT=... picks another than that. Each has a lock file and
# a virtual environment of its own, so that two of them can be used at the same time.
SALTS := 3008.5 3007.15 3006.28
SALT ?= $(firstword $(SALTS))
VENV := .venv$(patsubst %,-%,$(filter-out $(firstword $(SALTS)),$(SALT)))
PY := $(VENV)/bin/python
PYTHON ?= /usr/bin/python3
PYTEST := $(PY) -m pytest
ARGS ?=
YAML_RULES := {extends: default, rules: {line-length: {max: 120}, document-start: disable, \
  truthy: {check-keys: false}, braces: {max-spaces-inside: 1}, comments: {min-spaces-from-content: 1}, \
  comments-indentation: disable}}
YAML_FILES = $(wildcard FORMULA pillar.example) \
  $(shell find gluster_one tests docs \( -name '*.yaml' -o -name '*.yml' \) 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help setup lock lint format test unit opennebula functional integration faults idle othersalts demo

help: ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: ## Debian's packages and the virtual environment, if they are not there
	@sh lab/setup.sh $(PYTHON) $(SALT) $(VENV)

lock: setup ## choose the versions in the lock files anew, one for each Salt
	@rm -f requirements-*.lock.new
	@for salt in $(SALTS); do \
	  { echo '# Made by `make lock` from requirements.in and requirements.override.in; do not edit.'; \
	    echo "salt==$$salt" | $(VENV)/bin/uv pip compile -q --upgrade --python-version 3.11 --no-annotate --no-header \
	      --override requirements.override.in requirements.in -; } > requirements-$$salt.lock.new || exit 1; \
	done
	@rm -f requirements-*.lock
	@for salt in $(SALTS); do mv requirements-$$salt.lock.new requirements-$$salt.lock; done

lint: setup ## ruff, salt-lint and yamllint
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	@# 205 asks for the name *.sls, and so for another name of every *.jinja.
	find gluster_one lab tests docs -name '*.sls' -o -name '*.jinja' 2>/dev/null | xargs -r $(VENV)/bin/salt-lint -x 205
	$(VENV)/bin/yamllint -s -d '$(YAML_RULES)' $(YAML_FILES)

format: setup ## put the Python files into ruff's format
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

test: setup ## all tests, some beside the others, the other Salts' unit and functional ones as well; ARGS are pytest's; SALT=3007.15 picks that Salt alone
	@logs=$$(mktemp -d); status=0; \
	  $(MAKE) --no-print-directory opennebula >$$logs/opennebula 2>&1 & opennebula=$$!; \
	  $(MAKE) --no-print-directory -k idle $(if $(filter .venv,$(VENV)),othersalts) >$$logs/idle 2>&1 & idle=$$!; \
	  trap "kill $$opennebula $$idle" INT TERM; \
	  for kind in unit functional; do $(MAKE) --no-print-directory $$kind || status=1; done; \
	  wait $$opennebula || status=1; cat $$logs/opennebula; \
	  $(MAKE) --no-print-directory integration || status=1; \
	  wait $$idle || status=1; cat $$logs/idle; \
	  $(MAKE) --no-print-directory faults || status=1; rm -rf $$logs; exit $$status

unit: setup ## the tests of pure logic
	$(PYTEST) tests/unit $(ARGS)

opennebula: setup ## the datastore state and OpenNebula's modules against the stand-in for oned
	$(PYTEST) tests/opennebula $(ARGS)

functional: setup ## each module and state against a real glusterd and the stand-in for oned
	$(PY) tests/functional/run.py $(ARGS)

integration: setup ## the lab's master and minions
	$(PYTEST) tests/integration $(ARGS)

faults: setup ## break a fleet in many ways, with beacons and reactor on
	$(PYTEST) tests/faults/test_faults.py $(ARGS)

idle: setup ## leave a fleet alone for ten minutes: what it says and what its beacons cost
	$(PYTEST) tests/faults/test_idle.py $(ARGS)

othersalts: ## the unit and the functional tests on each Salt but the newest
	@status=0; for salt in $(filter-out $(firstword $(SALTS)),$(SALTS)); do \
	  $(MAKE) --no-print-directory SALT=$$salt unit functional || status=1; done; exit $$status

demo: setup ## the main job on a fresh lab, explained; KEEP=1 keeps the lab
	@KEEP=$(KEEP) $(PY) lab/demo.py
