# Two commands do everything on a fresh machine with Python 3.11+ and make:
#   make demo   sets up and runs the tiny grid (no GPU, no network beyond the package registry)
#   make test   sets up and passes all checks and tests
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo demo-headless test check docs format setup picture film bench trial agreement simulate test-slurm clean

setup: $(STAMP)

# Compiled on all cores here: each runner process would otherwise compile torch and transformers
# anew (11 s) wherever PYTHONDONTWRITEBYTECODE is set. Files of other Python versions do not compile.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt "torch==2.13.0"
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable ".[train,dev]"
	$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib tuilab runners || true
	touch $(STAMP)

demo: setup
	$(BIN)/tuilab demo

demo-headless: setup
	$(BIN)/tuilab demo --headless

test: check
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --site-dir $(VENV)/site

docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve --strict

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

picture: setup
	$(BIN)/python -m tests.tui.readme

film: setup
	$(BIN)/python -m tests.tui.film

bench: setup
	$(BIN)/python -m tests.bench

trial: setup
	$(BIN)/python -m pytest -m trial --numprocesses auto --dist worksteal
	$(BIN)/python -m tests.trial

# Installs Slurm (Debian) where it is missing; needs root.
test-slurm: setup
	tests/slurm/run.sh $(CURDIR)/$(BIN)/python

agreement: setup
	$(BIN)/python -m tests.agreement

simulate: setup
	$(BIN)/python -m tests.simulate

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache build dist
