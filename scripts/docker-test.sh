#!/bin/sh
# Builds the images and tests them: each by itself, and all together by compose.yaml.
# Of the environment: BASE, if the base image shall not be made here; as in images.sh.
# usage: docker-test.sh PYTHON [PYTEST ARGUMENT...]
set -eu
cd "$(dirname "$0")/.."
python=$1
shift
BASE=${BASE:-$(sh scripts/base-image.sh)}
export BASE
sh scripts/images.sh topology index filter gateway generator trainer cli broker
docker images --format '{{.Repository}}:{{.Tag}} {{.Size}}' "${STILLHOUSE_REGISTRY:-stillhouse}/*"
"$python" -m pytest -m docker tests/docker "$@"
