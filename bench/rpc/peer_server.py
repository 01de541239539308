"""infini-gram's engine behind Flask's own server: what its authors' API does for `count`.

python bench/rpc/peer_server.py build TOKENS.npy OFFSETS.npy FOLDER
python bench/rpc/peer_server.py serve FOLDER HOST:PORT [forks|threads]

Their api/api_server.py runs Flask with processes=10 and threaded=False, which forks for
each request; `threads` is kinder to them. No tokenizer is asked: queries are token ids.
"""

import logging
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))


def build(tokens: str, offsets: str, folder: str) -> None:
    """Write the peer's index of the same tokens, by its own indexer."""
    import numpy as np  # noqa: PLC0415

    from bench.engine import peers  # noqa: PLC0415

    peers.write_inputs(np.load(tokens), np.load(offsets), Path(folder).resolve())
    peers.build(Path(folder).resolve())


def serve(folder: str, address: str, kind: str = "forks") -> None:
    """Answer POST / until killed."""
    from flask import Flask, request  # type: ignore[import-not-found] # noqa: PLC0415

    from bench.engine import peers  # noqa: PLC0415

    engine = peers.infini_gram(Path(folder))
    app = Flask(__name__)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)

    @app.post("/")  # type: ignore[untyped-decorator]
    def query() -> Any:
        asked = request.json
        if asked.get("index") != "bench" or asked.get("query_type") != "count":
            return {"error": "this bench serves count on the index bench"}, 400
        begun = time.perf_counter()
        answer = engine.count(input_ids=asked["query_ids"])
        latency = (time.perf_counter() - begun) * 1000
        return {**answer, "latency": latency, "token_ids": asked["query_ids"]}

    host, _, port = address.rpartition(":")
    how = {"threaded": True} if kind == "threads" else {"threaded": False, "processes": 10}
    app.run(host=host, port=int(port), debug=False, **how)


if __name__ == "__main__":
    if sys.argv[1] == "build":
        build(*sys.argv[2:])
    else:
        serve(*sys.argv[2:])
