# The lab, the tests and the checks; `make` alone lists the targets. The formula itself needs no make.

# The versions of Salt that the tests know, the newest first; SALT=... picks another than that. Each has a lock file and
# a virtual environment of its own, so that two of them can be used at the same time.
SALTS := 3008.5 3007.15 3006.28
SALT ?= $(firstword $(SALTS))
# The lock files, PYTHON/SALT: every Salt on Debian 12's Python, the newest on those of Debian 13 and 14.
LOCKS := $(SALTS:%=3.11/%) $(patsubst %,%/$(firstword $(SALTS)),3.13 3.14)
VENV := .venv$(patsubst %,-%,$(filter-out $(firstword $(SALTS)),$(SALT)))
PY := $(VENV)/bin/python
PYTHON ?= /usr/bin/python3
# The hosts of every lab run this release of Debian: RELEASE=trixie, RELEASE='trixie kvm3=forky'; without, the machine's.
export LAB_RELEASE := $(RELEASE)
# The minions of every lab have another Salt than the master: MINION_SALT=3006.28.
export LAB_MINION_SALT := $(MINION_SALT)
PYTEST := $(PY) -m pytest
ARGS ?=
YAML_RULES := {extends: default, rules: {line-length: {max: 120}, document-start: disable, \
  truthy: {check-keys: false}, braces: {max-spaces-inside: 1}, comments: {min-spaces-from-content: 1}, \
  comments-indentation: disable}}
YAML_FILES = $(wildcard FORMULA pillar.example) \
  $(shell find gluster_one tests docs \( -name '*.yaml' -o -name '*.yml' \) 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help setup lock lint format test unit opennebula functional functional-1 functional-2 fleet first-run-trixie \
  test-long faults othersalts otherreleases demo bench

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: ## Debian's packages and the virtual environment, if they are not there
	@sh lab/setup.sh $(PYTHON) $(SALT) $(VENV)
	@[ -z "$(MINION_SALT)" ] || $(MAKE) --no-print-directory setup SALT=$(MINION_SALT) MINION_SALT=

lock: setup ## choose the versions in the lock files again, one for each Python and Salt
	@for each in $(LOCKS); do \
	  lock=requirements/python$$each.lock; \
	  { echo '# Made by `make lock` from dev.in and override.in; do not edit.'; \
	    echo "salt==$${each#*/}" | $(VENV)/bin/uv pip compile -q --upgrade --python-version $${each%/*} --no-annotate \
	      --no-header --generate-hashes --override requirements/override.in requirements/dev.in -; } > $$lock.new \
	    && mv $$lock.new $$lock || exit 1; \
	done

lint: setup ## ruff, salt-lint and yamllint; whether the long tests can be loaded
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	@# 205 asks for the name *.sls, and so for another name of every *.jinja.
	find gluster_one lab tests docs -name '*.sls' -o -name '*.jinja' 2>/dev/null | xargs -r $(VENV)/bin/salt-lint -x 205
	$(VENV)/bin/yamllint -s -d '$(YAML_RULES)' $(YAML_FILES)
	@# What only the long suite imports, ruff does not look at.
	@said=$$($(PYTEST) tests/long --collect-only -q 2>&1) || { echo "$$said" | tail -n 20; exit 1; }

format: setup ## ruff's format for Python files, the modules' checksums, docs/commands.md, docs/findings.md
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .
	$(PY) -m lab.stamp
	$(PY) -m lab.commands
	$(PY) -m lab.findings

# Most wait for a real glusterd most of the time, which costs no processor: they run beside each other, and those that
# wait for nothing give way to them. What each has to say comes when it has ended.
test: setup ## unit, functional and fleet tests, the main job on bare hosts of Debian 13 too, in 10 minutes; ARGS are pytest's
	@$(MAKE) --no-print-directory --keep-going --output-sync=target --jobs \
	  fleet functional-1 functional-2 first-run-trixie unit opennebula

unit: setup ## the tests of pure logic
	nice $(PYTEST) tests/unit $(ARGS)

opennebula: setup ## the datastore state and OpenNebula's modules against the stand-in for oned
	nice $(PYTEST) tests/opennebula $(ARGS)

functional: setup ## each module and state against a real glusterd and the stand-in for oned
	$(PY) tests/functional/run.py $(ARGS)

functional-1 functional-2: setup
	$(PY) tests/functional/run.py --part $(@:functional-%=%)/2 $(ARGS)

# A replacement is first-run-trixie's, which has the time.
fleet: setup ## the main job on the lab's master and minions
	$(PYTEST) tests/fleet --ignore=tests/fleet/test_replace.py $(ARGS)

# From hosts without Gluster, and a replacement on what has come of that. The first test waits until the tree of that
# release is made, which takes minutes beside the other suites.
first-run-trixie: setup
	LAB_RELEASE=trixie LAB_BARE=1 $(PYTEST) --timeout=700 tests/fleet/test_first_run.py tests/fleet/test_replace.py $(ARGS)

test-long: setup ## what takes hours: faults, kills, quorum, all else on a fleet, other Salts and releases; ARGS are pytest's
	@status=0; $(PYTEST) tests/long $(ARGS) || status=1; \
	  $(if $(filter .venv,$(VENV)),$(MAKE) --no-print-directory othersalts || status=1;) \
	  $(if $(RELEASE),,$(MAKE) --no-print-directory otherreleases || status=1;) exit $$status

faults: setup ## break a fleet in many ways, with beacons and reactor on
	$(PYTEST) tests/long/faults/test_faults.py $(ARGS)

othersalts: ## the unit, the functional and the fleet tests on each Salt but the newest
	@status=0; for salt in $(filter-out $(firstword $(SALTS)),$(SALTS)); do \
	  $(MAKE) --no-print-directory --keep-going SALT=$$salt unit functional fleet || status=1; done; exit $$status

otherreleases: setup ## the fleet tests, faults, replacing and leaving on Debian 13, the fleet tests on 14; each one alone
	@status=0; for each in $(foreach suite,fleet long/faults/test_faults.py long/test_replace.py long/test_leave.py, \
	  trixie:$(suite)) forky:fleet; do \
	  LAB_RELEASE=$${each%%:*} $(PYTEST) tests/$${each#*:} || status=1; done; exit $$status

demo: setup ## the main job on a fresh lab, explained; KEEP=1 keeps the lab
	@KEEP=$(KEEP) $(PY) lab/demo.py

bench: setup ## what a run costs, against five test.nop and against Ansible; PAIRS=10
	@PAIRS=$(PAIRS) $(PY) lab/bench.py
