# Two commands: `make lab` and `make test`. Each builds .venv first when it has to, works from a fresh clone, and twice in a row.
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=

.PHONY: help lab test test-all bench build data models lint lock venv clean

help:  ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

venv:
	@$(PYTHON) tools/bootstrap.py

lab: venv  ## open JupyterLab on the chapters   (make lab ARGS="--no-browser --port 9999")
	@$(BIN)/mmlearn lab $(ARGS)

test: venv  ## every test, notebooks at the smoke profile
	@$(BIN)/python tools/test.py $(ARGS)

test-all: venv  ## the same, and every notebook at the laptop profile with both tools
	@$(BIN)/python tools/test.py --all $(ARGS)

bench: venv  ## measure and write benchmarks/RESULTS.md
	@$(BIN)/python benchmarks/run.py $(ARGS)

build: venv  ## write chapters/ from solutions/
	@$(BIN)/mmlearn build $(ARGS)

data: venv  ## write data/world and its checksums   (make data ARGS=--check)
	@$(BIN)/python tools/make_world_sample.py $(ARGS)

models: venv  ## train data/models anew, a few minutes   (make models ARGS=--check trains nothing)
	@$(BIN)/python tools/make_models.py $(ARGS)

lint: venv  ## ruff, import-linter, codespell
	@$(BIN)/python -m pytest -q tests/unit/test_lint.py $(ARGS)

lock:  ## write requirements.lock anew, after a change of pyproject.toml's dependencies
	@test -x $(BIN)/uv || { $(PYTHON) -m venv .venv && $(BIN)/python -m pip install --quiet "uv>=0.5"; }
	@$(BIN)/uv pip compile pyproject.toml --all-extras --universal --generate-hashes --no-emit-index-url --no-header -q -o requirements.lock

clean:  ## remove .venv and everything a run leaves behind
	rm -rf .venv .venv-colab mmlearn-runs dist .pytest_cache .hypothesis .ruff_cache .import_linter_cache
