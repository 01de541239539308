"""Conducting one run: collect, train, evaluate, and the student becomes the teacher."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
from nats.js import JetStreamContext

from services.checkpoints.digest import digest
from services.checkpoints.load import load_tokenizer
from services.runtime.streams import Publisher
from services.topology import CANDIDATES, FILTERS, GENERATORS, MODELS_BUCKET, PROMPTS
from services.trainer import evaluation, readiness, systems, tables
from services.trainer.buffer import NEAR_DUPLICATE, TrainingBuffer
from services.trainer.cascades import cascade_of
from services.trainer.collector import Collector, Work, timed
from services.trainer.examiner import Examiner, patiently
from services.trainer.files import read_table, write_table, write_text
from services.trainer.funnel import funnel
from services.trainer.keywords import Idf, clauses_for
from services.trainer.monitor import Monitor
from services.trainer.outlines import outline_of
from services.trainer.prompts import Plan, decoding_of, derived_seed, make_plan, make_prompt
from services.trainer.report import Report, spread
from services.trainer.schedule import Schedule
from services.trainer.student import Pair, train
from stillhouse.corpus import SourceDocument
from stillhouse.filter.client import AsyncFilterClient
from stillhouse.filter.types import Document
from stillhouse.generator.client import AsyncGeneratorClient
from stillhouse.generator.types import Clause, ModelPointer
from stillhouse.recipe import Recipe
from stillhouse.trainer.types import GenerationProgress, Stage

log = logging.getLogger(__name__)

_PATIENCE = 10.0  # seconds that a generator may take to say what it is


@dataclass(frozen=True)
class Backends:
    """Whom a run works with; `workers` is one of the generators that read the queue."""

    js: JetStreamContext
    publisher: Publisher
    generator: AsyncGeneratorClient
    workers: AsyncGeneratorClient
    filter: AsyncFilterClient

    async def check(self, recipe: Recipe, teacher: ModelPointer) -> None:
        """As `services.trainer.readiness`; Unavailable while a generator does not answer."""
        workers = await self.workers.describe(timeout=_PATIENCE)
        readiness.check_workers(recipe, teacher, workers)
        readiness.check_writer(await self.generator.describe(timeout=_PATIENCE))


class Conductor:
    """Takes one run from wherever it stands to its report.

    Every step leaves its result in the run's folder and is skipped where that is
    there already; this is all that resuming needs.
    """

    def __init__(
        self, monitor: Monitor, recipe: Recipe, teacher: ModelPointer, backends: Backends
    ) -> None:
        self._monitor = monitor
        self._folder = monitor.folder
        self._recipe = recipe
        self._teacher = teacher
        self._backends = backends
        self._stopped = threading.Event()

    async def run(self) -> None:
        """Do all that is left to do."""
        training, held_out = tables.documents_from(read_table(self._folder.documents))
        elapsed = timed(self._monitor.run.seconds)
        clock = asyncio.create_task(self._tick(elapsed))
        try:
            await self._generations(training, held_out)
            self._monitor.update(stage=Stage.DONE, seconds=elapsed())
            self._write_report(training, held_out)
        finally:
            self._stopped.set()
            clock.cancel()

    async def _generations(
        self, training: Sequence[SourceDocument], held_out: Sequence[SourceDocument]
    ) -> None:
        tokenizer = load_tokenizer(Path(self._teacher.uri))
        prompts = {
            one.id: make_prompt(one.text, self._recipe.prompt, tokenizer)
            for one in (*training, *held_out)
        }
        self._stage(Stage.EVALUATING)
        await patiently(lambda: self._backends.check(self._recipe, self._teacher))
        examiner = self._examiner(held_out)
        await examiner.texts(systems.LEAD, systems.lead(held_out))
        await examiner.texts(systems.COPY, systems.copy(held_out))
        await examiner.model(systems.TEACHER, self._teacher, prompts)
        teacher, consumed = self._teacher, 0
        for generation in range(1, self._recipe.generations + 1):
            self._monitor.update(generation=generation)
            plan = make_plan(self._recipe, len(training), consumed)
            consumed += await self._collect(generation, teacher, plan, training, prompts)
            teacher = await self._train(generation, teacher, prompts)
            self._stage(Stage.EVALUATING)
            await examiner.model(systems.student_name(generation), teacher, prompts)
            await self._publish(teacher)

    def _examiner(self, held_out: Sequence[SourceDocument]) -> Examiner:
        return Examiner(
            self._backends.generator,
            self._backends.filter,
            self._recipe,
            self._folder,
            held_out,
            lambda done: self._monitor.update(stage_done=done, stage_total=len(held_out)),
        )

    async def _collect(
        self,
        generation: int,
        teacher: ModelPointer,
        plan: Plan,
        training: Sequence[SourceDocument],
        prompts: dict[str, str],
    ) -> int:
        """Collect a generation; returns the number of documents it used."""
        if self._folder.verdicts(generation).exists():
            batches = read_table(self._folder.verdicts(generation))["batch"].to_pylist()
            return len(set(batches)) * plan.size
        self._stage(Stage.COLLECTING)
        settings = self._recipe.generation
        schedule = Schedule(
            batches=plan.batches, window=settings.batches_in_flight, target=settings.target
        )
        buffer = TrainingBuffer(self._recipe.filter.near_duplicate)
        work = Work(
            generation=generation,
            attempt=self._monitor.attempt,
            teacher=teacher,
            decoding=decoding_of(self._recipe, generation),
            cascade=cascade_of(self._recipe),
            plan=plan,
            documents=[Document(one.id, one.text) for one in training],
            prompts=[prompts[one.id] for one in training],
            constraints=self._constraints(training),
            outline=lambda text: outline_of(text, self._recipe.constraints.compression),
        )
        collector = Collector(self._backends.js, self._backends.publisher, self._folder)
        elapsed = timed(self._seconds_before(generation))
        depths = asyncio.create_task(self._watch_depths())
        try:
            batches = await collector.collect(
                work,
                schedule,
                buffer,
                lambda: self._progressed(generation, buffer, elapsed()),
            )
        finally:
            depths.cancel()
            self._monitor.update(prompts_pending=0, candidates_pending=0)
        self._progressed(generation, buffer, elapsed())
        self._merge(generation, batches, buffer, training)
        return batches * plan.size

    def _constraints(
        self, training: Sequence[SourceDocument]
    ) -> Callable[[str], tuple[Clause, ...]]:
        settings = self._recipe.constraints
        idf = Idf(one.text for one in training) if settings.keywords else Idf([])
        return lambda text: clauses_for(text, settings, idf)

    def _seconds_before(self, generation: int) -> float:
        return sum(
            one.seconds for one in self._monitor.run.progress if one.generation == generation
        )

    def _progressed(self, generation: int, buffer: TrainingBuffer, seconds: float) -> None:
        layers = [layer.name for layer in cascade_of(self._recipe).layers]
        settings = self._recipe.generation
        self._monitor.progressed(
            GenerationProgress(
                generation=generation,
                judged=len(buffer.rows),
                accepted=len(buffer.accepted),
                target=settings.target,
                budget=settings.budget,
                layers=funnel((row.verdict for row in buffer.rows), [*layers, NEAR_DUPLICATE]),
                seconds=seconds,
            )
        )

    def _merge(
        self,
        generation: int,
        batches: int,
        buffer: TrainingBuffer,
        training: Sequence[SourceDocument],
    ) -> None:
        parts = [read_table(self._folder.part(generation, batch)) for batch in range(batches)]
        final = tables.with_final_verdicts(pa.concat_tables(parts), buffer.rows)
        texts = {one.id: one.text for one in training}
        write_table(self._folder.dataset(generation), tables.dataset_table(final, texts))
        write_table(self._folder.verdicts(generation), final)
        self._monitor.save()
        self._folder.drop_parts()

    async def _train(
        self, generation: int, teacher: ModelPointer, prompts: dict[str, str]
    ) -> ModelPointer:
        folder = self._folder.student(generation)
        if not folder.exists():
            self._stage(Stage.TRAINING)
            rows = read_table(self._folder.dataset(generation)).to_pylist()
            pairs = [Pair(prompts[row["source_id"]], row["summary"]) for row in rows]
            loop = asyncio.get_running_loop()

            def progress(done: int, total: int, loss: float) -> None:
                loop.call_soon_threadsafe(
                    lambda: self._monitor.update(stage_done=done, stage_total=total, loss=loss)
                )

            await asyncio.to_thread(
                train,
                teacher,
                pairs,
                self._recipe.student,
                seed=derived_seed(self._recipe.seed, f"student {generation}"),
                folder=folder,
                progress=progress,
                cancelled=self._stopped.is_set,
            )
        found = await asyncio.to_thread(digest, folder)
        return ModelPointer(str(folder.resolve()), found, generation)

    async def _publish(self, student: ModelPointer) -> None:
        """Tell everybody which model the run's next teacher is."""
        bucket = await self._backends.js.key_value(MODELS_BUCKET)
        await bucket.put(self._folder.id, json.dumps(asdict(student)).encode())

    def _write_report(
        self, training: Sequence[SourceDocument], held_out: Sequence[SourceDocument]
    ) -> None:
        generations = range(1, self._recipe.generations + 1)
        students = [systems.student_name(generation) for generation in generations]
        names = [systems.TEACHER, *students, systems.LEAD, systems.COPY]
        judged = [
            row
            for generation in generations
            for row in tables.judged_candidates(read_table(self._folder.verdicts(generation)))
        ]
        report = Report(
            run_id=self._folder.id,
            recipe=self._recipe,
            teacher_digest=self._teacher.digest,
            seconds=self._monitor.run.seconds,
            documents=len(training),
            held_out=len(held_out),
            generations=self._monitor.run.progress,
            systems=[
                evaluation.summarise(name, read_table(self._folder.evaluation(name)), self._recipe)
                for name in names
            ],
            accepted=spread(row for row in judged if row.accepted),
            rejected=spread(row for row in judged if not row.accepted),
            texts={one.id: one.text for one in training},
        )
        write_text(self._folder.report, report.markdown())

    def _stage(self, stage: Stage) -> None:
        self._monitor.update(stage=stage, stage_done=0, stage_total=0)
        self._monitor.save()

    async def _tick(self, elapsed: Callable[[], float]) -> None:
        while True:
            await asyncio.sleep(1)
            self._monitor.update(seconds=elapsed())

    async def _watch_depths(self) -> None:
        while True:
            try:
                prompts = await self._backends.js.consumer_info(PROMPTS, GENERATORS)
                candidates = await self._backends.js.consumer_info(CANDIDATES, FILTERS)
            except Exception as error:
                log.info("queue depths not known: %r", error)
            else:
                self._monitor.update(
                    prompts_pending=(prompts.num_pending or 0) + (prompts.num_ack_pending or 0),
                    candidates_pending=(candidates.num_pending or 0)
                    + (candidates.num_ack_pending or 0),
                )
            await asyncio.sleep(1)
