"""Opening a set of shards: they must be ready, differ, and share one tokenizer."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from services.index.engine import Stop
from services.index.limits import Limits
from services.index.registry import LoadedIndex, Registry
from services.index.settings import IndexSettings
from services.index.shards.address import Address
from services.index.shards.calls import Shard, ask_all
from services.index.shards.documents import ShardDocuments
from services.index.shards.ngrams import ShardNgrams
from services.index.tokenizer import IndexTokenizer
from stillhouse.errors import (
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    StillhouseError,
    Unavailable,
)
from stillhouse.index import convert
from stillhouse.index.types import IndexInfo
from stillhouse.index.v1 import index_pb2 as pb
from stillhouse.index.v1.index_pb2_grpc import IndexServiceStub
from stillhouse.security import Tls, bearer
from stillhouse.transport import open_channel, translated

log = logging.getLogger(__name__)

_PATIENCE = 10.0
_NOTHING = pb.Query(tokens=pb.TokenIds())


class ShardSet:
    """The shards of one index by their addresses; each opening sees what they hold by then."""

    def __init__(
        self,
        name: str,
        addresses: Sequence[Address],
        tokenizer: Path | None = None,
        limits: Limits | None = None,
        tls: Tls | None = None,
        token: str = "",
    ) -> None:
        self._name = name
        self._addresses = tuple(addresses)
        self._tokenizer = tokenizer
        self._limits = limits or Limits()
        self._metadata = [bearer(one.target, tls, token) for one in addresses]
        self._channels = [open_channel(one.target, tls, pinned=True) for one in addresses]
        self._stubs = [IndexServiceStub(channel) for channel in self._channels]
        self._opened: Sequence[Shard] = ()

    def close(self) -> None:
        """End calls under way and close the channels."""
        for channel in self._channels:
            channel.close()

    def stale(self) -> bool:
        """Whether a shard answers no longer for its content of the last opening; blocks.

        False while any of its replicas does, so that a rollout moves the set once, not with
        whichever replica was asked. Raises Unavailable naming a shard that does not answer.
        """
        for shard in self._opened:
            try:
                with translated():
                    shard.begin("Count", pb.CountRequest(query=_NOTHING), _PATIENCE).result()
            except FailedPrecondition:
                return True
            except StillhouseError as error:
                raise Unavailable(f"shard {shard.name}: {error}") from None
        return False

    def open(self) -> LoadedIndex:
        """The shards as one index; blocks.

        Raises Unavailable naming a shard that does not answer or is loading, NotFound for
        an index that it does not hold, FailedPrecondition if two hold the same content or
        they were cut by different tokenizers, or not by the one that is given.
        """
        infos = self._infos()
        tokenizer = self._read_tokenizer(_common_tokenizer(self._addresses, infos))
        shards = []
        tokens = documents = 0
        for number, (address, info) in enumerate(zip(self._addresses, infos, strict=True)):
            shards.append(
                Shard(
                    str(address),
                    f"{info.name}@{info.digest}",
                    self._stubs[number],
                    self._metadata[number],
                    info.tokens,
                    info.documents,
                    tokens,
                    documents,
                )
            )
            tokens += info.tokens
            documents += info.documents
        ngrams = ShardNgrams(
            shards, _digest(infos), infos[0].tokenizer_sha256, self._distinct(shards), self._limits
        )
        self._opened = shards
        return LoadedIndex(
            self._name, ngrams, tokenizer, ShardDocuments(shards, ngrams, self._limits)
        )

    def _infos(self) -> list[IndexInfo]:
        return [self._info(number) for number in range(len(self._addresses))]

    def _info(self, number: int) -> IndexInfo:
        address = self._addresses[number]
        try:
            with translated():
                answer = self._stubs[number].ListIndexes(
                    pb.ListIndexesRequest(), timeout=_PATIENCE, metadata=self._metadata[number]
                )
        except StillhouseError as error:
            raise Unavailable(f"shard {address}: {error}") from None
        infos = [convert.info_from_proto(one) for one in answer.indexes]
        if not address.index and len(infos) != 1:
            raise FailedPrecondition(
                f"shard {address}: the server holds {len(infos)} indexes; give {address}/INDEX"
            )
        for info in infos:
            if address.index in ("", info.name, *info.aliases):
                if not info.ready:
                    raise Unavailable(f"shard {address}: the index is loading")
                return info
        raise NotFound(f"shard {address}: the server holds no such index")

    def _read_tokenizer(self, sha256: str) -> IndexTokenizer | None:
        setting = f"STILLHOUSE_SHARD_TOKENIZERS={self._name}=FILE"
        if not sha256:
            return None
        if self._tokenizer is None:
            raise FailedPrecondition(
                f"index {self._name!r}: its shards were cut by the tokenizer {sha256}; give its "
                f"file as {setting}"
            )
        try:
            tokenizer = IndexTokenizer.read(self._tokenizer)
        except InvalidArgument as error:
            raise FailedPrecondition(f"index {self._name!r}: {error.reason}") from None
        if tokenizer.sha256 != sha256:
            raise FailedPrecondition(
                f"index {self._name!r}: {self._tokenizer} is not the file its shards were cut with "
                f"(SHA-256 {tokenizer.sha256}, they name {sha256})"
            )
        return tokenizer

    def _distinct(self, shards: Sequence[Shard]) -> int:
        """Different token ids in the whole, or as many as an answer may hold if there are more."""
        request = pb.NtdBatchRequest(
            sequences=pb.Sequences(lengths=[0]), top=self._limits.next_tokens
        )
        found = ask_all(shards, "NtdBatch", request, Stop(_PATIENCE))
        ids = [np.array(one.results[0].next.ids, np.uint32) for one in found]
        return min(len(np.unique(np.concatenate(ids))), self._limits.next_tokens)


@contextmanager
def shard_sets(settings: IndexSettings) -> Iterator[dict[str, ShardSet]]:
    """The sets of shards that the settings name, closed when the block ends."""
    with ExitStack() as stack:
        sets = {}
        for name, addresses in settings.shards.items():
            sets[name] = ShardSet(
                name,
                addresses,
                settings.shard_tokenizers.get(name),
                settings.limits,
                settings.peers_tls,
                settings.peers_token,
            )
            stack.callback(sets[name].close)
        yield sets


async def until_open(registry: Registry, name: str, seconds: float = 1.0) -> None:
    """Load a set of shards as soon as all of them answer; raises as `ShardSet.open`."""
    while True:
        try:
            await asyncio.to_thread(registry.load, name)
            return
        except Unavailable as error:
            log.warning("waiting for shards: %s", error, extra={"index": name})
        await asyncio.sleep(seconds)


async def follow(registry: Registry, sets: Mapping[str, ShardSet], seconds: float) -> None:
    """Open a set anew whenever a shard no longer holds its content; until cancelled.

    Until then calls are answered by replicas with the old content, which they name, and
    Unavailable where none is left.
    """
    while True:
        await asyncio.sleep(seconds)
        for name, one in sets.items():
            try:
                if await asyncio.to_thread(one.stale):
                    registry.take(name, await asyncio.to_thread(one.open), one.open)
            except StillhouseError as error:
                log.warning("looking at shards: %s", error, extra={"index": name})


def _digest(infos: Sequence[IndexInfo]) -> str:
    return hashlib.sha256(" ".join(one.digest for one in infos).encode()).hexdigest()


def _common_tokenizer(addresses: Sequence[Address], infos: Sequence[IndexInfo]) -> str:
    """The tokenizer's SHA-256; FailedPrecondition names two shards that don't fit together."""
    seen: dict[str, Address] = {}
    for address, info in zip(addresses, infos, strict=True):
        if info.digest in seen:
            raise FailedPrecondition(
                f"shards {seen[info.digest]} and {address} hold the same content, which would "
                "count twice"
            )
        seen[info.digest] = address
        if info.tokenizer_sha256 != infos[0].tokenizer_sha256:
            raise FailedPrecondition(
                f"shards {addresses[0]} and {address} were cut by different tokenizers "
                f"({infos[0].tokenizer_sha256 or 'none'}, {info.tokenizer_sha256 or 'none'})"
            )
    return infos[0].tokenizer_sha256
