#!/bin/sh
# Builds the images. usage: images.sh [TARGET...]
# Of the environment: STILLHOUSE_REGISTRY and STILLHOUSE_TAG name them, BASE and BASE_DIGEST their
# base, PIP_CONFIG a pip.conf for the builds; wheels in wheelhouse/ are taken before any index.
set -eu
cd "$(dirname "$0")/.."
# A client from 23.0 on needs its plugin buildx; Debian's own 20.10 has BuildKit inside.
docker=docker
docker buildx version >/dev/null 2>&1 || docker=$(command -v /usr/bin/docker || echo docker)
[ $# -gt 0 ] || set -- topology index filter gateway generator trainer cli
for target; do
    echo "image $target"
    DOCKER_BUILDKIT=1 "$docker" build --quiet --target "$target" \
        --tag "${STILLHOUSE_REGISTRY:-stillhouse}/$target:${STILLHOUSE_TAG:-0.1.0}" \
        ${BASE:+--build-arg "BASE=$BASE"} ${BASE_DIGEST:+--build-arg "BASE_DIGEST=$BASE_DIGEST"} \
        ${PIP_CONFIG:+--secret "id=pip,src=$PIP_CONFIG"} . >/dev/null
done
