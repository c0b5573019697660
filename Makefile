# `make demo` and `make test` need Python 3.11 or newer and nothing else: each makes .venv and installs what it needs.
PYTHON ?= python3
VENV ?= .venv
DEMO ?= demo
BIN = $(VENV)/bin
# The type checker and the import rules find the package through one link: $(VENV)/tree/pneumoseg -> this folder.

.PHONY: install demo test check clean

install: $(VENV)/installed

# pip would compile bytecode on one core. Some packages hold templates that are no Python: that is no failure.
$(VENV)/installed: setup.cfg constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable ".[test]"
	-$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib
	mkdir -p $(VENV)/tree && ln -sfn "$(CURDIR)" $(VENV)/tree/pneumoseg
	touch $@

# Ten generated CTs, five folds, a small network: scores, figures and a report in demo/run.
demo: install
	$(BIN)/pneumoseg phantom -o $(DEMO)/data --cases 10 --shape 128 128 64 --seed 1 --overwrite
	$(BIN)/pneumoseg kfold $(DEMO)/data -o $(DEMO)/run --preset demo --overwrite

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	MYPYPATH=$(VENV)/tree $(BIN)/mypy
	PYTHONPATH=$(VENV)/tree $(BIN)/lint-imports --no-cache

# Bytecode is kept: tests start a hundred processes, each of which would compile the package again.
test: check
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

clean:
	rm -rf $(VENV) $(DEMO)
