# Two commands do everything on a machine with Python 3.11, make and PyPI:
#   make demo   the story of the README on real data (ONCE=1: ends by itself)
#   make test   format, lint, types, and every test
PYTHON  ?= $(shell command -v python3.11 || command -v python3)
WORKERS ?= 2

VENV := .venv
BIN  := $(VENV)/bin
PIP  := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
#: In a checkout the wheel's metadata follows these; the code itself is installed as a link.
INPUTS := pyproject.toml constraints.txt src/cloche/_version.py

.PHONY: demo test check static layers docs docs-reference bench clean
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

help:
	@sed -n '2,3s/^#   //p' Makefile
	@echo 'make check  format, lint, types, layers, and the examples in the docs'
	@echo 'make docs   the pages, in site/'
	@echo 'make bench  the measurements'

demo: $(VENV)/.all
	$(BIN)/cloche demo $(if $(ONCE),--once)

# CI has every model library; on your machine the tests of one that is not installed are skipped.
test: $(VENV)/.dev $(if $(CI),$(VENV)/.frameworks) static
	$(BIN)/python -m pytest -n $(WORKERS) $(PYTEST_ARGS)

check: $(VENV)/.dev static
	$(BIN)/python -m pytest -n $(WORKERS) tests/test_layers.py tests/test_import_is_light.py tests/test_docs.py

static: $(VENV)/.dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/python docs/generate.py --check
	$(BIN)/zensical build --strict >/dev/null

docs: $(VENV)/.docs docs-reference
	$(BIN)/zensical build --strict --clean
	@echo 'site/index.html'

docs-reference: $(VENV)/.all
	$(BIN)/python docs/generate.py

bench: $(VENV)/.all
	$(BIN)/python bench/run.py $(BENCH_ARGS)

clean:
	rm -rf $(VENV) site dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

# A virtual environment whose Python has gone, or is too old, is made again.
ifneq ($(shell $(BIN)/python -c 'import sys; print(sys.version_info >= (3, 11))' 2>/dev/null),True)
.PHONY: $(VENV)/.made
endif

$(VENV)/.made:
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.all: $(VENV)/.made $(INPUTS)
	$(PIP) --editable '.[all]'
	@touch $@

$(VENV)/.dev: $(VENV)/.made $(INPUTS)
	$(PIP) --editable '.[all,dev]'
	@touch $@ $(VENV)/.all

$(VENV)/.frameworks: $(VENV)/.dev
	$(PIP) --editable '.[all,dev,frameworks]'
	@touch $@

$(VENV)/.docs: $(VENV)/.all
	$(PIP) --editable '.[all,docs]'
	@touch $@
