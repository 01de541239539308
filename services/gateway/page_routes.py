"""The page: look an n-gram up, trace a text, read the documents."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

from fastapi import APIRouter, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from starlette.responses import HTMLResponse, JSONResponse, Response

from services.gateway import page_views
from services.gateway.http_errors import headers_of, status_of
from services.gateway.page_calls import PageCalls
from stillhouse.errors import FailedPrecondition, InvalidArgument, StillhouseError
from stillhouse.index.client import AsyncIndexClient
from stillhouse.index.types import IndexInfo

router = APIRouter(include_in_schema=False)

_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Vary": "Accept",
}
_MAX_PAGE = 1_000_000
_MIN_LENGTH = 5


def _grouped(number: int) -> str:
    """12 345 678, with spaces that don't break."""
    return f"{number:,}".replace(",", "\u202f")


def _milliseconds(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def _breakable(name: str) -> Markup:
    """A long name that may be broken behind its dots and underscores."""
    return Markup("<wbr>").join(re.split(r"(?<=[.:/_])", name))


_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(default=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters |= {"grouped": _grouped, "milliseconds": _milliseconds, "breakable": _breakable}


def _address(path: str, **query: object) -> str:
    """A path with those of the fields that say something."""
    given = urlencode({name: value for name, value in query.items() if value not in ("", None)})
    return f"{path}?{given}" if given else path


_templates.globals["address"] = _address


@router.get("/")
async def look_up(request: Request) -> Response:
    """The page to a browser; to any other client the indexes' names, as infini-gram does."""
    client: AsyncIndexClient = request.app.state.index
    if "text/html" not in request.headers.get("accept", ""):
        return JSONResponse([one.name for one in await client.list_indexes()])

    async def fill(info: IndexInfo | None, index: str) -> dict[str, Any]:
        text, ids = request.query_params.get("q", ""), _ids(request)
        calls = PageCalls(client)
        if text.strip() or ids is not None:
            return {"lookup": await calls.look_up(index, text, ids, _page(request))}
        return {"phrases": await calls.phrases(info) if info and info.ready else []}

    return await _shown(request, "look_up.html", fill, {"q": request.query_params.get("q", "")})


@router.get("/documents")
async def documents(request: Request) -> Response:
    """The documents of an n-gram by its ids."""
    client: AsyncIndexClient = request.app.state.index

    async def fill(_info: IndexInfo | None, index: str) -> dict[str, Any]:
        ids = _ids(request)
        if ids is None:
            raise InvalidArgument("ids", "are missing; give token ids with commas between")
        return {"lookup": await PageCalls(client).documents(index, ids, _page(request))}

    return await _shown(request, "documents.html", fill, {})


@router.get("/trace")
async def trace_form(request: Request) -> Response:
    """Where a text can be pasted in."""

    async def fill(_info: IndexInfo | None, _index: str) -> dict[str, Any]:
        return {}

    return await _shown(request, "trace.html", fill, _trace_form({}))


@router.post("/trace")
async def trace(request: Request) -> Response:
    """A pasted text, traced."""
    client: AsyncIndexClient = request.app.state.index
    body = (await request.body()).decode("utf-8", "replace")
    try:
        fields = parse_qs(body, keep_blank_values=True, max_num_fields=20)
    except ValueError:
        fields = {}
    form = {name: values[0] for name, values in fields.items()}
    shown = _trace_form(form)

    async def fill(_info: IndexInfo | None, index: str) -> dict[str, Any]:
        if not shown["text"].strip():
            raise InvalidArgument("text", "is empty; paste a text")
        calls = PageCalls(client)
        traced, spent = await calls.trace(
            index, shown["text"], _length(shown["min_length"]), shown["whole_words"]
        )
        return {"trace": traced, "milliseconds": spent}

    return await _shown(request, "trace.html", fill, shown, form.get("index"))


async def _shown(
    request: Request,
    template: str,
    fill: Callable[[IndexInfo | None, str], Awaitable[dict[str, Any]]],
    fields: dict[str, Any],
    index: str | None = None,
) -> Response:
    """A page, or the same page with what is wrong and the status of that."""
    name = request.query_params.get("index", "") if index is None else index
    view: dict[str, Any] = {
        "lookup": None, "trace": None, "error": None, "indexes": [], "index": name, "info": None,
        "phrases": [], **fields,
    }  # fmt: skip
    status, headers = 200, dict(_HEADERS)
    try:
        view["indexes"] = await request.app.state.index.list_indexes()
        view["info"] = _chosen(view["indexes"], name)
        view["index"] = view["info"].name if view["info"] else name
        view |= await fill(view["info"], view["index"])
    except StillhouseError as error:
        status, _ = status_of(error)
        headers |= headers_of(error)
        view["error"] = _told(error)
    html = _templates.get_template(template).render(view)
    return HTMLResponse(html.encode("utf-8", "replace"), status, headers)


def _told(error: StillhouseError) -> str:
    if isinstance(error, InvalidArgument):
        return f"{error.field} {error.reason}" if error.field else error.reason
    if isinstance(error, FailedPrecondition):
        return str(error)
    return {
        404: str(error),
        429: "The index has too many calls under way. Try again in a moment.",
        503: "The index does not answer yet: it is loading or away. Try again in a moment.",
        504: "The index took too long for this query.",
    }.get(status_of(error)[0], "The index failed on this query; its log says why.")


def _chosen(indexes: tuple[IndexInfo, ...], name: str) -> IndexInfo | None:
    """The index of a name or an alias; the first one if none is named."""
    if not name:
        return indexes[0] if indexes else None
    return next((one for one in indexes if name in (one.name, *one.aliases)), None)


def _ids(request: Request) -> list[int] | None:
    value = request.query_params.get("ids")
    if value is None:
        return None
    ids = page_views.split(value)
    if ids is None:
        raise InvalidArgument("ids", "must be token ids with commas between")
    return ids


def _page(request: Request) -> int:
    value = request.query_params.get("page", "1")
    if not (value.isascii() and value.isdecimal() and 0 < int(value[:8]) <= _MAX_PAGE):
        raise InvalidArgument("page", f"must be a number from 1 to {_MAX_PAGE}")
    return int(value)


def _length(value: str) -> int:
    if not (value.isascii() and value.isdecimal() and 0 < int(value[:8]) <= 10_000):
        raise InvalidArgument("min_length", "must be a number from 1 to 10000")
    return int(value)


def _trace_form(form: dict[str, str]) -> dict[str, Any]:
    return {
        "text": form.get("text", ""),
        "min_length": form.get("min_length", str(_MIN_LENGTH)),
        "whole_words": "whole_words" in form or not form,
        "milliseconds": 0.0,
    }
