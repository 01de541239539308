"""The n-gram indexes that a generator may mix in while it decodes."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from pathlib import Path

from services.checkpoints.load import LoadedModel
from services.generator.settings import GeneratorSettings
from stillhouse.errors import FailedPrecondition, StillhouseError, Unavailable
from stillhouse.generator.types import Infgram
from stillhouse.index.client import IndexClient

_PATIENCE = 5.0  # seconds that the index service may take to say what it has


class Indexes:
    """Those of one index service, or with `client` None none at all."""

    def __init__(self, client: IndexClient | None = None, target: str = "") -> None:
        self.client = client
        self._target = target

    @classmethod
    def open(cls, settings: GeneratorSettings) -> Indexes:
        """Of the service that the settings name."""
        if not settings.index_target:
            return cls()
        client = IndexClient(
            settings.index_target, tls=settings.peers_tls, token=settings.peers_token
        )
        return cls(client, settings.index_target)

    async def usable(self, loaded: LoadedModel) -> Mapping[str, str]:
        """Name or alias of each index cut by the model's tokenizer, to its digest.

        The empty name stands for the only one. FailedPrecondition says why there are none,
        Unavailable that the service does not answer.
        """
        if self.client is None:
            raise FailedPrecondition(
                "it knows no index service; give it one by STILLHOUSE_INDEX_TARGET"
            )
        if loaded.tokenizer.eos_token_id is None:
            raise FailedPrecondition("its model has no token for the end of a text")
        try:
            known = await asyncio.to_thread(self.client.list_indexes, timeout=_PATIENCE)
        except StillhouseError as error:
            raise Unavailable(f"its index service at {self._target}: {error}") from None
        tokenizer = Path(loaded.pointer.uri) / "tokenizer.json"
        own = hashlib.sha256(tokenizer.read_bytes()).hexdigest() if tokenizer.is_file() else ""
        found: dict[str, str] = {}
        for one in known:
            if one.ready and own and one.tokenizer_sha256 == own:
                names = [one.name, *one.aliases] + ([""] if len(known) == 1 else [])
                found |= dict.fromkeys(names, one.digest)
        if not found:
            raise FailedPrecondition(
                f"none of the {len(known)} indexes at {self._target} is ready and was cut by the "
                f"model's own tokenizer; build one with `--tokenizer {loaded.pointer.uri}`"
            )
        return found

    async def client_for(self, infgram: Infgram, loaded: LoadedModel) -> IndexClient:
        """Who answers for an index; FailedPrecondition if there is none such, or it has changed."""
        usable = await self.usable(loaded)
        digest = usable.get(infgram.index)
        if digest is None or self.client is None:
            raise FailedPrecondition(
                f"decoding.infgram.index: none is named {infgram.index!r}; this generator can mix "
                f"in {listed(usable)}"
            )
        if infgram.digest not in ("", digest):
            raise FailedPrecondition(
                f"decoding.infgram.digest: index {infgram.index!r} has digest {digest[:12]}, not "
                f"{infgram.digest[:12]}; serve the index that the run began with"
            )
        return self.client

    def close(self) -> None:
        """Close the channel."""
        if self.client is not None:
            self.client.close()


def listed(usable: Mapping[str, str]) -> str:
    """The names of indexes, for a message."""
    return ", ".join(sorted(name for name in usable if name)) or "none"
