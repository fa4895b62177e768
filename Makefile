# SPDX-License-Identifier: GPL-3.0-or-later
# Two commands for a user: make demo, make test. Both install what they need.
SHELL := /bin/bash -o pipefail
# The distribution's own where it is new enough: it is optimised for speed, which one built by hand or by pyenv often is not
PYTHON ?= $(shell /usr/bin/python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null && echo /usr/bin/)python3
BIN := .venv/bin
READY := .venv/.ready
LAB := $(BIN)/python -m lab
SCENARIOS := $(patsubst molecule/%/molecule.yml,%,$(wildcard molecule/*/molecule.yml))
# containers with systemd and a network of their own need root
AS_ROOT := $(if $(filter 0,$(shell id -u)),,sudo --non-interactive)

.PHONY: demo test bench docs lint sanity unit awx hub system sandbox sweep molecule lab-up lab-down
demo: $(READY)
	$(BIN)/python -m lab.demo

# hub waits a third of its time, the others compute: together they take what two cores have. Labs of containers would be too many
# beside that, and the sandbox's must be alone
test: $(READY)
	+$(MAKE) --no-print-directory --jobs=3 --output-sync=line hub lint sanity unit awx
	+$(MAKE) --no-print-directory --jobs=1 system sandbox molecule
	@echo "all tests passed"

bench: $(READY)
	$(AS_ROOT) env PYTHONPATH=playbooks/collections $(BIN)/python -m tests.bench

docs: $(READY)
	$(BIN)/python -m tests.plugin_docs

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/yamllint --strict .
	PATH="$(CURDIR)/$(BIN):$$PATH" ANSIBLE_COLLECTIONS_PATH=playbooks/collections:.venv/collections ANSIBLE_INVENTORY=inventories/example \
	  $(BIN)/ansible-lint --offline
	$(BIN)/antsibull-changelog lint
	$(BIN)/python -m tests.plugin_docs --check

sanity: $(READY)
	$(BIN)/python -m tests.run_sanity

unit: $(READY)
	$(BIN)/python -m pytest tests/unit --numprocesses 2 --dist loadfile

awx: $(READY)
	$(BIN)/python -m pytest tests/awx --numprocesses 2 --dist loadfile

hub: $(READY)
	$(BIN)/python -m pytest tests/hub --numprocesses 2 --dist loadfile

system: $(READY)
	$(AS_ROOT) $(BIN)/python -m pytest tests/system --numprocesses 4 --dist loadfile --no-loadscope-reorder

sandbox: $(READY)
	$(AS_ROOT) $(BIN)/python -m pytest tests/sandbox

sweep: $(READY)
	$(AS_ROOT) env ROOTWAVE_RULESETS=1000 ROOTWAVE_IPTABLES_RULESETS=1000 ROOTWAVE_UFW_RULESETS=200 ROOTWAVE_FIREWALLD_RULESETS=100 $(BIN)/python -m pytest \
	  tests/system/test_rulesets.py tests/system/test_iptables_rules.py tests/system/test_ufw_rules.py tests/system/test_firewalld_rules.py
	$(AS_ROOT) env ROOTWAVE_EVERYWHERE=1 $(BIN)/python -m pytest tests/system --numprocesses 2 --dist loadfile -k allowlist

# three at a time, for two leave a fifth of the machine idle; --workers of molecule itself makes no lab for each
molecule: $(READY)
	+$(MAKE) --no-print-directory --jobs=3 --output-sync=line $(addprefix molecule-,$(SCENARIOS))

molecule-%: $(READY)
	$(AS_ROOT) env PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/molecule test --scenario-name $*

lab-up: $(READY)
	$(LAB) up

lab-down: $(READY)
	$(LAB) down

$(READY): requirements.txt requirements-dev.txt
	$(PYTHON) -m lab setup
	$(PYTHON) -m venv --clear .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	$(BIN)/python -m tests.awx.collection
	touch $@
