"""python -m bench.filter --run RUN --index INDEX [--model FOLDER] [--rounds 7] [--results FILE]"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import gc
import time
from pathlib import Path
from statistics import median

from bench.engine.report import machine
from bench.filter.critics import Judged, compare
from bench.filter.replay import Replay, Work, forget, read_work, record
from services.filter.cascade import evaluate
from services.filter.rpc import SERVICE, FilterService
from services.runtime.server import Server
from services.runtime.settings import ServiceSettings
from stillhouse.filter.client import AsyncFilterClient
from stillhouse.filter.types import Cascade, LayerConfig
from stillhouse.filter.v1.filter_pb2_grpc import add_FilterServiceServicer_to_server

HERE = Path(__file__).resolve().parent
LAYERS = (
    "constraints", "fluency", "brevity", "surface", "abstractiveness", "novelty", "grounding",
    "diversity",
)  # fmt: skip
PARAPHRASE = ("length", "numbers", "dissimilarity")  # by themselves: summaries aren't for them
TARGET = 5_000
BATCH = 64  # candidates in a call, as four documents of sixteen


async def main(
    run: Path, index: Path, model: Path | None, candidates: int, rounds: int, results: Path
) -> None:
    """Measure everything once a round, so that what slows the machine slows all of it."""
    work = read_work(run)
    replay = await record(work, index)
    every = Cascade(tuple(LayerConfig(name) for name in LAYERS))
    shapes = {name: Cascade((LayerConfig(name),)) for name in (*LAYERS, *PARAPHRASE)}
    shapes["all, as a cascade"] = every
    shapes["all, score_all"] = Cascade(every.layers, score_all=True)
    found: dict[str, list[float]] = {name: [] for name in shapes}
    overhead = []
    gc.collect()
    gc.freeze()  # as a service that is ready does: else the run is looked at again and again
    for _ in range(rounds):
        for name, cascade in shapes.items():
            found[name].append(await _seconds(cascade, work, replay))
        overhead.append(
            await _through_the_door(every, work, replay) - found["all, as a cascade"][-1]
        )
    text = _page(run, work, found, overhead, rounds)
    if model is not None:
        text += _critics(await compare(_batches(work)[: max(1, candidates // BATCH)], model, index))
    results.write_text(text, encoding="utf-8")
    print(text)


async def _seconds(cascade: Cascade, work: Work, replay: Replay) -> float:
    """Processor seconds to judge all candidates in batches, with empty caches at the start."""
    forget()
    started = time.process_time()
    for part in _batches(work):
        await evaluate(cascade, part.documents, part.candidates, replay.backends)
    return time.process_time() - started


async def _through_the_door(cascade: Cascade, work: Work, replay: Replay) -> float:
    """The same over a socket: one caller, client and server in this process."""
    server = Server(ServiceSettings(drain_seconds=1), (SERVICE,))
    service = FilterService(replay.backends, BATCH)
    add_FilterServiceServicer_to_server(service, server.grpc)
    port = await server.start()
    await server.ready()
    async with AsyncFilterClient(f"127.0.0.1:{port}") as client:
        await client.evaluate(cascade, [], [])
        forget()
        started = time.process_time()
        for part in _batches(work):
            await client.evaluate(cascade, part.documents, part.candidates)
        seconds = time.process_time() - started
    await server.drain()
    return seconds


def _batches(work: Work) -> list[Work]:
    parts = []
    for start in range(0, len(work.candidates), BATCH):
        candidates = work.candidates[start : start + BATCH]
        wanted = {one.source_id for one in candidates}
        parts.append(Work([one for one in work.documents if one.id in wanted], candidates))
    return parts


def _page(
    run: Path, work: Work, found: dict[str, list[float]], overhead: list[float], rounds: int
) -> str:
    size = len(work.candidates)
    lines = [
        "# The filter's layers on one core",
        "",
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}, {machine()}. {size} candidates of the "
        f"run `{run.name}` about {len(work.documents)} documents, in batches of {BATCH}; "
        f"caches empty at the start of each round; median of {rounds} rounds, slowest and fastest "
        "in brackets; processor time, since the machine was shared. "
        "Nothing is drawn here: the run's own seed made the candidates.",
        "",
        "The answers of the index are real ones, asked once and replayed, so that these are the "
        "layers' own costs.",
        "",
        "| layers | candidates/s | µs a candidate |",
        "| --- | ---: | ---: |",
    ]
    for name, seconds in found.items():
        rates = sorted(size / one for one in seconds)
        lines.append(
            f"| {name} | {median(rates):,.0f} [{rates[0]:,.0f}, {rates[-1]:,.0f}] | "
            f"{1e6 * median(seconds) / size:.1f} |"
        )
    reached = size / median(found["all, as a cascade"])
    full = size / median(found["all, score_all"])
    lines += [
        "",
        f"Target: {TARGET:,} candidates/s for the layers together, but for those of paraphrases. "
        f"As a cascade {'reached' if reached >= TARGET else 'missed'}: {reached:,.0f}; with every "
        f"layer scoring every candidate {'reached' if full >= TARGET else 'missed'}: {full:,.0f}.",
        "",
        f"The service's door (gRPC, messages, one caller in the same process) adds "
        f"{1e6 * median(overhead) / size:.0f} µs a candidate.",
    ]
    return "\n".join(lines) + "\n"


def _critics(found: dict[str, Judged]) -> str:
    shape, every = found["cascade"], found["every layer"]
    lines = [
        "",
        "## With the critics",
        "",
        "The default cascade; filter, critic (one thread) and index as processes, two calls at a "
        "time; wall clock, one round.",
        "",
        "| | candidates | accepted | s | of the model | s an accepted one | without the model |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, one in found.items():
        each = f"{one.seconds / one.accepted:.1f}" if one.accepted else "-"
        idle = f"{one.idle:.1%}" if one.model_seconds else "-"
        lines.append(
            f"| {name} | {one.candidates} | {one.accepted} | {one.seconds:.1f} | "
            f"{one.model_seconds:.1f} | {each} | {idle} |"
        )
    lines += [
        "",
        "Without the cascade an accepted sample costs "
        f"{every.seconds / shape.seconds:.1f} times as much. At full load (every layer) the "
        f"service adds {every.idle:.1%} to the model's own time; asked were 5 %.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="bench.filter")
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--model", type=Path, help="the critic's folder; none leaves critics out")
    parser.add_argument("--candidates", type=int, default=256, help="how many critics judge")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--results", type=Path, default=HERE / "RESULTS.md")
    given = parser.parse_args()
    asyncio.run(
        main(given.run, given.index, given.model, given.candidates, given.rounds, given.results)
    )
