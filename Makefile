# What a newcomer types. Each target sets up its own environment in .venv, from the registries alone.

PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: table2 all test report bench evidence lint setup

table2: setup  ## topics and captions: results/table1.csv and results/table2.csv
	snakemake results/table1.csv results/table2.csv

all: setup  ## every table and figure
	snakemake all

report: setup  ## report.zip: tables and figures with their captions, to open in a browser
	snakemake all
	snakemake --report report.zip

test: setup lint  ## all tests
	pytest -q

evidence: setup  ## keep the tables and figures of this run in git, with the machine they come from
	snakemake --dry-run all | grep -q "Nothing to be done"
	mkdir -p results/evidence/default
	cp results/table1.csv results/table2.csv results/table3.csv results/lambda.csv results/interpretability.csv results/topics.json results/evidence/default/
	cp results/figures/*.png results/evidence/default/
	cp params.yaml results/evidence/default/params.yaml
	(date -u +%F; uname -srm; nproc; git log -1 --format=%h -- workflow params.yaml) > results/evidence/default/machine.txt

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
