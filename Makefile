# Every target makes the environment that it needs, once, in .venv: with uv where present, else with the standard library.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)
SECONDS ?= 180
REPORT ?= demo-report.json
SEEDS ?= 5000

# pip prints nothing while it works: say what is being done. A lock file's hashes are the only thing trusted.
define install
	@echo "environment: installing $(1) into $(VENV) (once; about a minute)"
	@if [ -n "$(UV)" ]; then $(UV) pip install -q --python $(BIN)/python --require-hashes -r $(1); \
	 else $(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r $(1); fi
	@if [ -n "$(UV)" ]; then $(UV) pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .; \
	 else $(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .; fi
	@touch $@
endef

.PHONY: help env demo test soak lint bench clean lock documents

help:  ## Show the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] < (3, 14) else \
	  "expected Python 3.11, 3.12 or 3.13 as $(PYTHON), got " + sys.version.split()[0] + "; set PYTHON=")'
	@if [ -n "$(UV)" ]; then $(UV) venv -q --python $(PYTHON) $(VENV); else $(PYTHON) -m venv $(VENV); fi

$(VENV)/.runtime: requirements.lock pyproject.toml | $(BIN)/python
	$(call install,requirements.lock)

$(VENV)/.test: requirements-test.lock pyproject.toml | $(BIN)/python
	$(call install,requirements-test.lock)
	@touch $(VENV)/.runtime

$(VENV)/.bench: requirements-bench.lock pyproject.toml | $(BIN)/python
	$(call install,requirements-bench.lock)
	@touch $(VENV)/.runtime $(VENV)/.test

env: $(VENV)/.runtime  ## Make the environment that the product needs

demo: $(VENV)/.runtime  ## Live services fail and the loop repairs them (SECONDS=180 REPORT=demo-report.json)
	@exec $(BIN)/flyball demo --seconds $(SECONDS) --report $(REPORT)

lint: $(VENV)/.test  ## Style, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint  ## Everything that must hold, on a real Kafka
	@$(BIN)/python -m pytest --collect-only -q > $(VENV)/collected || { tail -n 30 $(VENV)/collected; exit 1; }
	$(BIN)/python -m pytest -m "not kafka and not soak" -n 2 --dist worksteal
	$(BIN)/python -m pytest -m "kafka and not soak" -n 2 --dist loadfile

soak: $(VENV)/.test  ## The long versions of the same tests (hours)
	$(BIN)/python -m pytest -m soak
	FLYBALL_EXAMPLES=20000 $(BIN)/python -m pytest tests/loop/test_gate_machine.py tests/loop/test_level_machine.py \
		tests/loop/test_gate_fresh.py
	$(BIN)/python -m tests.simulation.run --seeds $(SEEDS)

bench: $(VENV)/.bench  ## The benchmarks that need no outside data, beside peers and baselines
	$(BIN)/python -m tests.bench.transport
	$(BIN)/python -m tests.bench.detect_speed
	$(BIN)/python -m tests.bench.latency
	$(BIN)/python -m tests.bench.gate_speed
	$(BIN)/python -m tests.bench.fleet
	$(BIN)/python -m tests.bench.decide_speed
	$(BIN)/python -m tests.bench.drift --seeds 4 --workers 2
	$(BIN)/python -m tests.bench.gone_wrong --seeds 2 --workers 2
	$(BIN)/python -m tests.bench.density --seeds 2 --workers 2
	$(BIN)/python -m tests.bench.early --seeds 5
	$(BIN)/python -m tests.bench.values --seeds 4
	$(BIN)/python -m tests.bench.ope
	$(BIN)/python -m tests.bench.alarms --stated 200 --workers 2
	$(BIN)/python -m tests.bench.patterns --seeds 4 --workers 2

documents: $(VENV)/.test  ## Write the generated documents anew (JSON Schema, AsyncAPI, access control, checks of the gate)
	$(BIN)/python -m schemas.documents
	$(BIN)/python -m connectors.kafka.access_files fleet deploy/access
	$(BIN)/python -m streams.operate.gate_document deploy/gate.md

lock:  ## Pin every dependency with hashes (needs uv)
	uv pip compile pyproject.toml --group build --group test --group lint --group bench --generate-hashes --universal \
	  --python-version 3.11 --no-annotate --custom-compile-command "make lock" -q -o requirements-bench.lock
	uv pip compile pyproject.toml --group build --group test --group lint -c requirements-bench.lock --generate-hashes \
	  --universal --python-version 3.11 --no-annotate --custom-compile-command "make lock" -q -o requirements-test.lock
	uv pip compile pyproject.toml --group build -c requirements-bench.lock --generate-hashes --universal \
	  --python-version 3.11 --no-annotate --custom-compile-command "make lock" -q -o requirements.lock

clean:  ## Remove the environment and everything made by running
	rm -rf $(VENV) .cache dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage var
