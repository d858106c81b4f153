# make run    the seven notebooks in order (PROFILE=smoke|cpu|t4, STORIES_CSV=path, ONLY="01 06 07", LLM=name or folder, WORKSPACE=folder;
#             any other parameter as papermill takes it: PARAMETERS='-p VARIANT seed -f mine.yaml')
# make grid   many runs (GRID=grids/....yaml, WORKERS=2, CLUSTER=tcp://host:8786, and those of make run), see grids/README.md
# make test   the tests; make lint checks, make format mends
# make bench      speed and memory of the classifiers of notebook 06 (after make run ONLY=01, same PROFILE and LLM)
# make bench-llm  speed and memory of LoRA training steps, for notebook 04 (the same)
PYTHON ?= python3
PROFILE ?= smoke
ONLY ?=
LLM ?=
WORKSPACE ?=
PARAMETERS ?=
GRID ?= grids/tiny.yaml
CLUSTER ?=
WORKERS ?= 1
# Relative paths mean the directory in which the user stands, also with make -C.
BASE := $(or $(PWD),$(CURDIR))
GIVEN = --base "$(BASE)" $(if $(LLM),-p LLM "$(LLM)") $(if $(WORKSPACE),-p WORKSPACE "$(WORKSPACE)") $(PARAMETERS)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: run grid test bench bench-llm lint format record address clean

run: $(READY)
	$(BIN)/python -u -m helpers.series run --profile $(PROFILE) --only "$(ONLY)" $(GIVEN)

grid: $(READY)
	$(BIN)/python -u -m helpers.batches run "$(GRID)" --workers $(WORKERS) $(if $(CLUSTER),--cluster "$(CLUSTER)") $(GIVEN)

test: $(READY)
	$(BIN)/python -m pytest tests

bench: $(READY)
	$(BIN)/python -u -m helpers.benchmarks.speed --profile $(PROFILE) $(if $(LLM),--llm $(LLM))

bench-llm: $(READY)
	$(BIN)/python -u -m helpers.benchmarks.steps --profile $(PROFILE) $(if $(LLM),--llm $(LLM))

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Make the executed notebooks of the last `make run` the committed ones.
record: $(READY)
	$(BIN)/python -m helpers.series record --workspace checkpoints/$(PROFILE) --only "$(ONLY)"

# Write the project's public address into badges, setup cells and README: make address REPOSITORY=owner/name
address: $(READY)
	$(BIN)/python -m helpers.series address $(REPOSITORY)

$(READY): requirements.txt tests/requirements.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.10 or newer is needed: make PYTHON=python3.12") if sys.version_info < (3, 10) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -r requirements.txt -r tests/requirements.txt
	touch $(READY)

clean:
	rm -rf $(VENV) checkpoints
