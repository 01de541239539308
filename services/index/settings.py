"""Settings of the index service."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from services.index.limits import Limits
from services.runtime.settings import ServiceSettings

_ENTRY = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)=(.+)")
_BETWEEN = re.compile(r",(?=[A-Za-z0-9][A-Za-z0-9._-]*=)")


class IndexSettings(ServiceSettings):
    """Which indexes are served and how much one call may ask."""

    indexes: Annotated[dict[str, Path], NoDecode] = Field(
        description="The indexes, as name=folder,name=folder; names are of letters, digits, . _ -"
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
        if not isinstance(value, str):
            return value
        folders: dict[str, Path] = {}
        for entry in _BETWEEN.split(value):
            parts = _ENTRY.fullmatch(entry.strip())
            if parts is None:
                raise ValueError(f"{entry!r} is not name=folder")
            if parts[1] in folders:
                raise ValueError(f"names {parts[1]!r} twice")
            folders[parts[1]] = Path(parts[2])
        return folders
