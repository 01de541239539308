#!/bin/sh
# Runs a command where a container engine answers. Where none does, installs Debian's, starts it,
# and stops it when the command has ended, also if the installation has started it.
# usage: with-engine.sh COMMAND...
set -eu
answers() { docker version >/dev/null 2>&1; }

answers && exec "$@"
[ "$(id -u)" = 0 ] || { echo "error: no container engine answers, and only root can start one" >&2; exit 1; }
installed=
command -v dockerd >/dev/null && command -v docker-compose >/dev/null || {
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
        docker.io docker-compose
    installed=yes
}

engine=
stop() {
    if [ -n "$engine" ]; then
        kill "$engine" 2>/dev/null || true
        wait "$engine" || true
    else
        service docker stop
    fi
}
if ! answers; then
    log=$(mktemp)
    dockerd >"$log" 2>&1 &
    engine=$!
elif [ -z "$installed" ]; then
    exec "$@"  # somebody else has started it in between
fi
trap stop EXIT
trap 'exit 130' INT TERM
for _ in $(seq 60); do
    answers && break
    kill -0 "$engine" 2>/dev/null || break
    sleep 1
done
answers || { cat "$log" >&2; echo "error: dockerd does not answer" >&2; exit 1; }
"$@"
