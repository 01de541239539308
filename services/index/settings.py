"""Settings of the index service."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from services.index.limits import Limits
from services.index.shards.address import Address
from services.runtime.settings import ServiceSettings
from stillhouse.errors import InvalidArgument

_ENTRY = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)=(.+)")
_BETWEEN = re.compile(r",(?=[A-Za-z0-9][A-Za-z0-9._-]*=)")


class IndexSettings(ServiceSettings):
    """Which indexes are served and how much one call may ask."""

    indexes: Annotated[dict[str, Path], NoDecode] = Field(
        default={},
        description="The indexes, as name=folder,name=folder; names are of letters, digits, . _ -",
    )
    shards: Annotated[dict[str, tuple[Address, ...]], NoDecode] = Field(
        default={},
        description="In place of indexes: those that other index services hold in shards, as "
        "name=host:port/index,host:port/index with a target for each shard. Their limits must "
        "allow what this service's do.",
    )
    shard_tokenizers: Annotated[dict[str, Path], NoDecode] = Field(
        default={},
        description="The tokenizer.json that the shards were cut with, as name=file,name=file.",
    )
    shard_calls: int = Field(
        default=32, gt=0, description="Calls worked on at once while shards are asked."
    )
    shard_seconds: float = Field(
        default=5.0, gt=0, description="Time between two looks at whether shards hold new content."
    )
    preload: bool = Field(
        default=False, description="Read the indexes into memory instead of mapping their files."
    )
    index_root: Path | None = Field(
        default=None,
        description="Folder below which LoadIndex may open indexes; unset: they are fixed.",
    )
    threads: int = Field(
        default=2, gt=0, description="Calls worked on at once; short ones are answered beside."
    )
    max_query_tokens: int = Field(default=65_536, gt=0, description="Longest query in tokens.")
    max_query_characters: int = Field(
        default=1_000_000, gt=0, description="Longest query or text in characters."
    )
    max_batch_queries: int = Field(
        default=4096, gt=0, description="Most queries or texts in one call."
    )
    max_batch_tokens: int = Field(
        default=1_048_576, gt=0, description="Most tokens in one call, all queries together."
    )

    max_next_tokens: int = Field(
        default=262_144, gt=0, description="Most next tokens in one answer."
    )
    max_documents: int = Field(default=1000, gt=0, description="Most documents in one answer.")
    max_positions: int = Field(default=100_000, gt=0, description="Most positions in one answer.")
    max_context_tokens: int = Field(
        default=10_000, gt=0, description="Most tokens shown on each side of a match."
    )
    max_cnf_clauses: int = Field(default=16, gt=0, description="Most clauses of a CNF query.")
    max_clause_ngrams: int = Field(default=64, gt=0, description="Most n-grams in a clause.")
    max_diff_tokens: int = Field(
        default=1000, gt=0, description="Furthest distance between clauses, in tokens."
    )

    @property
    def limits(self) -> Limits:
        """How much one call may ask."""
        return Limits(
            query_tokens=self.max_query_tokens,
            query_characters=self.max_query_characters,
            batch_queries=self.max_batch_queries,
            batch_tokens=self.max_batch_tokens,
            next_tokens=self.max_next_tokens,
            documents=self.max_documents,
            positions=self.max_positions,
            context_tokens=self.max_context_tokens,
            cnf_clauses=self.max_cnf_clauses,
            clause_ngrams=self.max_clause_ngrams,
            diff_tokens=self.max_diff_tokens,
        )

    @field_validator("indexes", mode="before")
    @classmethod
    def _parse(cls, value: object) -> object:
        return _named(value, "folder") if isinstance(value, str) else value

    @field_validator("shard_tokenizers", mode="before")
    @classmethod
    def _parse_tokenizers(cls, value: object) -> object:
        return _named(value, "file") if isinstance(value, str) else value

    @field_validator("shards", mode="before")
    @classmethod
    def _parse_shards(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return {
            name: tuple(map(Address.parse, addresses.split(",")))
            for name, addresses in _named(value, "host:port/index").items()
        }

    @classmethod
    def from_environment(cls) -> Self:
        """The settings, or InvalidArgument naming the variable that is wrong."""
        found = super().from_environment()
        if not found.indexes and not found.shards:
            raise InvalidArgument("STILLHOUSE_INDEXES", "is missing; give it, or STILLHOUSE_SHARDS")
        if found.indexes and found.shards:
            raise InvalidArgument("STILLHOUSE_SHARDS", "given beside indexes; give one of them")
        if unknown := sorted(found.shard_tokenizers.keys() - found.shards.keys()):
            raise InvalidArgument(
                "STILLHOUSE_SHARD_TOKENIZERS", f"names {unknown[0]!r}, which has no shards"
            )
        return found


def _named(value: str, form: str) -> dict[str, str]:
    """The values of name=value,name=value; they may hold commas."""
    found: dict[str, str] = {}
    for entry in _BETWEEN.split(value):
        parts = _ENTRY.fullmatch(entry.strip())
        if parts is None:
            raise ValueError(f"{entry!r} is not name={form}")
        if parts[1] in found:
            raise ValueError(f"names {parts[1]!r} twice")
        found[parts[1]] = parts[2]
    return found
