# Every target makes .venv by itself; `make help` lists them. Works with GNU make 3.81 (macOS) and newer.

SHELL := /bin/sh
PY := .venv/bin/python
export PYTHON
export PYTHONUTF8 := 1

.DEFAULT_GOAL := help
.PHONY: help run stop test check lint types imports tests fmt bench conformance soak fuzz screenshot docs lock dist clean distclean setup

help: ## show this list
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/^([a-z]+):.*## /  make \1	/' | expand -t 20

run: ## host a chat here and go into it; ARGS="--nick ann" are moot's arguments
	@tools/setup run
	@.venv/bin/moot $(ARGS) || { code=$$?; test $$code -eq 130 || exit $$code; }

stop: ## stop the server that goes on in the background
	@tools/setup run
	@.venv/bin/moot stop $(ARGS)

test: lint types imports tests ## everything that must hold before a change goes in

check: test ## the same as make test

setup:
	@tools/setup dev

lint: setup
	@.venv/bin/ruff format --check --quiet . || { echo "moot: run make fmt" >&2; exit 1; }
	@.venv/bin/ruff check --quiet .

types: setup
	@.venv/bin/mypy --no-error-summary

imports: setup
	@.venv/bin/lint-imports --no-logo >.import-linter.log 2>&1 || { cat .import-linter.log; exit 1; }

tests: setup ## only the tests; ARGS="-k name" are pytest's arguments
ifeq ($(strip $(ARGS)),)
	@$(PY) -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder --ignore tests/chaos
	@$(PY) -m pytest -q -n 2 --dist loadfile tests/chaos
else
	@$(PY) -m pytest -q $(ARGS)
endif

fmt: setup ## put the code into its form
	@.venv/bin/ruff check --quiet --fix-only .
	@.venv/bin/ruff format --quiet .

bench: setup ## deliveries and stored messages per second, latency, memory, slow and hostile clients; some 20 minutes
	@$(PY) -m bench.fanout $(ARGS)
	-@$(PY) -m bench.variants
	@$(PY) -m bench.idle
	-@$(PY) -m bench.startup
	@$(PY) -m bench.fun
	@$(PY) -m bench.durable
	@$(PY) -m bench.resume
	@$(PY) -m bench.slowreaders
	@$(PY) -m bench.slowloris
	@$(PY) -m bench.bitflips
	@$(PY) -m bench.kills broker --count 20
	@$(PY) -m bench.kills worker --count 20

conformance: setup ## tests/irc against all servers there are to compare with: ngircd and InspIRCd; some four minutes
	@IRC_CONFORMANCE=1 $(PY) -m pytest -q -n 3 --dist loadfile tests/irc

soak: setup ## the long proof: kills, faults, power losses, an hour of churn; takes hours, see docs/reliability.md
	@$(PY) -m chaos.soak $(ARGS)

SECONDS := 30
fuzz: setup ## look for input that breaks a decoder; SECONDS=30 for each, ARGS="session names" for these
	@test "$$(uname -s)" = Linux || { echo "moot: make fuzz needs Linux, for atheris has packages for nothing else; make test replays its inputs" >&2; exit 1; }
	@$(PY) -m pip --quiet --disable-pip-version-check --no-input install --require-hashes -r requirements-fuzz.lock || \
		{ echo "moot: could not install atheris; see above. It has packages for CPython 3.11 to 3.14 on x86-64" >&2; exit 1; }
	@$(PY) -m fuzz --seconds $(SECONDS) $(ARGS)

screenshot: setup ## draw the picture of the client that README.md shows
	@$(PY) -m docs.screenshot $(ARGS)

docs: setup ## write the tables in docs/ that are made from the code
	@$(PY) -m moot.reference docs/operating.md

lock: setup ## choose the newest versions of all packages, and write the lock files
	@$(PY) -m pip --quiet --disable-pip-version-check install uv
	@$(PY) -m uv pip compile -q --universal --generate-hashes --no-header --upgrade pyproject.toml -o requirements.lock
	@$(PY) -m uv pip compile -q --universal --generate-hashes --no-header --upgrade -c requirements.lock --group build -o requirements-build.lock
	@$(PY) -m uv pip compile -q --universal --generate-hashes --no-header --upgrade -c requirements.lock -c requirements-build.lock --group dev -o requirements-dev.lock
	@$(PY) -m uv pip compile -q --universal --generate-hashes --no-header --upgrade -c requirements.lock -c requirements-build.lock --group fuzz -o requirements-fuzz.lock

dist: setup ## a source distribution and a wheel in dist/
	@$(PY) -m pip --quiet --disable-pip-version-check install build
	@$(PY) -m build --no-isolation --outdir dist . >/dev/null
	@ls dist

clean: ## remove caches and what was built
	@rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .import-linter.log
	@find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +

distclean: clean ## remove the environment too
	@rm -rf .venv .fuzz
