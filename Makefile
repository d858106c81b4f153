# make run    the seven notebooks in order (PROFILE=smoke|cpu|t4, STORIES_CSV=path, ONLY="01 06 07", LLM=name or folder, WORKSPACE=folder;
#             any other parameter as papermill takes it: PARAMETERS='-p VARIANT seed -f mine.yaml')
# make grid   many runs (GRID=grids/....yaml, WORKERS=2, CLUSTER=tcp://host:8786, and those of make run), see grids/README.md
# make test   the tests; make lint checks, make format mends
# make test-kills     each notebook killed at ten random moments (KILLS=10), on a disk that fills, with a Drive that goes, on tiny models
# make test-colab     setup cells and notebooks in an imitation of Colab (Python 3.12; 6 GB of disk while it runs)
# make test-versions  the fast tests with the lowest and the newest versions (VERSIONS="3.10-lowest 3.13-newest"; the same disk for each)
# make bench      speed and memory of the classifiers of notebook 06 (after make run ONLY=01, same PROFILE and LLM)
# make bench-llm  speed and memory of LoRA training steps, for notebook 04 (the same)
# make drivers    what drives accuracy: stories a genre, title, how much is read; folds drawn anew (the same; minutes, once the embeddings are there;
#                 SETFIT=1: on those also the tuned SetFit beside both, after make run ONLY=06; hours on a CPU;
#                 AUGMENTATION="0 1": also what augmentation is worth to it, on the seed split and these folds; hours)
# make gpu-check  a T4 user's first day on any CUDA card, in six minutes; DEVICE=cpu rehearses it with sizes cut
# make gpu-pack   what a machine with a GPU and without an index lacks for that (HAVE=what pip freeze wrote there, CUDA=its version)
# make record, publish, prune, tables, export   recorded notebooks and results, see below
PYTHON ?= python3
PROFILE ?= smoke
ONLY ?=
WORKSPACE ?=
LLM ?=
REPOSITORY ?=
KILLS ?= 10
DEVICE ?= cuda
HAVE ?=
CUDA ?=
VERSIONS ?= 3.10-lowest 3.13-newest
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

.PHONY: run grid test test-kills test-colab test-versions bench bench-llm drivers gpu-check gpu-pack lint format record publish prune tables export address clean

run: $(READY)
	$(BIN)/python -u -m helpers.series run --profile $(PROFILE) --only "$(ONLY)" $(GIVEN)

grid: $(READY)
	$(BIN)/python -u -m helpers.batches run "$(GRID)" --workers $(WORKERS) $(if $(CLUSTER),--cluster "$(CLUSTER)") $(if $(filter command,$(origin PROFILE)),-p PROFILE $(PROFILE)) $(GIVEN)

# Two processes with a thread each do more than one with two.
test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests --numprocesses 2 --dist loadscope --no-loadscope-reorder

test-kills: $(READY)
	$(BIN)/python tests/kills --kills $(KILLS) $(if $(ONLY),--only "$(ONLY)")

test-colab: $(READY)
	$(BIN)/python tests/colab_machine.py

test-versions: $(READY)
	$(BIN)/python tests/versions.py $(VERSIONS)

bench: $(READY)
	$(BIN)/python -u -m helpers.benchmarks.speed --profile $(PROFILE) $(if $(LLM),--llm $(LLM))

bench-llm: $(READY)
	$(BIN)/python -u -m helpers.benchmarks.steps --profile $(PROFILE) $(if $(LLM),--llm $(LLM))

drivers: $(READY)
	$(BIN)/python -u -m helpers.fewshot.drivers --profile $(PROFILE) $(if $(LLM),--llm $(LLM)) $(if $(WORKSPACE),--workspace $(WORKSPACE)) $(if $(SETFIT),--setfit) $(if $(AUGMENTATION),--augmentation $(AUGMENTATION))

gpu-check: $(READY)
	$(BIN)/python -u -m helpers.benchmarks.gpu.check --device $(DEVICE)

gpu-pack: $(READY)
	$(BIN)/python -u -m helpers.benchmarks.gpu.gather $(if $(HAVE),--have $(HAVE)) $(if $(CUDA),--cuda $(CUDA))

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Make the executed notebooks of the last `make run` the committed ones, and their results those that travel with the project.
record: $(READY)
	$(BIN)/python -m helpers.series record --workspace checkpoints/$(PROFILE) --only "$(ONLY)"
	$(BIN)/python -m helpers.comparison.shipped publish --profile $(PROFILE) --only "$(ONLY)"

# Results that travel with the project (data/results/README.md): copy a workspace's, remove what no notebook makes any more,
# write the README's tables from them, export them for others.
publish: $(READY)
	$(BIN)/python -m helpers.comparison.shipped publish --profile $(PROFILE) --only "$(ONLY)" $(if $(WORKSPACE),--workspace $(WORKSPACE))

prune: $(READY)
	$(BIN)/python -m helpers.comparison.shipped prune

tables: $(READY)
	$(BIN)/python -m helpers.comparison.readme

export: $(READY)
	$(BIN)/python -m helpers.comparison.export

# Write the project's public address into badges, setup cells and README: that of the origin remote, or REPOSITORY=owner/name
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
