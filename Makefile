# Two commands do everything on a fresh machine with Python 3.11+ and make:
#   make demo   sets up and runs the tiny grid (no GPU, no network beyond the package registry)
#   make test   sets up and passes all checks and tests
NEW_ENOUGH := -c "import sys; sys.exit(sys.version_info < (3, 11))"
PYTHON ?= $(shell for one in python3 python3.13 python3.12 python3.11; do \
  $$one $(NEW_ENOUGH) 2>/dev/null && echo $$one && break; done)
PYTHON := $(PYTHON)
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Where PyTorch comes from; https://pytorch.org/get-started/locally lists the indexes.
TORCH_INDEX ?=
# Tests often wait for engines and terminals: one process more than cores keeps the cores busy. It
# runs those of the runners, so that it alone imports torch (5 s and a gigabyte in each).
# Files keep their order: xdist would leave those of few, long tests for the end.
TESTERS ?= $(shell $(PYTHON) -c "import os; print(os.cpu_count())")
OF_RUNNERS := tests/runners tests/runners_fast

UV := $(shell command -v uv 2>/dev/null)
INSTALLER := $(if $(UV),uv,pip)
ifneq ($(UV),)
MAKE_VENV := $(UV) venv --quiet --seed --allow-existing --python $(PYTHON) $(VENV)
INSTALL := $(UV) pip install --quiet --python $(BIN)/python --constraint constraints.txt
else
MAKE_VENV := $(PYTHON) -m venv $(VENV)
INSTALL := $(BIN)/python -m pip install --quiet --no-compile --retries 2 --constraint constraints.txt
endif
# Of an index that does not answer, pip and uv write a page: it goes to a file.
LOG := $(VENV)/setup.log
OR_SAY := >$(LOG) 2>&1 || { if grep -qiE "connection|connect error|dns error|timed out" $(LOG); \
  then echo "A package index cannot be reached: check the network, HTTPS_PROXY and TORCH_INDEX," \
    "then give the same command again ($(LOG) has the details)."; \
  else tail -n 4 $(LOG); echo "Setting up failed; all of it is in $(LOG)."; fi; exit 1; } >&2

.PHONY: demo demo-headless test check docs format setup generated film bench bench-peers trial agreement simulate test-slurm test-ray test-peers packages clean

setup: $(STAMP)

# Compiled on all cores here: each runner process would otherwise compile torch and transformers
# anew (11 s) wherever PYTHONDONTWRITEBYTECODE is set. Files of other Python versions do not compile.
$(STAMP): pyproject.toml constraints.txt
	@$(or $(PYTHON),false) $(NEW_ENOUGH) 2>/dev/null || { echo "tuilab needs Python 3.11 or newer," \
	  "and $(or $(PYTHON),what is on the PATH) is not: install one, or name it:" \
	  "make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; exit 1; }
	@mkdir -p $(VENV)
ifeq ($(TORCH_INDEX)$(shell uname -s),Linux)
	@echo "PyTorch's usual build for Linux includes CUDA: up to 2.7 GB to download, once."
	@echo "Without a GPU, 0.2 GB are enough: make $(MAKECMDGOALS) TORCH_INDEX=https://download.pytorch.org/whl/cpu"
endif
	@echo "Setting up $(VENV) with $(INSTALLER): a minute or two, and the download."
	@$(MAKE_VENV) $(OR_SAY)
	@$(INSTALL) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "torch==2.13.0" $(OR_SAY)
	@$(INSTALL) --editable ".[train,dev]" $(OR_SAY)
	@$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib tuilab runners || true
	@touch $(STAMP)

demo: setup
	$(BIN)/tuilab demo

demo-headless: setup
	$(BIN)/tuilab demo --headless

test: check
	@$(BIN)/python -m pytest $(OF_RUNNERS) >$(VENV)/runners.log 2>&1 & \
	$(BIN)/python -m pytest --numprocesses $(TESTERS) --dist loadfile --no-loadscope-reorder \
	  $(OF_RUNNERS:%=--ignore=%); others=$$?; \
	wait $$!; runners=$$?; cat $(VENV)/runners.log; exit $$((runners + others))

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

generated: setup
	$(BIN)/python -m tests.docs.generated

film: setup
	$(BIN)/python -m tests.tui.film

bench: setup
	$(BIN)/python -m tests.bench

# Against the peers that are installed in the environment: TRL, Liger (on a GPU), PEFT.
bench-peers: setup
	$(BIN)/python -m runners.bench --peers $(ARGS)

trial: setup
	$(BIN)/python -m pytest -m trial --numprocesses auto --dist worksteal
	$(BIN)/python -m tests.trial

# Needs the package registry; FULL=1 also runs the demo from the wheel.
packages: setup
	$(BIN)/python -m tests.packages $(if $(FULL),--full)

# Installs Slurm (Debian) where it is missing; needs root. FULL=1 also runs real runners on it.
test-slurm: setup
	tests/slurm/run.sh $(CURDIR)/$(BIN)/python $(if $(FULL),-m "trial or not trial")

# Installs Ray (400 MB) into an environment of its own where it is missing.
test-ray: setup
	tests/ray/run.sh $(CURDIR)/$(BIN)/python $(CURDIR)/$(VENV)/ray

# Inspect AI takes an older fsspec than constraints.txt, so it goes into an environment beside ours.
PEERS := $(VENV)/peers
test-peers: setup
	$(PYTHON) -m venv $(PEERS)
	$(BIN)/python -c "import site; print(site.getsitepackages()[0])" \
	  > $$($(PEERS)/bin/python -c "import site; print(site.getsitepackages()[0])")/ours.pth
	$(PEERS)/bin/python -m pip install --quiet "lm_eval==0.4.13" "inspect_ai==0.3.285"
	$(PEERS)/bin/python -m pytest -p no:cacheprovider tests/peers

agreement: setup
	$(BIN)/python -m tests.agreement

simulate: setup
	$(BIN)/python -m tests.simulate

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache build dist
