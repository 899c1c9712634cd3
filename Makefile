# The targets people and CI call. `make help` lists them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

STORE  ?= both

.PHONY: help demo demo-production test test-all stories forge faults long bench conformance mutants check lock docs clean
help:            ## list the targets
	@grep -E '^[a-z-]+: .*##|^[a-z-]+:  *##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/'

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python -m compileall -q $(VENV)/lib contracts policies workflows activities workers cli demo benchmarks || true  # processes start sooner
	touch $(READY)

demo: $(READY)   ## a refund from request to outcome, with its approval and a worker killed on the way
	$(BIN)/python -m demo.story

demo-production: $(READY) ## the same in production mode: people with keys, and nothing counts unsigned
	$(BIN)/python -m demo.story --mode production

# Three on two cores, as many wait; files in the order of tests/conftest.py.
PYTEST := $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

test: $(READY)   ## the tests; of those that are many alike a share, drawn by lot with every commit
	$(PYTEST) --share 1/16

test-all: $(READY) ## every test; a quarter of an hour
	$(PYTEST)

stories: $(READY) ## the stories of automations outside the repository: make stories OUTSIDE=/path/to/folder
	INTERLOCK_AUTOMATIONS=$(or $(OUTSIDE),$(error say which folder: make stories OUTSIDE=/path/to/folder)) $(BIN)/python -m pytest -p tests.conftest -c pyproject.toml --rootdir . $(OUTSIDE)/tests

forge: $(READY)  ## forged decisions by the hundred thousand, impostors, and policy against its oracle; at most 40 minutes
	$(BIN)/python -m tests.forge

faults: $(READY) ## workers, Temporal, stores and servers fail by the hundred; a bank counts: STORE=sqlite, postgresql or both
	$(BIN)/python -m tests.faults --store $(STORE)

long: $(READY)   ## errands of 500 and 2,000 turns, 400 days without an answer, conversations killed at every point; some minutes
	INTERLOCK_EVERY_POINT=1 $(BIN)/python -m pytest -q tests/end_to_end/test_killed_turns.py
	$(BIN)/python -m tests.long

bench: $(READY)  ## Interlock beside a hand-written Temporal loop, each promise with its number; at most 40 minutes
	$(BIN)/python -m benchmarks

conformance: $(READY) ## the MCP conformance suite against `interlock mcp serve`, and every automation by a client from npm; some minutes, needs npm
	$(BIN)/python -m tests.conformance

mutants: $(READY)  ## every named protection switched off in turn, and a test that fails without it; a quarter of an hour
	$(BIN)/python -m tests.mutants

check: $(READY)  ## what CI runs beside the tests: style, types, import directions, generated pages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.generated --check

docs: $(READY)   ## write the generated pages anew
	$(BIN)/python -m tests.generated --write

lock: $(READY)   ## compile requirements.lock anew (needs uv)
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -o requirements.lock

clean:           ## remove the environment and the embedded server's data
	rm -rf $(VENV) .interlock
