# What a newcomer types. Each target sets up its own environment in .venv, from the registries alone.

PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: table2 all test report bench lint setup

table2: setup  ## topics and captions: results/table1.csv and results/table2.csv
	snakemake results/table1.csv results/table2.csv

all: setup  ## every table and figure
	snakemake all

report: setup  ## report.zip: tables and figures with their captions, to open in a browser
	snakemake all
	snakemake --report report.zip

test: setup lint  ## all tests
	pytest -q

bench: setup  ## hot paths as ratios to a plain floor: results/bench/
	snakemake bench

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
