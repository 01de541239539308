"""Conducting one run: collect, train, evaluate, and the student becomes the teacher."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pyarrow as pa
from nats.js import JetStreamContext

from services.checkpoints.digest import digest
from services.checkpoints.load import load_tokenizer
from services.runtime.cancelling import raise_if_cancelled, to_the_end
from services.runtime.streams import Publisher
from services.topology import CANDIDATES, FILTERS, GENERATORS, MODELS_BUCKET, PROMPTS
from services.trainer import obtained, readiness, systems, tables
from services.trainer.asking import Asking, asked_in_turn, expert_recipe, pairs_of
from services.trainer.buffer import TrainingBuffer
from services.trainer.cascades import cascade_of
from services.trainer.collector import Collector, Work, timed
from services.trainer.diversity import compare
from services.trainer.examiner import Examiner, patiently
from services.trainer.files import read_table, write_table
from services.trainer.keywords import Idf, clauses_for
from services.trainer.lineage import MANIFEST
from services.trainer.monitor import Monitor
from services.trainer.obtained import CONTROL
from services.trainer.outlines import outline_of
from services.trainer.prompts import Plan, decoding_of, derived_seed, make_plan
from services.trainer.provenance import record
from services.trainer.reporting import write_report
from services.trainer.schedule import Schedule
from services.trainer.stopping import Decision, decide, exhausted
from services.trainer.students.pairs import Pair
from services.trainer.students.progress import Progress
from services.trainer.students.running import trained
from services.trainer.students.start import start_of
from services.trainer.students.training import Job
from stillhouse.corpus import SourceDocument
from stillhouse.filter.client import AsyncFilterClient
from stillhouse.filter.types import Document
from stillhouse.generator.client import AsyncGeneratorClient
from stillhouse.generator.types import Clause, ModelDescription, ModelPointer, Prompt
from stillhouse.recipe import Recipe
from stillhouse.trainer.types import GenerationProgress, Stage

log = logging.getLogger(__name__)

_PATIENCE = 10.0  # seconds that a generator may take to say what it is


@dataclass(frozen=True)
class Backends:
    """Whom a run works with; `workers` is one of the generators that read the queue.

    `shard_rows` are the judged candidates in a shard of the training buffer.
    `processes` train a student together; 0: one for each GPU.
    """

    js: JetStreamContext
    publisher: Publisher
    generator: AsyncGeneratorClient
    workers: AsyncGeneratorClient
    filter: AsyncFilterClient
    shard_rows: int
    processes: int = 0

    async def with_index(self, recipe: Recipe, teacher: ModelPointer) -> Recipe:
        """As `readiness.with_index`; Unavailable if there is an index and no generator answers."""
        if not recipe.generation.infgram.active:
            return recipe
        return readiness.with_index(recipe, await self._described(recipe, teacher))

    async def check(self, recipe: Recipe, teacher: ModelPointer) -> None:
        """As `services.trainer.readiness`; Unavailable while a generator does not answer."""
        readiness.check_workers(recipe, teacher, await self._described(recipe, teacher))
        readiness.check_writer(await self.generator.describe(timeout=_PATIENCE))

    async def _described(self, recipe: Recipe, teacher: ModelPointer) -> ModelDescription:
        """What a generator can do. Which indexes it can mix in depends on the tokenizer of its
        model, so for that it speaks of the teacher and not of whatever it had before.
        """
        told = await self.workers.describe(timeout=_PATIENCE)
        other = told.pointer.digest != teacher.digest
        if recipe.generation.infgram.active and other and not told.load_refused:
            await self.workers.load_model(teacher)
            told = await self.workers.describe(timeout=_PATIENCE)
        return told


class Conductor:
    """Takes one run from wherever it stands to its report.

    Every step leaves its result in the run's folder and is skipped where that is
    there already; this is all that resuming needs.
    """

    def __init__(
        self,
        monitor: Monitor,
        recipe: Recipe,
        teacher: ModelPointer,
        backends: Backends,
        start: ModelPointer | None = None,
    ) -> None:
        """`start` is the model that `student.start` names, if it names one."""
        self._monitor = monitor
        self._folder = monitor.folder
        self._recipe = recipe
        self._teacher = teacher
        self._backends = backends
        self._start = start

    async def run(self) -> None:
        """Do all that is left to do."""
        training, held_out = tables.documents_from(read_table(self._folder.documents))
        elapsed = timed(self._monitor.run.seconds)
        clock = asyncio.create_task(self._tick(elapsed))
        try:
            await self._generations(training, held_out)
            self._monitor.update(stage=Stage.DONE, seconds=elapsed())
            await asyncio.to_thread(
                write_report, self._folder, self._recipe, self._teacher.digest, self._monitor.run
            )
        finally:
            clock.cancel()

    async def _generations(
        self, training: Sequence[SourceDocument], held_out: Sequence[SourceDocument]
    ) -> None:
        asking = Asking.teacher(self._recipe, load_tokenizer(Path(self._teacher.uri)))
        prompt, unasked = asked_in_turn(asking, training), asking.each(held_out)
        self._stage(Stage.EVALUATING)
        await patiently(lambda: self._backends.check(self._recipe, self._teacher))
        examiner = self._examiner(held_out)
        await examiner.baselines()
        await examiner.model(systems.TEACHER, self._teacher, unasked)
        await self._ask_buckets(systems.TEACHER, self._teacher, asking, examiner, held_out)
        teacher, consumed = self._teacher, 0
        student = self._asking_students()
        untold = student.each(held_out)
        for generation in range(1, self._recipe.generations + 1):
            self._monitor.update(generation=generation)
            plan = make_plan(self._recipe, len(training), consumed)
            if not plan.batches:
                self._stop(exhausted(len(training), generation))
                break
            consumed += await self._collect(generation, teacher, plan, training, prompt)
            ending = await self._look_back(generation)
            if ending and not ending.trains:
                break
            expert = self._monitor.progress(generation).expert
            teacher = await self._train(generation, teacher, asking if expert else student)
            self._stage(Stage.EVALUATING)
            system = systems.student_name(generation)
            if expert:
                await examiner.model(system, teacher, unasked)
            else:
                prompt = asked_in_turn(student, training)
                await examiner.model(system, teacher, untold)
                await self._ask_buckets(system, teacher, student, examiner, held_out)
            await self._publish(teacher)
            if ending:
                break

    async def _look_back(self, generation: int) -> Decision | None:
        """Compare a collected generation with those before it; the decision is told and kept."""
        progress = self._monitor.progress(generation)
        if generation > 1 and progress.diversity is None:
            first, now = self._folder.dataset(1), self._folder.dataset(generation)
            found = await asyncio.to_thread(compare, first, now, self._recipe.seed)
            self._monitor.progressed(replace(progress, diversity=found))
        log.info(
            "generation collected",
            extra={
                "run": self._folder.id,
                "generation": generation,
                "pass_rate": round(progress.pass_rate, 4),
            },
        )
        collected = [one for one in self._monitor.run.progress if one.generation <= generation]
        decision = decide(collected, self._recipe.stop)
        if decision:  # whatever it trains is the last, so it is a student
            self._monitor.progressed(replace(self._monitor.progress(generation), expert=False))
            self._stop(decision)
        self._monitor.save()
        return decision

    def _stop(self, decision: Decision) -> None:
        if self._monitor.run.generation < self._recipe.generations or not decision.trains:
            self._monitor.update(stop_reason=decision.reason)

    def _asking_students(self) -> Asking:
        start = self._start or self._teacher
        return Asking.student(self._recipe, load_tokenizer(Path(start.uri)))

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
        prompt: Callable[[Document], Prompt],
    ) -> int:
        """Collect a generation; returns the number of documents it used."""
        if self._folder.verdicts(generation).exists():
            return tables.batches_in(self._folder.verdicts(generation)) * plan.size
        self._stage(Stage.COLLECTING)
        settings = self._recipe.generation
        cascade = cascade_of(self._recipe)
        buffer = await to_the_end(
            TrainingBuffer,
            self._folder,
            generation,
            threshold=self._recipe.filter.near_duplicate,
            layers=[layer.name for layer in cascade.layers],
            shard_rows=self._backends.shard_rows,
        )
        schedule = Schedule(
            batches=plan.batches,
            window=settings.batches_in_flight,
            target=settings.target,
            accepted=buffer.accepted_by_batch,
        )
        work = Work(
            generation=generation,
            attempt=self._monitor.attempt,
            teacher=teacher,
            decoding=decoding_of(self._recipe, generation),
            cascade=cascade,
            plan=plan,
            documents=[Document(one.id, one.text) for one in training],
            prompt=prompt,
            # In a thread, what takes long with many documents: health is answered meanwhile.
            constraints=await asyncio.to_thread(self._constraints, training),
            outline=lambda text: outline_of(text, self._recipe.constraints.compression),
        )
        collector = Collector(self._backends.js, self._backends.publisher, self._folder)
        elapsed = timed(self._seconds_before(generation))
        depths = asyncio.create_task(self._watch_depths())
        try:
            await collector.collect(
                work,
                schedule,
                buffer,
                lambda: self._progressed(generation, buffer, elapsed()),
            )
        finally:
            depths.cancel()
            self._monitor.update(prompts_pending=0, candidates_pending=0)
        self._progressed(generation, buffer, elapsed())
        self._monitor.save()
        await to_the_end(buffer.finish, {one.id: one.text for one in training})
        return buffer.batches * plan.size

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
        settings = self._recipe.generation
        self._monitor.progressed(
            GenerationProgress(
                generation=generation,
                judged=buffer.judged,
                accepted=buffer.accepted,
                target=settings.target,
                budget=settings.budget,
                layers=buffer.funnel,
                seconds=seconds,
                expert=generation <= self._recipe.expert_rounds,
            )
        )

    async def _train(self, generation: int, teacher: ModelPointer, asking: Asking) -> ModelPointer:
        folder = self._folder.student(generation)
        recipe = self._recipe
        start = start_of(recipe.student, teacher=teacher, first=self._teacher, named=self._start)
        if self._monitor.progress(generation).expert:
            recipe, start = expert_recipe(recipe), teacher
        if not folder.exists():
            self._stage(Stage.TRAINING)
            seed = derived_seed(recipe.seed, f"student {generation}")
            job = Job(
                start=start,
                pairs=await asyncio.to_thread(self._pairs, generation, asking, seed),
                settings=recipe.student,
                seed=seed,
                folder=folder,
                checkpoints=self._folder.training(generation),
            )
            await trained(job, self._learned, self._backends.processes)
            self._monitor.update(tokens_per_second=0.0, eta_seconds=0.0)
        self._folder.drop_training(generation)
        found = await asyncio.to_thread(digest, folder)
        student = ModelPointer(str(folder.resolve()), found, generation)
        if not (folder / MANIFEST).exists():
            await asyncio.to_thread(self._record, student, teacher, start)
        return student

    def _pairs(self, generation: int, asking: Asking, seed: int) -> list[Pair]:
        rows = read_table(self._folder.dataset(generation)).to_pylist()
        return pairs_of(rows, asking, seed)

    def _record(self, student: ModelPointer, teacher: ModelPointer, start: ModelPointer) -> None:
        generation, seed = student.generation, self._recipe.seed
        first = teacher.digest == self._teacher.digest
        record(
            student,
            run=self._folder,
            recipe_name=self._recipe.name,
            teacher_name=self._recipe.teacher.model if first else Path(teacher.uri).name,
            teacher=teacher,
            dataset=self._folder.dataset(generation),
            seeds={
                "run": seed,
                "generation": derived_seed(seed, f"generation {generation}"),
                "student": derived_seed(seed, f"student {generation}"),
            },
            start_name=self._recipe.student.named or self._recipe.teacher.model,
            start=start,
        )

    def _learned(self, progress: Progress) -> None:
        self._monitor.update(
            stage_done=progress.step,
            stage_total=progress.steps,
            loss=progress.loss,
            held_out_loss=progress.held_out_loss,
            tokens_per_second=progress.tokens_per_second,
            eta_seconds=progress.eta_seconds,
        )

    async def _ask_buckets(
        self,
        system: str,
        model: ModelPointer,
        asking: Asking,
        examiner: Examiner,
        held_out: Sequence[SourceDocument],
    ) -> None:
        """Add what a system gave of what it was asked for to evaluation/control.parquet."""
        path = self._folder.evaluation(CONTROL)
        known = read_table(path) if path.exists() else None
        told = known is not None and system in known["system"].to_pylist()
        if told or not asking.control.active:
            return
        found = await obtained.obtain(
            system,
            lambda prompts: examiner.write(model, prompts),
            asking,
            held_out,
        )
        write_table(path, pa.concat_tables([known, found]) if known is not None else found)

    async def _publish(self, student: ModelPointer) -> None:
        """Tell everybody which model the run's next teacher is."""
        bucket = await self._backends.js.key_value(MODELS_BUCKET)
        await bucket.put(self._folder.id, json.dumps(asdict(student)).encode())

    def _stage(self, stage: Stage) -> None:
        self._monitor.update(stage=stage, stage_done=0, stage_total=0)
        self._monitor.save()

    async def _tick(self, elapsed: Callable[[], float]) -> None:
        while True:
            await asyncio.sleep(1)
            self._monitor.update(seconds=elapsed())

    async def _watch_depths(self) -> None:
        while True:
            raise_if_cancelled()
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
