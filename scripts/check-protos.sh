#!/bin/sh
# Fails if the code generated from protos/ differs from what is committed.
# usage: check-protos.sh VENV_BIN
set -eu
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
sh scripts/generate-protos.sh "$1" "$fresh"
stale=0
for file in $(cd "$fresh" && find . -name '*pb2*'); do
    cmp -s "$fresh/$file" "clients/src/$file" || { echo "error: clients/src/${file#./} is not current: make proto" >&2; stale=1; }
done
for file in $(cd clients/src && find . -path '*/v1/*pb2*' -name '*.py*' ! -path '*/__pycache__/*'); do
    test -f "$fresh/$file" || { echo "error: clients/src/${file#./} has no proto: delete it" >&2; stale=1; }
done
exit $stale
