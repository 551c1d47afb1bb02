# make book [PROFILE=paper] [PDF=1]   the book of a profile, and its PDF; its last line is the path of the first page
# make site                   the books of all profiles that have one, in site/, to publish
# make screenshots            pictures of the built book's main pages, under data/runs/<profile>/screenshots
# make test [WORKERS=2]       ruff, mypy, pytest with doctests in so many processes, nbval
# make soak [WORKERS=2]       the long forms of tests: thousands of damaged granules, every page through axe, workers killed in turn
# All set up .venv first. TORCH adds options to torch's installation (README.md).

PYTHON ?= python3
PROFILE ?= sample
TORCH ?=
PDF ?=
WORKERS ?= 2
VENV := .venv
INSTALLED := $(VENV)/.installed

.PHONY: book site screenshots test soak bench weights results notebooks clean
.DEFAULT_GOAL := book

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one with make PYTHON=…")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check $(TORCH) "$$(grep '^torch==' requirements.lock)"
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

book: $(INSTALLED)
	$(VENV)/bin/lstsr run --profile $(PROFILE)
	@$(VENV)/bin/lstsr-book build --profile $(PROFILE) $(if $(PDF),--pdf)

site: $(INSTALLED)
	@$(VENV)/bin/lstsr-book site --out site

screenshots: $(INSTALLED)
	$(VENV)/bin/python tests/screenshots.py data/runs/$(PROFILE)

test: $(INSTALLED)
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/pytest --numprocesses $(WORKERS) --durations=15
	$(VENV)/bin/pytest --override-ini addopts= --nbval --nbval-cell-timeout=1200 notebooks

soak: $(INSTALLED)
	$(VENV)/bin/pytest -m soak --numprocesses $(WORKERS) --durations=0 tests

# Each method beside a plain loop, in one run (benchmarks/README.md).
bench: $(INSTALLED)
	$(VENV)/bin/pytest --override-ini addopts= benchmarks/bench_*.py

# Train the package's own weights on the MODIS side of the development scenes of LSTSR_PAIRS, in folds and on all, and judge them.
weights: $(INSTALLED)
	@test -n "$(LSTSR_PAIRS)" || { echo "make weights: LSTSR_PAIRS names no directory of published pairs" >&2; exit 1; }
	$(VENV)/bin/lstsr train --pairs $(LSTSR_PAIRS)/data --folds 5 --out data/runs/folds
	$(VENV)/bin/lstsr train --pairs $(LSTSR_PAIRS)/data --out lstsr_core/weights
	$(VENV)/bin/lstsr report --folds data/runs/folds --weights lstsr_core/weights --pairs $(LSTSR_PAIRS)/data \
	    --published $(LSTSR_PAIRS) --out data/own_weights

# Run the published pairs (LSTSR_PAIRS, or fetched) and keep the result tables with the code, in data/results.
results: $(INSTALLED)
	$(VENV)/bin/lstsr run --profile paper
	$(VENV)/bin/lstsr-book keep --profile paper

# Store the sample's outputs in the notebooks, for nbval to compare with.
notebooks: $(INSTALLED)
	$(VENV)/bin/lstsr run --profile sample
	$(VENV)/bin/lstsr-book store

clean:
	rm -rf $(VENV) $(VENV)-pymodis data/runs
