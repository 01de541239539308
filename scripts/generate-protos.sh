#!/bin/sh
# Generates the code of protos/: messages and stubs with their types.
# usage: generate-protos.sh VENV_BIN OUT_DIR
set -eu
bin=$1
out=$2
PATH="$(cd "$bin" && pwd):$PATH"
all=$(find protos -name '*.proto' | LC_ALL=C sort)
services=$(grep -l '^service ' $all)
python -m grpc_tools.protoc -I protos --python_out="$out" --mypy_out=quiet:"$out" $all
python -m grpc_tools.protoc -I protos --grpc_python_out="$out" --mypy_grpc_out=quiet:"$out" $services
