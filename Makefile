# The project's commands; `make` alone lists them. PYTHON names the interpreter that makes .venv (3.11 or newer).
PYTHON ?= python3
PYTEST_ARGS ?=
BENCH_ARGS ?=
RUN_ARGS ?=

BIN := .venv/bin
READY := .venv/.ready
AIOXMPP_READY := .venv-aioxmpp/.ready
S3_READY := .venv-s3/.ready
COMPILE := .venv-lock/bin/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-emit-index-url \
	--no-emit-find-links --no-emit-trusted-host --no-emit-options --annotation-style=line

.PHONY: help setup run test lint format docs sql peers bench lock clean

help: ## list the commands
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

setup: $(READY) ## make .venv from the locked requirements

$(READY): pyproject.toml requirements/dev.lock requirements/install.sh
	@PYTHON="$(PYTHON)" sh requirements/install.sh .venv requirements/dev.lock
	@touch $@

run: $(READY) ## serve localhost with the embedded defaults
	@$(BIN)/xmpp-server $(RUN_ARGS) run

test: $(READY) ## run the whole test suite
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(READY) ## check format, lint and types
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy

format: $(READY) ## put the code into the project's format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: $(READY) ## write the lists of specifications in docs/ from the source
	@$(BIN)/python -m xmpp_server.app.xeps

sql: $(READY) ## compile the store's SQL and migrations
	@$(BIN)/python -m xmpp_server.storage.sql.compiler

peers: $(AIOXMPP_READY) $(S3_READY) ## install the peers of the interop tests and the benchmark
	@sh requirements/peers.sh

$(AIOXMPP_READY): requirements/aioxmpp.lock requirements/install.sh
	@PYTHON="$(PYTHON)" sh requirements/install.sh .venv-aioxmpp requirements/aioxmpp.lock
	@touch $@

$(S3_READY): requirements/s3.lock requirements/install.sh
	@PYTHON="$(PYTHON)" sh requirements/install.sh .venv-s3 requirements/s3.lock
	@touch $@

bench: $(READY) ## compare with Prosody and ejabberd
	@$(BIN)/python -m bench $(BENCH_ARGS)

lock: ## renew requirements/*.lock
	@test -x .venv-lock/bin/pip-compile || ($(PYTHON) -m venv .venv-lock && .venv-lock/bin/pip install --quiet pip-tools)
	CUSTOM_COMPILE_COMMAND="make lock" $(COMPILE) --upgrade --all-extras -o requirements/dev.lock pyproject.toml
	CUSTOM_COMPILE_COMMAND="make lock" $(COMPILE) --upgrade --extra acme --extra postgresql --extra components --extra files-s3 --extra files-thumbnails --extra bots -c requirements/dev.lock \
		-o requirements/server.lock pyproject.toml
	CUSTOM_COMPILE_COMMAND="make lock" $(COMPILE) --upgrade -o requirements/aioxmpp.lock requirements/aioxmpp.in
	CUSTOM_COMPILE_COMMAND="make lock" $(COMPILE) --upgrade -o requirements/s3.lock requirements/s3.in

clean: ## remove what setup and the tests made (not var/)
	rm -rf .venv .venv-aioxmpp .venv-s3 .venv-lock .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build
