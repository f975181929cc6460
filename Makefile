# What people type. Everything runs in .venv, which is made from requirements.lock on first use.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: help install bench bench-quick report test lint format lock clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(INSTALLED) ## Make the virtual environment .venv

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "expected Python 3.11 or later, found $$($(PYTHON) --version); name another one: make PYTHON=python3.12" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes --no-deps -r requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

bench: install ## Compare four servers over HTTP/1.1, HTTP/2 and WebSocket (about 5 minutes)
	$(BIN)/harness run --duration 1500ms

bench-quick: install ## The same in under a minute, for a first look
	$(BIN)/harness run --rounds 2 --scenarios plaintext,ws_echo --warmup 200ms --duration 500ms

report: install ## Draw the latest run again from its files
	$(BIN)/harness report results/latest

test: install ## Run all tests
	$(BIN)/python -m pytest

lint: install ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: install ## Pin the newest versions that pyproject.toml allows
	$(BIN)/pip-compile --quiet --upgrade --generate-hashes --strip-extras --allow-unsafe --extra servers --extra dev \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options --no-header \
		--output-file requirements.lock pyproject.toml

clean: ## Remove what was made, but the results
	rm -rf $(VENV) dist build .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
