"""Asking a judge model which of two texts is better, over OpenAI's chat completions."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
from pydantic import BaseModel

from services.generator.backends.channel import Channel
from services.generator.backends.completions import Models
from services.generator.backends.patience import Patience, Refused
from services.generator.backends.remote import checked_url
from services.generator.settings import GeneratorSettings
from services.trainer.comparison import check_documents, pairs
from services.trainer.files import RunFolder, read_table, write_table
from services.trainer.pairwise import SCHEMA, Answer, outcome
from services.trainer.systems import in_order
from stillhouse.corpus import SourceDocument
from stillhouse.errors import FailedPrecondition, InvalidArgument
from stillhouse.recipe import Judge, Recipe

_FIELD = "recipe.evaluation.judge"
_QUESTIONS = {
    "summarize": "Which is the better summary of the text? A good summary says what matters most, "
    "says nothing that the text does not say, and is short and well written.",
    "paraphrase": "Which is the better paraphrase of the text? A good paraphrase says the same, "
    "no more and no less, in other words, and is well written.",
}
_FORM = "{question}\n\nText:\n{document}\n\nA:\n{a}\n\nB:\n{b}\n\nAnswer with A, B or TIE alone."
_SAID = re.compile(r"\b(A|B|TIE)\b")
_TOKENS = 16


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    message: _Message


class _Chat(BaseModel):
    choices: list[_Choice]


class JudgeClient:
    """One judge; the key is STILLHOUSE_BACKEND_API_KEY, as for a generator's server."""

    def __init__(self, judge: Judge, patience: Patience | None = None) -> None:
        settings = GeneratorSettings(backend="openai", backend_url=judge.url)
        patience = patience or Patience(settings.backend_attempts, settings.backend_connections)
        self._channel = Channel(checked_url(judge.url).removesuffix("/v1"), settings, patience)
        self._model = judge.model

    async def open(self) -> str:
        """The model's name; FailedPrecondition if it has to be named, or isn't there."""
        if not self._model:
            try:
                models = (await self._channel.ask(Models, "GET", "/v1/models")).data
            except Refused as error:
                raise FailedPrecondition(f"{_FIELD}.url: {error}") from None
            if len(models) != 1:
                names = ", ".join(one.id for one in models[:10]) or "none"
                raise InvalidArgument(f"{_FIELD}.model", f"name one of the server's: {names}")
            self._model = models[0].id
        return self._model

    async def better(self, task: str, document: str, a: str, b: str) -> str:
        """A, B, TIE, or empty if the judge says none of them."""
        question = _FORM.format(question=_QUESTIONS[task], document=document, a=a, b=b)
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": "user", "content": question}],
            "temperature": 0,
            "max_tokens": _TOKENS,
        }
        try:
            answer = await self._channel.ask(_Chat, "POST", "/v1/chat/completions", body)
        except Refused as error:
            raise FailedPrecondition(f"{_FIELD}: {self._channel.name} refuses: {error}") from None
        if not answer.choices:
            return ""
        return said(answer.choices[0].message.content or "")

    async def close(self) -> None:
        """Close connections."""
        await self._channel.close()


def said(text: str) -> str:
    """The verdict in a judge's words: the first of A, B and TIE that stands alone, or empty."""
    found = _SAID.search(text.replace("Tie", "TIE").replace("tie", "TIE"))
    return found.group() if found else ""


async def judge(
    recipe: Recipe,
    folder: RunFolder,
    documents: Sequence[SourceDocument],
    say: Callable[[str], None],
    client: JudgeClient | None = None,
) -> None:
    """Write what the recipe's judge says of all pairs of systems that have a table in `folder`.

    What it said before of the same texts is not asked again.
    """
    if recipe.evaluation.judge is None:
        return
    client = client or JudgeClient(recipe.evaluation.judge)
    try:
        model = await client.open()
        names = in_order((path.stem for path in folder.evaluations()), recipe.generations)
        tables = {name: read_table(folder.evaluation(name)) for name in names}
        check_documents(tables)
        texts = {name: table["text"].to_pylist() for name, table in tables.items()}
        before = _before(folder)
        rows: list[Mapping[str, str]] = []
        for system, versus in pairs(names, recipe):
            say(f"{system} against {versus}")
            answers = await asyncio.gather(
                *(
                    _row(client, model, recipe.task, (system, versus), one, both, before)
                    for one, *both in zip(documents, texts[system], texts[versus], strict=True)
                ),
                return_exceptions=True,
            )
            failed = [one for one in answers if isinstance(one, BaseException)]
            rows += [one for one in answers if not isinstance(one, BaseException)]
            if failed:  # what was said is paid for, and is not asked again
                everything = {**before, **{row["key"]: row for row in rows}}
                if everything:
                    _write(folder, list(everything.values()))
                raise failed[0]
        _write(folder, rows)
    finally:
        await client.close()


async def _row(
    client: JudgeClient,
    model: str,
    task: str,
    pair: tuple[str, str],
    document: SourceDocument,
    texts: Sequence[str],
    before: Mapping[str, Mapping[str, str]],
) -> Mapping[str, str]:
    key = hashlib.sha256(
        "\0".join([model, task, document.text, *texts, *pair]).encode()
    ).hexdigest()
    if key in before:
        return before[key]
    mine, other = texts
    first: Answer = "tie"
    second: Answer = "tie"
    if mine != other:
        first = _answer(await client.better(task, document.text, mine, other), "A")
        second = _answer(await client.better(task, document.text, other, mine), "B")
    return {
        "system": pair[0],
        "versus": pair[1],
        "source_id": document.id,
        "key": key,
        "first": first,
        "second": second,
        "outcome": outcome(first, second),
    }


def _answer(told: str, place: str) -> Answer:
    """Whom the judge prefers, the system standing at `place`."""
    if told in ("A", "B"):
        return "system" if told == place else "versus"
    return "tie" if told == "TIE" else "unclear"


def _write(folder: RunFolder, rows: Sequence[Mapping[str, str]]) -> None:
    write_table(folder.judgements, pa.Table.from_pylist(rows, schema=SCHEMA))


def _before(folder: RunFolder) -> dict[str, Mapping[str, str]]:
    if not folder.judgements.exists():
        return {}
    return {row["key"]: row for row in read_table(folder.judgements).to_pylist()}
