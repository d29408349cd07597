# What a person runs. `make` alone lists the targets.
.DEFAULT_GOAL := help
.PHONY: help setup demo test chaos fuzz lint lock bench bench-table clean

# The first Python from 3.11 on; PYTHON=/path/to/python chooses another.
PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,$(shell \
	$(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))))
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
BENCH_READY := $(VENV)/.bench-ready
# A peer that needs an older pydantic than we do has an environment of its own.
QUIX := $(VENV)/quix
QUIX_READY := $(QUIX)/.ready
# A benchmark is what can write its result; BENCHMARKS="clients features" chooses some.
BENCHMARKS := $(patsubst benchmarks/%.py,%,$(shell grep -l 'argument[^.]"--json"' benchmarks/*.py))
COMPILE := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock"

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Build .venv from the lock, and fetch the local Kafka once.

$(READY): requirements.lock pyproject.toml streams/kafka/kafka_jars.json
	@test -n "$(PYTHON)" || { echo "no Python 3.11 or newer was found; install one, or name it: make PYTHON=/path/to/python" >&2; exit 1; }
	@echo "Setting up .venv: some minutes, and about 6 GB on Linux, most of it what torch brings for NVIDIA GPUs."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	$(BIN)/python -c "from streams.kafka.broker_jars import kafka_jars; from streams.settings import Settings; kafka_jars(Settings().cache_dir)"
	$(BIN)/python -c "from streams.settings import Settings; from streams.worker.warm_up import warm_up; warm_up(Settings())"
	@touch $@

demo: $(READY) ## Run the main job on this machine; DATA=events.jsonl.gz replays a log.
	$(BIN)/freshrank demo $(if $(DATA),--data "$(DATA)")

test: $(READY) ## Run all tests; ARGS="-k lag" chooses some.
	$(BIN)/python -m pytest $(ARGS)

chaos: $(READY) ## Break everything at random under load, and audit; ARGS="--kills 20 --seed 7".
	$(BIN)/python -m tests.chaos $(ARGS)

fuzz: $(READY) ## A million damaged records through the worker; ARGS="--seed 2" for others.
	$(BIN)/python -m tests.fuzz $(ARGS)

lint: $(READY) ## Check style and types.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lock: ## Resolve all locks anew; ARGS=--upgrade takes newer versions.
	rm -rf build/uv
	$(PYTHON) -m venv build/uv
	build/uv/bin/python -m pip install --disable-pip-version-check --quiet uv
	build/uv/bin/uv pip compile pyproject.toml --extra dev $(COMPILE) --output-file requirements.lock --quiet $(ARGS)
	build/uv/bin/uv pip compile pyproject.toml --extra bench $(COMPILE) --constraint requirements.lock \
		--output-file requirements-bench.lock --quiet $(ARGS)
	build/uv/bin/uv pip compile --group quix $(COMPILE) --output-file requirements-quix.lock --quiet $(ARGS)

$(BENCH_READY): $(READY) requirements-bench.lock
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --require-hashes -r requirements-bench.lock
	@touch $@

$(QUIX_READY): $(READY) requirements-quix.lock
	$(PYTHON) -m venv --clear $(QUIX)
	$(QUIX)/bin/python -m pip install --disable-pip-version-check --quiet --require-hashes -r requirements-quix.lock
	@touch $@

bench: $(BENCH_READY) $(QUIX_READY) ## Run the benchmarks and write benchmarks/README.md; BENCHMARKS="clients features" chooses some.
	@mkdir -p build/bench
	@failed=; for name in $(BENCHMARKS); do \
		$(BIN)/python -m benchmarks.$$name --json build/bench/$$name.json || failed="$$failed $$name"; \
	done; $(BIN)/python -m benchmarks.table || failed="$$failed table"; \
	test -z "$$failed" || { echo "failed:$$failed" >&2; exit 1; }

bench-table: $(READY) ## Write benchmarks/README.md from the results in build/bench.
	$(BIN)/python -m benchmarks.table

clean: ## Remove what runs and tools left behind; .venv stays.
	rm -rf .freshrank build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
