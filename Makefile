# One name for each chore. Each makes the environment first if it has to:
# nothing is needed beforehand but Python 3.11 or newer, its venv, and make.

PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements/dev.lock
PIP_INSTALL := -m pip install --quiet --quiet --disable-pip-version-check
UV_VERSION := 0.13.9

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help env demo demo-qemu test check bench compare docs generate lock clean

help:  ## show the chores
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

env: $(VENV)/.project  ## make .venv from the lock, with qmpx in it

demo: env  ## the tour of 2010, on the embedded machine (ARGS=--fast)
	@$(BIN)/qmpx tour $(ARGS)

demo-qemu: env  ## a QMP conversation with a real QEMU
	@$(BIN)/qmpx demo --qemu

test: env  ## run the tests, with coverage (ARGS="-k wire")
	@$(BIN)/python -m pytest --cov --numprocesses auto --dist loadfile $(ARGS)

check: env  ## lint, formatting, types, layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: env  ## measure (ARGS are those of python -m benchmarks)
	@$(BIN)/python -m benchmarks $(ARGS)

compare: env  ## hold the stand-in against a real QEMU 7.2 (ARGS="--command NAME")
	@$(BIN)/python -m tools.comparison $(ARGS)

docs: env  ## build the site into site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

generate: env  ## write the bindings and pages that are made from other sources
	@$(BIN)/python tools/generate_bindings.py $(ARGS)
	@$(BIN)/python tools/generate_schemas.py
	@$(BIN)/python tools/schema_differences_page.py
	@$(BIN)/python tools/command_line_page.py
	@$(BIN)/python tools/danger_page.py

lock:  ## pin the environment anew (ARGS=--upgrade for newer versions)
	@$(PYTHON) -m venv --clear build/lock
	@build/lock/bin/python $(PIP_INSTALL) uv==$(UV_VERSION)
	build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 \
		--generate-hashes --custom-compile-command 'make lock' \
		pyproject.toml --group dev --output-file $(LOCK) $(ARGS)

clean:  ## remove everything that was made
	rm -rf $(VENV) build dist site htmlcov .coverage .coverage.* \
		.hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Two stamps: a new lock makes a new environment, so that nothing of the old one
# stays behind; a new pyproject.toml only installs the project again.
$(VENV)/.locked: $(LOCK)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
		"qmpx needs Python 3.11 or newer; this is %s: try make PYTHON=python3.12" \
		% sys.version.split()[0])'
	@echo 'making $(VENV) from $(LOCK): once, a minute or so'
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python $(PIP_INSTALL) --require-hashes --requirement $(LOCK)
	@touch $@

$(VENV)/.project: $(VENV)/.locked pyproject.toml
	@$(BIN)/python $(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@
