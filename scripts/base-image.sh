#!/bin/sh
# Makes a base for the images out of Debian packages, where none can be pulled, and prints its name.
# Needs root. The packages come from where this machine gets its own.
set -eu
name=stillhouse-base:bookworm
if ! docker image inspect "$name" >/dev/null 2>&1; then
    command -v debootstrap >/dev/null || {
        apt-get update -q && apt-get install -y -q --no-install-recommends debootstrap
    } >&2
    root=$(mktemp -d)
    trap 'rm -rf "$root"' EXIT
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Component: main' | head -1)
    debootstrap --variant=minbase --include=python3,ca-certificates bookworm "$root" \
        ${mirror:+"$mirror"} >&2
    rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
    tar --directory "$root" --create . | docker import --change 'CMD ["python3"]' - "$name" >/dev/null
fi
echo "$name"
