#!/bin/sh
# Says in one line what an installation lacks, before anything is written.
# usage: check-tools.sh PYTHON
python=$1
fail() { echo "error: $1" >&2; exit 1; }

command -v "$python" >/dev/null || fail "$python is missing: apt-get install python3 python3-venv python3-dev"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$python is older than 3.11: name a newer one with make PYTHON=..."
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "Python's venv is missing: apt-get install python3-venv"
command -v g++ >/dev/null || fail "g++ is missing, the engine needs it: apt-get install g++"
header=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include") + "/Python.h")')
test -f "$header" || fail "Python.h is missing, the engine needs it: apt-get install python3-dev"
