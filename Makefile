# Everything a reader of this repository runs. `make help` lists the targets.
#
# PYTHON=... names the Python 3.11 that the environments are made with.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3.11
BIN := .venv/bin
NODE_BIN := .venv-node/bin
NODE_LOCK := node-py311-$(shell uname -m).lock

# Without .pyc files the set-up takes 44 s instead of 66 s (two cores); Python writes those it needs on first use.
INSTALL := install -qq --no-compile --require-hashes
INSTALL_OWN := install -qq --no-compile --no-build-isolation --no-deps
PACKAGES := device/src trainer/src tools/src

define make_venv
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2> /dev/null || \
	    { echo "setup: $(PYTHON) is not a Python 3.11, which TensorFlow 2.15 needs: install it, or make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "setup: making $(1)"
	@$(PYTHON) -m venv --clear $(1)
endef

# Byte code of what the node's commands import, which Python does not keep where PYTHONDONTWRITEBYTECODE is set: without
# it each start takes 0.75 s instead of 0.35.
define compile_imports
	@env -u PYTHONDONTWRITEBYTECODE $(1)/python -c \
	    'import ai_edge_litert.interpreter, pedalboard.io, scipy.fft, sonyc_device.assembly, soundfile, soxr'
endef

.PHONY: help setup openl3 demo system-packages test test-all test-slow test-faults test-faults-long test-arm soak bench bench-trainer bench-level bench-classify bench-recogniser check lock schemas clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: .venv/.dev .venv-node/.own ## make .venv (everything) and .venv-node (as on a node: NumPy 2, no TensorFlow)
	@echo "setup: .venv and .venv-node are ready"

openl3: .venv/.openl3 ## install openl3: with its weights where GitHub can be reached (WEIGHTS=no: without)

demo: .venv/.own ## run the whole chain on synthetic scenes; only needs Python 3.11; under six minutes
	@$(BIN)/sonyc-tools demo

system-packages: ## install the Debian packages that the tests use, or print the command
	@tools/install-system-packages.sh

test: setup system-packages ## set up and run the fast tests, under 15 minutes
	@tools/run-tests.sh fast

test-slow: setup openl3 system-packages ## only what `make test-all` adds to `make test`
	@tools/run-tests.sh slow

test-all: setup openl3 system-packages ## the fast tests and the slow ones, under 30 minutes
	@tools/run-tests.sh fast slow

test-faults: setup system-packages ## the fault suite in its short form, some five minutes; part of make test-all
	@$(BIN)/python -m pytest --durations=5 tests/faults < /dev/null

test-faults-long: setup system-packages ## the fault suite with all its figures: 200 kills, a day's memory; an hour
	@SONYC_FAULTS=long $(BIN)/python -m pytest --durations=20 tests/faults < /dev/null

test-arm: .venv/.dev .arm/.made ## the agent on the node's aarch64 wheels under qemu: function, not speed; some two minutes
	@tools/run-tests.sh arm

soak: setup system-packages ## run the agent at real time and measure it: make soak MINUTES=30 (LEVELS=yes: with sound levels)
	@PYTHONPATH=tests $(BIN)/python tests/soak/soak.py --minutes $(or $(MINUTES),30) $(if $(LEVELS),--levels)

bench: .venv/.own ## what levels, bundles and runtimes cost on this machine; under five minutes: make bench ARGS="--paste"
	@$(BIN)/sonyc-tools bench $(ARGS)

bench-trainer: setup openl3 ## clips per second of every stage, and OpenL3 against its own package: make bench-trainer CLIPS=60
	@PYTHONPATH=tests $(BIN)/python tests/bench/bench_trainer.py --clips $(or $(CLIPS),60)

bench-level: setup ## what sound levels cost in processor time and memory: make bench-level SECONDS=60
	@PYTHONPATH=tests $(BIN)/python tests/bench/bench_level.py --seconds $(or $(SECONDS),60)

bench-classify: setup ## how many times real time `sonyc-device classify` is, whole commands on one core: make bench-classify CLIPS=60
	@PYTHONPATH=tests $(BIN)/python tests/bench/bench_classify.py --clips $(or $(CLIPS),60)

bench-recogniser: setup ## where each microsecond of the recogniser goes: make bench-recogniser MODEL=FILE
	@PYTHONPATH=tests $(BIN)/python tests/bench/bench_recogniser.py $(if $(MODEL),--model $(MODEL))

check: .venv/.dev ## format, lint and types, under two minutes
	@$(BIN)/ruff format --check --quiet . || { echo "not formatted: $(BIN)/ruff format ."; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary $(PACKAGES) tests
	@echo "check: format, lint and types are clean"

lock: ## resolve the lock files anew, keeping the versions they have (UPGRADE=1: the newest)
	@PYTHON=$(PYTHON) tools/lock-requirements.sh

schemas: .venv/.own ## write the JSON Schemas of messages and of the node's configuration, and the reference of a study's keys to docs/study.md
	@mkdir -p docs/schemas
	@$(BIN)/python -m sonyc_contract.schemas docs/schemas
	@$(BIN)/python -m sonyc_device.config_schema firmware_config/node.schema.json
	@$(BIN)/python -m sonyc_trainer.study.reference docs/study.md

clean: ## remove all environments and caches; what studies wrote to out/ stays
	@rm -rf .venv .venv-node .arm .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@rm -rf {device,trainer,tools}/{build,dist} {device,trainer,tools}/src/*.egg-info
	@find device trainer tools tests -name __pycache__ -prune -exec rm -rf {} +

# The stamps below say what an environment holds. A lock file that is newer makes its environment anew.

.venv/.trainer: trainer-py311.lock
	$(call make_venv,.venv)
	@echo "setup: installing $$(grep -c == $<) packages into .venv (700 MB to fetch)"
	@$(BIN)/python -m pip $(INSTALL) --only-binary :all: -r $<
	@touch $@

.venv/.own: .venv/.trainer device/pyproject.toml trainer/pyproject.toml tools/pyproject.toml
	@echo "setup: installing sonyc-device, sonyc-trainer and sonyc-tools into .venv"
	@$(BIN)/python -m pip $(INSTALL_OWN) -e device -e trainer -e tools
	$(call compile_imports,$(BIN))
	@touch $@

.venv/.dev: .venv/.own dev-py311.lock
	@echo "setup: installing what tests and checks need into .venv (100 MB to fetch)"
	@$(BIN)/python -m pip $(INSTALL) --no-build-isolation -r dev-py311.lock
	@touch $@

.venv/.openl3: .venv/.dev openl3-py311.lock tools/install-openl3.sh
	@tools/install-openl3.sh
	@touch $@

.venv-node/.locked: $(NODE_LOCK) node-test-py311.lock
	$(call make_venv,.venv-node)
	@echo "setup: installing $$(grep -c == $<) packages into .venv-node (100 MB to fetch)"
	@$(NODE_BIN)/python -m pip $(INSTALL) --only-binary :all: $(^:%=-r %)
	@touch $@

# After .venv's own packages: both write the same egg-info.
.venv-node/.own: .venv-node/.locked device/pyproject.toml | .venv/.own
	@$(NODE_BIN)/python -m pip $(INSTALL_OWN) -e device
	$(call compile_imports,$(NODE_BIN))
	@touch $@

.arm/.made: node-py311-aarch64.lock arm-tflite-py311.lock tools/arm-root.sh | .venv/.dev system-packages
	@PYTHON=$(BIN)/python tools/arm-root.sh .arm
	@touch $@
