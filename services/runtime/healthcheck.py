"""`python -m services.runtime.healthcheck`: ends with 0 if a service answers that it is ready.

For health checks that run a command in the container. Without a target it asks the service
of its own environment.
"""

from __future__ import annotations

import argparse
import os
import sys
import urllib.error
import urllib.request

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc


def is_serving(target: str, service: str, timeout: float) -> bool:
    """Whether `target`, HOST:PORT or a URL of HTTP, answers SERVING or 200 within `timeout` s."""
    if target.startswith(("http://", "https://")):
        try:
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(target, timeout=timeout):
                return True
        except (urllib.error.URLError, TimeoutError):
            return False
    with grpc.insecure_channel(target, (("grpc.enable_http_proxy", 0),)) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=timeout)
        except grpc.RpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def own_target() -> str:
    """Where the service of this environment answers health checks, by loopback."""
    listen = os.environ.get("STILLHOUSE_HEALTH_LISTEN") or os.environ.get("STILLHOUSE_LISTEN", "")
    host, _, port = listen.rpartition(":")
    return f"127.0.0.1:{port}" if host in {"0.0.0.0", "[::]"} else listen


def main() -> int:
    """The exit code: 0 for ready."""
    parser = argparse.ArgumentParser(prog="services.runtime.healthcheck", description=__doc__)
    parser.add_argument("target", nargs="?", default=own_target(), help="HOST:PORT or a URL")
    parser.add_argument("--service", default="", help="health service, such as liveness")
    parser.add_argument("--timeout", type=float, default=2.0, help="seconds")
    given = parser.parse_args()
    if not given.target:
        parser.error("give a target, or set STILLHOUSE_LISTEN")
    return 0 if is_serving(given.target, given.service, given.timeout) else 1


if __name__ == "__main__":
    sys.exit(main())
