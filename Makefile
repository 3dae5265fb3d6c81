# All that a fresh machine needs is Python 3.11 or newer, make and git. Each target sets itself up.
#
#   make run     the control centre on preset tiny; without a terminal, two cycles headless
#   make test    the default tests, two at a time; JOBS=0 runs them one by one
#   make slow    the tests that take minutes, one by one
#   make fuzz    a million mutated inputs; SEED=1 for others, COUNT=20000 for fewer
#   make check   format, lint, types, import contracts
#   make bench   speed, as ratios
#   make reliability   kills, power cuts, flipped bits: what they took, in one line
#   make faults  the same, more of each; takes hours
#   make soak    an hour of preset tiny, and a random kill every minute; MINUTES=10 for less

PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PACKAGES := matrix0 tui backend model

.PHONY: run test slow check bench reliability faults soak fuzz

run: $(INSTALLED)
	@if [ -t 0 ] && [ -t 1 ]; then \
		$(BIN)/matrix0-tui --preset tiny; \
	else \
		$(BIN)/matrix0-tui --no-ui --preset tiny --cycles 2; \
	fi

test: $(INSTALLED)
	$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal

slow: $(INSTALLED)
	$(BIN)/python -m pytest -q -m slow

fuzz: $(INSTALLED)
	$(BIN)/python -m tests.fuzz --count $(or $(COUNT),1000000) --seed $(or $(SEED),0)

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(INSTALLED)
	@for file in bench/[a-z]*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

SEED ?= 1

reliability: $(INSTALLED)
	@$(BIN)/python -m tests.faults --seed $(SEED)

faults: $(INSTALLED)
	@$(BIN)/python -m tests.faults --seed $(SEED) --long

soak: $(INSTALLED)
	@$(BIN)/python -m tests.faults.soak --seed $(SEED) --minutes $(or $(MINUTES),60)

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Matrix0 needs Python 3.11 or newer, and '$(PYTHON)' is not."; \
		echo "Name another one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
