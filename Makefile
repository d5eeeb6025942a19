# Each target is complete in itself: it makes or refreshes .venv first, where it needs one.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
            $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
JOBS ?= 2
ARGS ?=
BIN := $(VENV)/bin
STAMP := $(VENV)/installed-for

# A virtual environment holds absolute paths: one that was moved, or whose Python went, is made anew.
HEALTHY := $(shell test "$$(cat $(STAMP) 2>/dev/null)" = "$(CURDIR)" && $(BIN)/python -c 'import fulmen' 2>/dev/null && echo yes)
ifneq ($(HEALTHY),yes)
.PHONY: $(STAMP)
endif

.DEFAULT_GOAL := help
.PHONY: help venv demo test lint types imports docs package check format clean

help:  ## List what can be made
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{printf "%-16s %s\n", $$1, $$2}'

venv: $(STAMP)  ## Make .venv with all that development needs; quick when nothing changed

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "fulmen needs Python 3.11 or newer: install it, or say make PYTHON=/path/to/python" >&2; exit 2; }
	@echo "Installing fulmen and what it needs into $(VENV) (some minutes the first time) ..."
	@$(if $(HEALTHY),,$(PYTHON) -m venv --clear $(VENV))
	@$(BIN)/python -m pip install -qq -c constraints.txt -e '.[dev]'
	@printf '%s' '$(CURDIR)' > $@

demo: venv  ## Tell the story of the project on real data, one word of YAML at a time
	@$(BIN)/python demo/run.py $(ARGS)

test: venv  ## Run the test suite (ARGS="-k wot" to choose, JOBS=4 for more processes)
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

lint: venv  ## Check style and formatting
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

types: venv  ## Check types
	@$(BIN)/mypy

imports: venv  ## Check who imports whom
	@$(BIN)/lint-imports

docs: venv  ## Build the site into docs/_build/html, warnings being errors
	@$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html

package: venv  ## Build dist/*.tar.gz and dist/*.whl, and show that both install
	@rm -rf dist
	@$(BIN)/python -m build --no-isolation --outdir dist . > /dev/null
	@$(BIN)/python -m pytest -q tests/test_package.py

check: lint types imports docs package test  ## All of the above, in the order of their speed

format: venv  ## Mend style and formatting
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

clean:  ## Remove what was built, .venv too
	@rm -rf $(VENV) build dist docs/_build .demo .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
