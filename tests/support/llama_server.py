"""`python -m tests.support.llama_server MODEL SLOTS`: llama.cpp's server, until its input ends."""

from __future__ import annotations

import sys

import xllamacpp


def main(model: str, slots: int) -> None:
    """Print the address once the server listens."""
    parameters = xllamacpp.CommonParams()
    parameters.model.path = model
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.n_ctx = 512 * slots
    parameters.n_parallel = slots
    parameters.cpuparams.n_threads = 1
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
