# Every target sets the project up first if it has to. `make` lists them.
PYTHON ?= python3
CONFIG ?=
HOST ?= 127.0.0.1
PORT ?= 8000
WORKERS ?= 2
PYTEST ?=
ONNXRUNTIME_NODE := 1.30.0
SPREAD := --dist loadgroup --no-loadscope-reorder
BIN := .venv/bin
READY := .venv/.ready
QUIET := MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true PREFECT_SERVER_ANALYTICS_ENABLED=false
export PYTHONPATH :=

.DEFAULT_GOAL := help
.PHONY: help setup run test test-all test-nightly serve serve-lean check-lean deploy ui check audit format bench lock clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(READY)  ## .venv from the hashed lock, and the project itself

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if (3, 11) <= v < (3, 14) else f"Python 3.11, 3.12 or 3.13 is needed, {v.major}.{v.minor} was found; name one with PYTHON=python3.12.")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python's venv module is missing; on Debian: apt-get install python3-venv"; exit 1; }
	@echo "Setting up .venv from requirements.lock ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > .venv/uv.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r .venv/uv.txt
	@VIRTUAL_ENV=.venv $(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes requirements.lock
	@VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $(READY)

run: $(READY)  ## train, gate, promote, signal: CONFIG=configs/demo.yaml unless given
	@$(QUIET) $(BIN)/mm run --config $(or $(CONFIG),configs/demo.yaml)

serve: $(READY)  ## the API on HOST:PORT
	@exec env $(QUIET) $(if $(CONFIG),MM_CONFIG=$(CONFIG)) HOST=$(HOST) PORT=$(PORT) $(BIN)/python -m api

serve-lean: .venv-serve/.ready  ## the API from an environment of its own, without the training libraries
	@exec env $(QUIET) PYTHONPATH=src HOST=$(HOST) PORT=$(PORT) .venv-serve/bin/python -m api

check-lean: .venv-serve/.ready  ## the server's tests against that environment
	@$(QUIET) MM_SERVER_PYTHON=$(abspath .venv-serve/bin/python) $(BIN)/python -m pytest -n $(WORKERS) -m "not nightly" tests/api/test_light.py tests/api/test_rough_clients.py tests/api/test_hot_swap.py

.venv-serve/.ready: $(READY) requirements-serve.lock
	@echo "Setting up .venv-serve from requirements-serve.lock ..."
	@test -x .venv-serve/bin/python || $(BIN)/python -m venv --without-pip .venv-serve
	@VIRTUAL_ENV=.venv-serve $(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes requirements-serve.lock
	@touch .venv-serve/.ready

deploy: $(READY)  ## a Prefect server if none answers, work pool, all deployments, one worker
	@$(QUIET) $(if $(CONFIG),MM_CONFIG=$(CONFIG)) $(BIN)/python -m flows.deploy

ui: $(READY)  ## MLflow UI on :5000 and Prefect UI on :4200 over the same stores
	@echo "MLflow  http://127.0.0.1:5000"; echo "Prefect http://127.0.0.1:4200"
	@trap 'kill 0' EXIT; $(QUIET) $(BIN)/python -m flows.deploy --server-only & \
	$(QUIET) $(BIN)/mlflow server --backend-store-uri sqlite:///$(abspath $(or $(MM_HOME),.))/mlruns/mlflow.db --host 127.0.0.1 --port 5000

.venv/node/.ready: $(READY)
	@command -v npm > /dev/null || echo "npm is not here: the JavaScript client of docs/serving.md will not be tried; on Debian: apt-get install npm"
	@! command -v npm > /dev/null || npm install --prefix .venv/node --ignore-scripts --no-package-lock --no-audit --no-fund --silent onnxruntime-node@$(ONNXRUNTIME_NODE)
	@mkdir -p .venv/node && touch .venv/node/.ready

test: $(READY)  ## the fast suite: offline, in parallel
	@$(QUIET) $(BIN)/python -m pytest -n $(WORKERS) $(SPREAD) -m "not long and not nightly" $(PYTEST)

test-all: $(READY) .venv/node/.ready  ## that and the long ones; PYTEST=--durations=40 tells where the time goes
	@$(QUIET) $(BIN)/python -m pytest -n $(WORKERS) $(SPREAD) -m "not nightly" $(PYTEST)

test-nightly: $(READY)  ## all seeds, a whole month, 7,500 cases of the API, soaks, vectorbt
	@$(QUIET) $(BIN)/python -m pytest -n $(WORKERS) $(SPREAD) -m nightly $(PYTEST)

check: $(READY)  ## format, lint, types, the contracts between rooms, the measures of the house
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-cache > .venv/imports.txt || { cat .venv/imports.txt; exit 1; }
	@$(BIN)/python -m benchmarks.house

audit: $(READY)  ## the leak suite over the configured pipeline
	@$(QUIET) $(BIN)/mm audit --config $(or $(CONFIG),configs/demo.yaml)

format: $(READY)  ## let ruff put the files in order
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

bench: $(READY)  ## the benchmark tables (after a run)
	@$(QUIET) $(BIN)/python -m benchmarks.serving
	@$(QUIET) $(BIN)/python -m benchmarks.features
	@$(QUIET) $(BIN)/python -m benchmarks.batch
	@$(QUIET) $(BIN)/python -m benchmarks.backtest

lock: $(READY)  ## requirements.lock from requirements.in
	@$(BIN)/uv pip compile requirements.in --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet -o requirements.lock
	@$(BIN)/uv pip compile requirements-serve.in -c requirements.lock --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet -o requirements-serve.lock

clean:  ## remove what running and testing made; data/ and mlruns/ stay
	@rm -rf .pytest_cache .ruff_cache .mypy_cache .hypothesis .schemathesis
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
