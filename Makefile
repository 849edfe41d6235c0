# make demo   a job of four processes on every store, one of them killed, and every store certified
# make test   everything that CI checks
# make docs   the documentation, to be read offline: docs/_build/html/index.html
#
# All do all set-up, in .venv, from a fresh clone: python3 with venv, git and make are enough.
# make PYTHON=python3.12 test   another interpreter (3.10 and later)

PYTHON ?= python3
VENV ?= .venv

# One `pip install` names all of them: they depend on each other in versions that are on no index.
EDITABLE = -e '.[cli]' -e plugins/tcp -e plugins/file -e plugins/etcd -e conformance -e simulation -e integrations/torchrun -e examples/rdzv-sqlite -e examples/rdzv-redis
PACKAGES = rdzv_core plugins/tcp/rdzv_tcp plugins/file/rdzv_file plugins/etcd/rdzv_etcd \
	conformance/rdzv_conformance simulation/rdzv_simulation integrations/torchrun/rdzv_torchrun examples/demo benchmarks release
PROJECTS = $(wildcard pyproject.toml plugins/*/pyproject.toml conformance/pyproject.toml simulation/pyproject.toml integrations/*/pyproject.toml examples/*/pyproject.toml)

PYTEST_FLAGS = --timeout=300 --durations=10

BIN = $(abspath $(VENV))/bin
# The interpreter's version is in the stamp's name, so that another PYTHON sets up again.
STAMP = $(VENV)/.rdzv-$(shell $(PYTHON) -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])')

.PHONY: help demo test lint types imports pytest cases test-wheels docs pages linkcheck dist verifytypes man changelog version mutants simulate chaos certificates setup clean

help:
	@sed -n 's/^# //p' Makefile | sed -n '1,5p'

setup: $(STAMP)

$(STAMP): requirements-dev.txt $(PROJECTS)
	@echo "== set-up of $(VENV) with $(PYTHON)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "rdzv needs Python 3.10 or later: make PYTHON=python3.12 …")'
	test "$$($(VENV)/bin/python -V 2>&1)" = "$$($(PYTHON) -V 2>&1)" || $(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --disable-pip-version-check -q -r requirements-dev.txt
	$(VENV)/bin/python -m pip install --disable-pip-version-check -q --no-build-isolation $(EDITABLE)
	@rm -f $(VENV)/.rdzv-*
	@touch $@

demo: $(STAMP)
	@$(BIN)/python -m examples.demo

test: lint imports pytest
	@echo "== all passed"

lint: $(STAMP)
	@echo "== ruff"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(STAMP)
	@echo "== mypy --strict"
	@$(BIN)/mypy --strict $(PACKAGES)
	@cd examples/rdzv-sqlite && $(BIN)/mypy --strict --config-file ../../pyproject.toml rdzv_sqlite
	@cd examples/rdzv-redis && $(BIN)/mypy --strict --config-file ../../pyproject.toml rdzv_redis

imports: $(STAMP)
	@echo "== import-linter"
	@$(BIN)/lint-imports --no-cache

# Most of the time is spent in waiting for timeouts, so seven lanes run side by side, and mypy beside them; the first lane is
# seen as it runs.
LANE_1 = tests --ignore=tests/core --ignore=tests/packaging --ignore=tests/handler --ignore=tests/chaos
LANES = 2 3 4 5 6 7
LANE_2 = conformance --ignore=conformance/tests/test_conformance_certify.py --ignore=conformance/tests/test_conformance_memory.py
LANE_3 = plugins/tcp $(CALLED)
LANE_4 = plugins/etcd --ignore=$(ETCD_SUITE) conformance/tests/test_conformance_certify.py conformance/tests/test_conformance_memory.py
LANE_5 = plugins/file $(CALLED)
LANE_6 = tests/core tests/handler tests/chaos tests/packaging integrations examples
LANE_7 = $(ETCD_SUITE) simulation
ETCD_SUITE = plugins/etcd/tests/test_etcd_conformance.py
# The suite's tests of calls are made once more by submitted ones where certificates are made.
CALLED = -k 'not by_submitted_calls'
PYTEST = $(BIN)/pytest $(PYTEST_FLAGS)

pytest: $(STAMP)
	@echo "== pytest: $(LANE_1) (what mypy and the lanes beside it say follows at the end)"
	@$(MAKE) --no-print-directory types >$(VENV)/types.log 2>&1 & types=$$!; \
	$(foreach lane,$(LANES),$(PYTEST) -p no:cacheprovider $(LANE_$(lane)) >$(VENV)/lane-$(lane).log 2>&1 & lane$(lane)=$$!;) \
	trap 'kill $$types $(foreach lane,$(LANES),$$lane$(lane)) 2>/dev/null' INT TERM; failed=0; \
	$(PYTEST) $(LANE_1) || failed=1; \
	wait $$types || failed=1; cat $(VENV)/types.log; \
	$(foreach lane,$(LANES),wait $$lane$(lane) || failed=1; echo "== pytest: $(LANE_$(lane))"; cat $(VENV)/lane-$(lane).log;) \
	exit $$failed

DOCS_STAMP = $(STAMP)-docs
SPHINX = $(BIN)/python -m sphinx -W --keep-going -q -j auto -d docs/_build/doctrees

$(DOCS_STAMP): $(STAMP) requirements-docs.txt
	@echo "== set-up for docs"
	$(VENV)/bin/python -m pip install --disable-pip-version-check -q -r requirements-docs.txt
	@touch $@

# The site, warnings being errors, and every link within it. Nothing in it is loaded from elsewhere.
docs: $(DOCS_STAMP)
	@$(SPHINX) -b html docs docs/_build/html
	@$(BIN)/python docs/check_links.py docs/_build/html
	@echo "docs/_build/html/index.html"

# Every command and program on every page, word for word; minutes.
pages: $(STAMP)
	@$(BIN)/pytest -m pages $(PYTEST_FLAGS) -rs tests/docs

# Every link that leaves the site, over the network.
linkcheck: $(DOCS_STAMP)
	@$(SPHINX) -b linkcheck docs docs/_build/linkcheck

# The tests that need root, namespaces, cgroups, tmpfs or FUSE, or many seconds; which could not run here, and why.
cases: $(STAMP)
	@echo "== pytest: cases"
	@$(BIN)/pytest -m cases $(PYTEST_FLAGS) -rs

# The README and the first pages word for word, and the tests, against built wheels, in venvs and folders that know
# nothing of this tree.
test-wheels: $(STAMP)
	@$(BIN)/pytest --timeout=1200 -s -m '' tests/packaging/test_packaging_strangers.py tests/packaging/wheels_check.py

# All that a release publishes, in dist/: built, checked, installed into an empty venv and used there. Publishes nothing.
dist: $(STAMP)
	@$(BIN)/python -m release.dist

# pyright --verifytypes for every built wheel: all types that a user can reach are stated.
verifytypes: $(STAMP)
	@echo "== pyright --verifytypes"
	@$(BIN)/python -m release.verifytypes

# make version: which one it is. make version SET=0.2.0: all distributions get it.
version: $(STAMP)
	@$(BIN)/python -m release.version $(SET)

# The man pages that the wheels bring, from what --help prints; a test holds them equal.
man: $(STAMP)
	@$(BIN)/python -m release.man

# What the changelog calls unreleased becomes the version of the tree, dated today.
changelog: $(STAMP)
	@$(BIN)/python -m release.changelog

# Every broken backend that tests the suite, and which clauses catch it; every broken protocol that tests the simulator.
mutants: $(STAMP)
	@$(BIN)/python -m rdzv_conformance.mutants
	@$(BIN)/rdzv simulate --mutants

# A million simulated rounds under all faults: half an hour to an hour on two cores.
simulate: $(STAMP)
	@$(BIN)/rdzv simulate --seeds 10000 --rounds 1000000

# Ten minutes of 16 real nodes that are killed and stopped: make chaos BACKEND=tcp, sqlite, file or etcd.
BACKEND = tcp
chaos: $(STAMP)
	@$(BIN)/python -m tests.chaos --backend $(BACKEND) --nodes 16 --minutes 10

# The reports under docs/certificates, from real runs, in four minutes; it needs openssl. Run it last: they carry the hashes of what was tested.
certificates: $(STAMP)
	@$(BIN)/python docs/certificates/generate.py

clean:
	rm -rf $(VENV) dist build docs/_build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
