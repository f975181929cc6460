# Short names for common commands. Everything runs in .venv, which is made from requirements.lock on first use; targets that
# need every server and framework add them from requirements-all.lock.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
ALL_INSTALLED := $(VENV)/.all-installed
DOCS_INSTALLED := $(VENV)/.docs-installed
COMPILE := $(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-annotate \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options --no-header

.PHONY: help install install-all bench bench-quick bench-full check report test test-long test-hosts faults soak fuzz lint format docs lock clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(INSTALLED) ## Make the virtual environment .venv

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "expected Python 3.11 or later, found $$($(PYTHON) --version); choose another one: make PYTHON=python3.12" >&2; exit 2; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --require-hashes --no-deps -r requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
	@echo "Installed. The command is $(BIN)/harness, or harness after: source $(BIN)/activate"

install-all: $(ALL_INSTALLED) ## Add every server and framework of the catalogue to .venv

$(ALL_INSTALLED): requirements-all.lock $(INSTALLED)
	$(BIN)/pip install --quiet --require-hashes --no-deps -r requirements-all.lock
	@touch $@

bench: install ## Compare four servers at 8, 32 and 128 users over HTTP/1.1, HTTP/2 and WebSocket (about 5 minutes)
	$(BIN)/harness run --scenarios plaintext,ws_echo --users 8,32,128 --rounds 7 --duration 600ms

bench-quick: install ## Compare them over HTTP/1.1 and WebSocket in five short rounds (a little over a minute)
	$(BIN)/harness run --scenarios plaintext,ws_echo --protocols h1,ws --warmup 150ms --duration 400ms

bench-full: install-all ## Compare all servers on plaintext, json and echo over HTTP/1.1, 2 and 3 (about 14 minutes)
	$(BIN)/harness run --servers all --scenarios plaintext,json,echo --protocols h1,h2,h3 --rounds 3 --duration 600ms

check: install-all ## Test what each server can do
	$(BIN)/harness check --servers all

report: install ## Make the report of the latest run again
	$(BIN)/harness report results/latest

# Tests wait for servers half of the time, so there are two for each CPU of a small machine.
test: install-all ## Run the tests
	$(BIN)/python -m pytest --numprocesses 4 --dist worksteal

test-long: install-all ## Run the long end-to-end tests
	$(BIN)/python -m pytest -m long --numprocesses 2 --dist load

test-hosts: install-all ## Run the tests with several hosts, which are network namespaces (root, iproute2, openssh-server)
	$(BIN)/python -m pytest -m hosts --numprocesses 2

faults: install-all ## Inject every fault again, and print what happened, was lost, was left behind and was told (PAGE=FILE)
	$(BIN)/python -m pytest -m fault --numprocesses 2 --dist load --fault-table $(if $(PAGE),--fault-page=$(PAGE))

SOAK ?= 30m
soak: install ## Load uvicorn with 500 requests/s over 1,000 connections for half an hour (SOAK=5m), and print the slopes
	$(BIN)/python benchmarks/soak.py --for $(SOAK)

FUZZ_S ?= 60
FUZZ := build/fuzz
fuzz: install-all ## Fuzz each wire parser for FUZZ_S seconds with atheris, which is installed beside .venv
	@test -d $(FUZZ)/atheris || $(BIN)/pip install --quiet --target $(FUZZ) --no-deps 'atheris>=3,<4' || \
		{ echo "expected atheris for $$($(PYTHON) --version), found none; choose another one: make PYTHON=python3.12" >&2; exit 2; }
	for name in http1 http2 http3 websocket; do \
		PYTHONPATH=$(FUZZ):. $(BIN)/python -m tests.fuzz $$name $(FUZZ)/corpus-$$name \
			-max_total_time=$(FUZZ_S) -artifact_prefix=$(FUZZ)/ -timeout=20 -rss_limit_mb=1024 || exit 1; \
	done

lint: install-all ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(DOCS_INSTALLED): requirements-docs.lock $(INSTALLED)
	$(BIN)/pip install --quiet --require-hashes --no-deps -r requirements-docs.lock
	@touch $@

docs: $(DOCS_INSTALLED) ## Write the documentation as a site into build/docs, and check its links
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

UPGRADE ?= --upgrade
lock: install ## Pin the newest versions that pyproject.toml allows (UPGRADE= keeps the present ones)
	$(COMPILE) $(UPGRADE) --extra servers --extra dev --output-file requirements.lock pyproject.toml
	$(COMPILE) $(UPGRADE) --extra servers --extra more-servers --extra frameworks --extra dev \
		--constraint requirements.lock --output-file requirements-all.lock pyproject.toml
	$(COMPILE) $(UPGRADE) --extra docs --constraint requirements-all.lock --output-file requirements-docs.lock pyproject.toml
	for app in shop notes chat; do \
		$(COMPILE) $(UPGRADE) --output-file tests/apps/$$app/requirements.txt tests/apps/$$app/requirements.in || exit 1; \
	done

clean: ## Remove all that was built, but not the results
	rm -rf $(VENV) dist build .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
