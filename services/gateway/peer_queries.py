"""What a client of infini-gram asks: its JSON, checked as its server checks it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from services.gateway import cnf_text
from services.gateway.tokens import check_text
from stillhouse.errors import InvalidArgument

Ids: TypeAlias = list[int]
CnfIds: TypeAlias = list[list[list[int]]]

_CNF = ("max_clause_freq", "max_diff_tokens")
_SHOWN = ("maxnum", "max_disp_len")

OPTIONS: dict[str, tuple[str, ...]] = {
    "count": _CNF,
    "count_cnf": _CNF,
    "prob": (),
    "ntd": ("max_support",),
    "infgram_prob": (),
    "infgram_ntd": ("max_support",),
    "find": (),
    "find_cnf": _CNF,
    "search_docs": _SHOWN + _CNF,
    "search_docs_cnf": _SHOWN + _CNF,
    "get_doc_by_rank": ("s", "rank", "max_disp_len"),
    "get_doc_by_ptr": ("s", "ptr", "max_disp_len"),
    "creativity": (),
    "attribute": ("delim_ids", "min_len", "max_cnt", "enforce_bow"),
}
"""Every query type and the fields it knows beside the query."""

_LARGEST = {
    "max_support": 1000,
    "max_clause_freq": 500_000,
    "max_diff_tokens": 1000,
    "maxnum": 10,
    "max_disp_len": 10_000,
}
_NEEDED = {"get_doc_by_rank": ("s", "rank"), "get_doc_by_ptr": ("s", "ptr")}
_PLACES = ("get_doc_by_rank", "get_doc_by_ptr")
_TEXT_ONLY = ("creativity", "attribute")
_NEEDS_TOKENS = ("prob", "infgram_prob", *_TEXT_ONLY)
_CNF_ONLY = ("count_cnf", "find_cnf", "search_docs_cnf")
_CNF_TOO = ("count", "search_docs", *_PLACES)
_IGNORED = ("corpus", "index", "query_type", "engine", "source", "timestamp")
_MAX_ID = 2**32 - 1


class Refused(Exception):
    """A request that infini-gram's server would refuse, with the status it would answer.

    What its envelope lacks is 400; what its engine refuses is 200 with an `error`, which
    its clients look for.
    """

    def __init__(self, message: str, status: int = 200) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class PeerQuery:
    """A request: the query is text, clauses of text, ids, or clauses of ids."""

    index: str
    query_type: str
    text: str | None = None
    clauses: Sequence[Sequence[str]] | None = None
    ids: Ids | None = None
    cnf: CnfIds | None = None
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def is_cnf(self) -> bool:
        """True for clauses."""
        return self.clauses is not None or self.cnf is not None


def parse(data: object) -> PeerQuery:
    """The request in a JSON object; Refused if it is none of infini-gram's."""
    if not isinstance(data, dict):
        raise Refused("The request must be a JSON object!", 400)
    query_type = _named(data, "query_type")
    index = _named(data, "corpus" if "corpus" in data else "index")
    if query_type not in OPTIONS:
        raise Refused(f"Invalid query_type: {query_type}; one of: {', '.join(OPTIONS)}", 400)
    given = [name for name in ("query", "query_ids") if name in data]
    if len(given) == 2 or (not given and query_type not in _PLACES):
        raise Refused("Exactly one of query and query_ids must be present!", 400)
    known = {*OPTIONS[query_type], *_IGNORED, *given}
    for name in data:
        if name not in known:
            raise Refused(f"Unknown field for query_type {query_type}: {name}", 400)
    for name in _NEEDED.get(query_type, ()):
        if data.get(name) is None:
            raise Refused(f"Missing required field: '{name}'", 400)
    query = _query(data, index, query_type)
    _check_kind(query)
    return query


def _named(data: dict[str, Any], name: str) -> str:
    if name not in data:
        raise Refused(f"Missing required field: '{name}'", 400)
    value = data[name]
    if not isinstance(value, str):
        raise Refused(f"{name} must be a string!", 400)
    return _unicode(value, name)


def _unicode(text: str, name: str) -> str:
    try:
        check_text(text, name)
    except InvalidArgument as error:
        raise Refused(str(error), 400) from None
    return text


def _query(data: dict[str, Any], index: str, query_type: str) -> PeerQuery:
    options = {name: data[name] for name in OPTIONS[query_type] if data.get(name) is not None}
    for name, value in options.items():
        _check_option(name, value)
    if "query" in data:
        text = data["query"]
        if not isinstance(text, str):
            raise Refused("query must be a string!")
        _unicode(text, "query")
        if query_type not in _TEXT_ONLY and cnf_text.is_cnf(text):
            clauses = cnf_text.clauses(text)
            return PeerQuery(index, query_type, clauses=clauses, options=options)
        return PeerQuery(index, query_type, text=text, options=options)
    ids = data.get("query_ids", [])
    if _is_ids(ids):
        _check_range(ids)
        return PeerQuery(index, query_type, ids=ids, options=options)
    if isinstance(ids, list) and all(
        isinstance(clause, list) and all(_is_ids(term) for term in clause) for clause in ids
    ):
        for clause in ids:
            for term in clause:
                _check_range(term)
        return PeerQuery(index, query_type, cnf=ids, options=options)
    raise Refused("query_ids must be a list of integers, or a triply-nested list of integers!")


def _is_ids(value: object) -> bool:
    return isinstance(value, list) and all(type(one) is int for one in value)


def _check_range(ids: Ids) -> None:
    if any(not 0 <= one <= _MAX_ID for one in ids):
        raise Refused("Some item(s) in your query_ids are out-of-range!")


def _check_option(name: str, value: object) -> None:
    if largest := _LARGEST.get(name):
        if type(value) is not int or not 0 < value <= largest:
            raise Refused(f"{name} must be an integer in [1, {largest}]!")
    elif name == "s":
        if type(value) is not int or value != 0:
            raise Refused("s must be an integer in range [0, 1)")
    elif name == "delim_ids":
        if not _is_ids(value):
            raise Refused("delim_ids must be a list of integers!")
        _check_range(value)  # type: ignore[arg-type]
    elif name == "enforce_bow":
        if not isinstance(value, bool):
            raise Refused("enforce_bow must be true or false!")
    elif type(value) is not int or not 0 <= value < 2**63:
        raise Refused(f"{name} must be a non-negative integer!")
    elif name == "min_len" and value > _MAX_ID:
        raise Refused(f"min_len must be an integer in [0, {_MAX_ID}]!")


def _check_kind(query: PeerQuery) -> None:
    kind = query.query_type
    if query.is_cnf and kind not in (*_CNF_ONLY, *_CNF_TOO):
        raise Refused(
            f"{kind} takes one n-gram; AND, OR and nested query_ids go with count, find_cnf "
            "and search_docs"
        )
    if kind in _NEEDS_TOKENS and not (query.text or query.ids):
        raise Refused("Please provide a non-empty query!")
    cnf = query.cnf if query.cnf is not None else query.clauses
    if cnf is not None and (not cnf or any(not one or not all(one) for one in cnf)):
        raise Refused("cnf must be a non-empty, triply-nested list of non-empty n-grams")
