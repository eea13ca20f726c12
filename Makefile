# Everything runs from .venv, which the first target that needs it makes; Python 3.11 or later is all there must be.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
# For pytest: more processes than cores, since most tests wait for others. E.g. make test PYTEST_ARGS="-x tests/model".
PYTEST_ARGS ?= -n 4 --dist worksteal
PYTHONS := $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11

.DEFAULT_GOAL := help
.PHONY: help demo test check format lint types layers spelling docs fix bench soak coverage clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.package ## count what is in Python's standard library, as jobs
	@$(BIN)/jobyard demo

test: $(VENV)/.dev ## run the tests (under 5 minutes on two cores)
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

check: format lint types layers spelling docs ## all that is not a test: style, types, layers, spelling, docs

format: $(VENV)/.dev
	@$(BIN)/ruff format --check .

lint: $(VENV)/.dev
	@$(BIN)/ruff check .

types: $(VENV)/.dev
	@$(BIN)/mypy

layers: $(VENV)/.dev
	@$(BIN)/lint-imports

spelling: $(VENV)/.dev
	@$(BIN)/codespell

docs: $(VENV)/.dev ## build the documentation into docs/_build; a warning is an error
	@$(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_build

fix: $(VENV)/.dev ## format, mend what can be mended, draw the generated pages anew
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(BIN)/python docs/draw_states.py
	@$(BIN)/python docs/draw_guide.py

bench: $(VENV)/.dev ## measure, beside the peers, into bench/RESULTS.md
	@$(BIN)/python -m bench

soak: $(VENV)/.dev ## run the long and heavy variants of the fault tests
	@$(BIN)/python -m pytest -m soak

coverage: $(VENV)/.dev ## run the tests and report which branches they take
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

clean: ## remove all that make has made, .venv included
	rm -rf $(VENV) build dist docs/_build .coverage .coverage.* .hypothesis .import_linter_cache \
	  .mypy_cache .pytest_cache .ruff_cache
	find src tests bench examples docs -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.made:
	@found=; bare=; \
	for name in $(PYTHONS); do \
	  $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	  if $$name -c 'import ensurepip, venv' 2>/dev/null; then found=$$name; break; fi; \
	  bare=$${bare:-$$name}; \
	done; \
	if [ -z "$$found" ] && [ -n "$$bare" ]; then \
	  echo "$$bare lacks the modules venv and ensurepip. On Debian and Ubuntu they come with: apt install python3-venv" >&2; \
	  exit 1; \
	elif [ -z "$$found" ]; then \
	  echo "jobyard needs Python 3.11 or later. On Debian and Ubuntu: apt install python3 python3-venv" >&2; \
	  echo "One that is not on the PATH: make PYTHON=/path/to/python3" >&2; \
	  exit 1; \
	fi; \
	echo "making $(VENV) with $$found ..."; \
	$$found -m venv $(VENV)
	@$(PIP) install --upgrade 'pip>=25.1'
	@touch $@

$(VENV)/.package: pyproject.toml | $(VENV)/.made
	@echo "installing jobyard into $(VENV) ..."
	@$(PIP) install --editable '.[postgres,web]'
	@touch $@

$(VENV)/.dev: $(VENV)/.package
	@echo "installing the tools for tests, checks, docs and benchmarks ..."
	@$(PIP) install --group dev
	@touch $@
