# The commands of this repository: `make help` lists them. Only make and Python 3.11 to 3.13 need be there before.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TORCH := $(shell grep '^torch==' constraints.txt)
INSTALL := $(BIN)/python -m pip --disable-pip-version-check install --constraint constraints.txt
TEST_EXTRAS := dev,openvino,executorch,transformers,ray,postgres,tensorboard,worker
# The extra "timm" goes in without what it depends on: its torchvision would bring the CUDA build of torch. The rest of it
# comes with the other extras, and tests/without_torchvision.py lets timm load beside any build of torch.
WITHOUT_DEPENDENCIES := timm torchvision

.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint format docs clean

help: ## list these commands
	@awk -F ': .*## ' '/^[a-z-]+: .*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/installed ## train a family on the built-in images, search, export, and write a report (about 6 minutes)
	@$(BIN)/supple demo

test: $(VENV)/installed-dev ## run the tests, as many at a time as there are cores
	@$(BIN)/python -m pytest -n auto

test-all: $(VENV)/installed-dev ## run the tests that take minutes too
	@$(BIN)/python -m pytest -n auto -m ""

lint: $(VENV)/installed-dev ## check the format, the code and the types
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy

format: $(VENV)/installed-dev ## format the code, and mend what the linter can mend
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

docs: $(VENV)/installed-docs ## build the documentation into site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "The documentation: site/index.html"

clean: ## remove what these commands made, .venv too; runs/ stays
	rm -rf $(VENV) build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './runs/*' -prune -exec rm -rf {} +

# Each file says that its packages are in; new pins or new dependencies make it out of date. torch goes in first and by
# itself: it is the largest, so its progress is shown, and what depends on it then finds it there.
$(VENV)/installed: constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	    echo "supple needs Python 3.11, 3.12 or 3.13, and $(PYTHON) is: $$($(PYTHON) --version 2>&1)." >&2; \
	    echo "Name another, such as:  make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@echo "1/3 Making the environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@echo "2/3 Installing $(TORCH)"
	@$(INSTALL) $(TORCH)
	@echo "3/3 Installing supple and what it needs"
	@$(INSTALL) -qq --editable .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	@echo "Installing what the tests and the checks need"
	@$(INSTALL) -qq --editable ".[$(TEST_EXTRAS)]"
	@$(INSTALL) -qq --no-deps $(WITHOUT_DEPENDENCIES)
	@touch $@

$(VENV)/installed-docs: $(VENV)/installed
	@echo "Installing what the documentation needs"
	@$(INSTALL) -qq --editable ".[docs]"
	@touch $@
