PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help

.PHONY: help install proto
help:            ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 18

proto:           ## Generate the code of protos/ into clients/src
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -I protos \
	  --python_out=clients/src --mypy_out=quiet:clients/src \
	  $$(find protos -name '*.proto' | LC_ALL=C sort)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -I protos \
	  --grpc_python_out=clients/src --mypy_grpc_out=quiet:clients/src \
	  $$(find protos -name '*.proto' ! -path '*/events/*' | LC_ALL=C sort)
