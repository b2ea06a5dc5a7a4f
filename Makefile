# What a newcomer types. Each target sets up its own environment in .venv, from the registries alone.

PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# This checkout's own package, whichever one the environment was set up for.
export PYTHONPATH := $(CURDIR)/workflow/src$(if $(PYTHONPATH),:$(PYTHONPATH))

.PHONY: table2 all record pull test test-cluster test-conda test-survival test-fuzz report bench evidence lint setup

table2: setup  ## topics and captions: results/table1.csv and results/table2.csv
	snakemake results/table1.csv results/table2.csv

all: setup  ## every table and figure
	snakemake all

record: setup  ## record with DVC what a direct or cluster run made: refused while anything is old or damaged
	PYTHONPATH=workflow/src python -m seewhy.recording check
	dvc commit -f

pull: setup  ## in a clone: fetch the recorded data, and tell Snakemake that they are current
	PYTHONPATH=workflow/src python -m seewhy.recording pull

report: setup  ## report.zip: tables and figures with their captions, to open in a browser
	snakemake all
	snakemake --report report.zip

# Three for two processors, at most 8: tests that run the workflow wait a third of their time.
WORKERS = $(shell n=$$(( ($$(nproc) * 3 + 1) / 2 )); echo $$(( n < 8 ? n : 8 )))

test: setup lint  ## all tests, file by file in several processes; the longest files come first
	pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test-cluster: setup  ## the profile profiles/slurm on a Slurm of two nodes that is brought up here; root on Debian
	pip install --quiet --editable '.[slurm]'
	pytest -q tests/cluster

test-conda: setup  ## the whole workflow in the environments of envs/, their pins installed anew by pip
	STAND_IN=pip pytest -q tests/workflow/test_conda.py -o tmp_path_retention_policy=failed

test-survival: setup  ## the workflow killed 24 times, at moments drawn anew with SEEWHY_KILL_SEED=2, 3, …
	SEEWHY_KILLS=$${SEEWHY_KILLS:-24} pytest -q -s tests/workflow/test_survival.py

test-fuzz: setup  ## files of users broken in 40,000 ways, in others with SEEWHY_FUZZ_SEED=2, 3, …
	SEEWHY_FUZZ_CASES=$${SEEWHY_FUZZ_CASES:-40000} pytest -q -n auto --maxprocesses 8 tests/unit/test_fuzz.py

evidence: setup  ## the whole over 20 seeds (hours; goes on where it stopped), kept in git beside the default's
	snakemake all --configfile workflow/presets/evidence.yaml
	$(call keep,seeds20)
	cp workflow/presets/evidence.yaml results/evidence/seeds20/
	snakemake all
	$(call keep,default)

# Tables, figures and settings of the run that has just been made, with the machine and the hours of its jobs.
define keep
mkdir -p $(addprefix results/evidence/$(1)/,grounding gradcam dissection summaries)
cp results/*.csv results/topics.json params.yaml results/evidence/$(1)/
find results/figures -name '*.png' ! -name dissection-units.png -exec cp -t results/evidence/$(1) {} +
cp results/grounding/table?.csv results/grounding/benchmark.csv results/grounding/captions.csv \
 results/grounding/*.json results/figures/*.gif results/evidence/$(1)/grounding/
cp results/gradcam/*.csv results/evidence/$(1)/gradcam/
cp results/dissection/*.csv results/dissection/training/* results/evidence/$(1)/dissection/
find results/summaries -type f ! -name sentences.csv -exec cp -t results/evidence/$(1)/summaries {} +
(date -u +%F; uname -srm; nproc; git log -1 --format=%h -- workflow params.yaml; \
 find benchmarks -name '*.tsv' -exec tail -qn 1 {} + | awk '{s += $$1} END {printf "%.1f hours of jobs so far\n", s / 3600}') \
 > results/evidence/$(1)/machine.txt
endef

bench: setup  ## hot paths as ratios to a plain floor: results/bench/
	snakemake bench --forceall  # the committed figures would count as done

lint: setup
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow
	snakemake --lint

setup: $(BIN)/.installed

$(BIN)/.installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[workflow,dev]'
	touch $@
