"""`python -m services.gateway`: the index service over HTTP, with a page to try it."""

from __future__ import annotations

import argparse
import os

from services.gateway.app import make_app
from services.gateway.http_server import serve
from services.gateway.settings import GatewaySettings
from services.runtime.server import run


async def main(settings: GatewaySettings) -> None:
    """Serve until SIGTERM; the index may come later or go away for a while."""
    await serve(make_app(settings), settings)


def _flags() -> dict[str, str]:
    parser = argparse.ArgumentParser(prog="python -m services.gateway", description=__doc__)
    parser.add_argument(
        "--index", metavar="HOST:PORT", help="the index service (STILLHOUSE_INDEX_TARGET)"
    )
    parser.add_argument(
        "--listen", metavar="HOST:PORT", help="where to answer HTTP (STILLHOUSE_LISTEN)"
    )
    given = parser.parse_args()
    named = {"STILLHOUSE_INDEX_TARGET": given.index, "STILLHOUSE_LISTEN": given.listen}
    return {name: value for name, value in named.items() if value is not None}


if __name__ == "__main__":
    os.environ.update(_flags())
    run(GatewaySettings, main)
