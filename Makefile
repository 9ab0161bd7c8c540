# `make demo` and `make test` work on a machine with nothing but Python 3.11 and a package index.

PYTHON ?= python3
VENV   ?= .venv
# Asked for on its own and first: a bare "torch" may bring gigabytes of GPU libraries along.
TORCH  ?= torch==2.13.0

BIN  := $(VENV)/bin
GAZE := $(BIN)/gaze
OUT  := demo-output
EVALUATED := evaluation-output
TRAINED := trained

# How long each reader is fuzzed, and which are.
SECONDS ?= 60
TARGETS ?= artifact headset ranking record manifest regions picture

.DEFAULT_GOAL := help
.PHONY: help install demo evaluate tiny headset notebook page pictures study study-figures docs test test-lowest test-newest lint types slow families bench fuzz audit wheel release-check clean

help:
	@echo 'make demo   find and steer the gaze heads of the small model; pictures land in $(OUT)/'
	@echo 'make evaluate  evaluate the small model as docs/controls.md does; results land in $(EVALUATED)/'
	@echo 'make tiny   train the small model again, into $(TRAINED)/; RESUME=--resume goes on after a stop'
	@echo 'make headset  find the heads of the small model that come with the package'
	@echo 'make notebook  run examples/gaze_heads.ipynb and keep its outputs'
	@echo 'make pictures  draw the pictures of the docs that show the small model; needs Chromium'
	@echo 'make page   build docs/live.html, the small model inside one page'
	@echo 'make study  train the arms of docs/where-gaze-heads-come-from.md again; finished logs are kept'
	@echo 'make study-figures  draw the figures of that page from the logs, and print its tables'
	@echo 'make docs   build the documentation into site/, and check every link in it'
	@echo 'make test   lint, types and all tests'
	@echo 'make slow   the long tests too'
	@echo 'make families  every family at every size; writes the table in docs/families.md'
	@echo 'make bench  every promise of speed and memory, measured beside what it is compared with'
	@echo 'make fuzz   coverage-guided fuzzing of every reader, $(SECONDS) seconds each'
	@echo 'make audit  known weaknesses of the dependencies; asks the package index'
	@echo 'make test-lowest  the fast tests with the lowest versions that pyproject.toml allows'
	@echo 'make test-newest  the same with the newest pre-releases'
	@echo 'make wheel  build the package into dist/'
	@echo 'make release-check  build it, check it, and run the demo from the wheel alone'

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check '$(TORCH)'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: install
	@mkdir -p $(OUT)
	@GAZE=$(GAZE) OUT=$(OUT) sh examples/demo.sh

evaluate: install
	@GAZE=$(GAZE) PYTHON=$(BIN)/python OUT=$(EVALUATED) sh examples/evaluate.sh

# Freed memory is kept: returning it after every step costs more than the step.
tiny: install
	OMP_WAIT_POLICY=passive MALLOC_MMAP_THRESHOLD_=4000000000 MALLOC_TRIM_THRESHOLD_=8000000000 \
	  $(BIN)/python -m gazecli.tiny.training.train $(TRAINED)/tiny --log $(TRAINED)/log.jsonl $(RESUME)

# The head set of `tiny` in the package, for a first steering with nothing in the cache.
headset: install
	made=$$(mktemp -d) && trap 'rm -rf "$$made"' EXIT && export GAZE_CACHE_DIR="$$made/cache" && \
	$(GAZE) comics make "$$made/comics" --count 60 --seed 11 --quiet && \
	digest=$$($(GAZE) discover tiny "$$made/comics" --device cpu --dtype float32 --quiet --format human) && \
	$(GAZE) cache export "$$digest" gazecli/tiny/headset.safetensors --force

notebook: install
	$(BIN)/python tools/notebook.py examples/gaze_heads.ipynb

pictures: install
	$(BIN)/python -m tools.pictures docs

page: install
	$(BIN)/python -m gazecli.tiny.live.page docs/live.html

# One seed a core. Freed memory is kept: returning it after every step costs more than the step.
study: install
	for seed in 1 2 3; do \
	  OMP_NUM_THREADS=1 MALLOC_MMAP_THRESHOLD_=4000000000 MALLOC_TRIM_THRESHOLD_=8000000000 \
	  $(BIN)/python -m gazecli.tiny.study run --seeds $$seed & \
	done; wait

study-figures: install
	$(BIN)/python -m gazecli.tiny.study figures

# Warnings are errors. The reference is made from the product itself, and not kept.
docs: install
	$(BIN)/python -m tools.reference docs/reference
	$(BIN)/zensical build --clean --strict
	$(BIN)/python -m tools.links site

# A process a core, each with one thread: they would only fight for the cores.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n logical --dist worksteal

test: lint types
	$(PYTEST)

# Enough to meet every library that gaze stands on.
FAST := tests/test_dependencies.py tests/test_oracle.py tests/test_families_end_to_end.py tests/heads tests/steering \
    tests/cache/test_store.py tests/cli/test_command.py tests/cli/test_skill.py tests/evaluation/test_metrics.py \
    tests/pictures/test_dataset.py tests/pictures/test_image_files.py tests/reports/test_documents.py \
    tests/reports/test_figures.py tests/reports/test_results.py tests/serving/test_chat.py tests/sharing/test_pull.py
LOWEST := .venv-lowest
NEWEST := .venv-newest

# torch aside: its lowest build has no wheels for every Python, and its index other suffixes.
test-lowest: install
	$(PYTHON) -m venv --clear $(LOWEST)
	echo '$(TORCH)' > $(LOWEST)/torch.txt
	$(BIN)/uv pip compile --quiet --no-header --no-annotate --resolution lowest-direct --extra adapters --extra data --extra frames \
	    --override $(LOWEST)/torch.txt --output-file $(LOWEST)/lowest.txt pyproject.toml
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check '$(TORCH)'
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --constraint $(LOWEST)/lowest.txt --editable '.[dev]'
	OMP_NUM_THREADS=1 $(LOWEST)/bin/python -m pytest -n logical --dist worksteal $(FAST)

test-newest: install
	$(PYTHON) -m venv --clear $(NEWEST)
	$(NEWEST)/bin/python -m pip install --quiet --disable-pip-version-check '$(TORCH)'
	$(NEWEST)/bin/python -m pip install --quiet --disable-pip-version-check --pre --upgrade --editable '.[dev]' '$(TORCH)'
	OMP_NUM_THREADS=1 $(NEWEST)/bin/python -m pytest -n logical --dist worksteal $(FAST)

# Some of the long tests count kills and milliseconds, and want the machine to themselves.
slow: install
	$(BIN)/python -m pytest -m 'slow or not slow'

families: install
	$(BIN)/python -m pytest tests/models/test_families.py -m 'slow or not slow' --write-families-table

fuzz: install
	for target in $(TARGETS); do $(BIN)/python -m tests.fuzz.run $$target --seconds $(SECONDS) || exit 1; done

audit: install
	$(BIN)/pip-audit --skip-editable

bench: install
	$(BIN)/python -m benchmarks

lint: install
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: install
	$(BIN)/mypy

wheel: install
	$(BIN)/python -m build --outdir dist

# REPOSITORY is where the project is published: links of the README lead there.
REPOSITORY ?=
release-check: install
	TORCH='$(TORCH)' $(BIN)/python tools/release.py $(if $(REPOSITORY),--repository $(REPOSITORY))

clean:
	rm -rf $(VENV) $(LOWEST) $(NEWEST) .cache build dist docs/reference site $(OUT) $(EVALUATED)
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis
