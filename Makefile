# Each target brings its environment along: Python 3.11 or newer, make and a package index are enough.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed

.PHONY: demo test check bench

demo: $(INSTALLED)
	$(BIN)/sgleval run programs/easy_vqa.py --limit 20i

test: $(INSTALLED)
	$(BIN)/python -m pytest

check: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: $(INSTALLED)
	$(BIN)/python benchmarks/help_time.py
	$(BIN)/python benchmarks/startup.py --repetitions 2
	$(BIN)/python benchmarks/vision_attention.py
	$(BIN)/python benchmarks/cached_prefix.py --layer
	$(BIN)/python benchmarks/scoring.py
	$(BIN)/python benchmarks/overhead.py --programs 500 --repetitions 1
	$(BIN)/python benchmarks/scale.py --samples 10000

$(INSTALLED): requirements.lock pyproject.toml
	@echo "Installing SGLang and what it needs into .venv: some 10 GB, a few minutes."
	$(PYTHON) -m venv --clear .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
