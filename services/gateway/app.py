"""The gateway's application: its doors, its limits, its errors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import fastapi_offline
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import HTMLResponse, Response

from services.gateway import page_routes, peer_routes, v1_routes
from services.gateway.body_limit import BodyLimit
from services.gateway.http_errors import (
    AsciiJson,
    headers_of,
    problem,
    problem_of,
    problem_of_validation,
    status_of,
)
from services.gateway.http_tracing import HttpTracing
from services.gateway.metrics import HttpMetrics
from services.gateway.peer_calls import PeerCalls
from services.gateway.settings import GatewaySettings
from services.gateway.token_check import TokenCheck
from services.runtime import door
from services.runtime.metrics import READY
from stillhouse.errors import StillhouseError
from stillhouse.index.client import AsyncIndexClient

_HERE = Path(__file__).parent
_SWAGGER = Path(fastapi_offline.__file__).parent / "static"  # its page, without the world outside
_DOCS_POLICY = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'"


def make_app(settings: GatewaySettings) -> FastAPI:
    """The application; it connects to the index when it starts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncIndexClient(
            settings.index_target,
            settings.index_timeout,
            tls=settings.peers_tls,
            token=settings.peers_token,
        ) as client:
            app.state.index = client
            app.state.peer_calls = PeerCalls(client, settings.end_tokens)
            READY.set(1)
            yield
            READY.set(0)

    app = FastAPI(
        title="Stillhouse index",
        version="1",
        description="n-grams with n up to infinity, counted exactly, over a corpus.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.settings = settings
    app.include_router(page_routes.router)
    app.include_router(peer_routes.router)
    app.include_router(v1_routes.router)
    _add_health(app)
    _add_docs(app)
    _add_errors(app)
    app.add_middleware(BodyLimit, limit=settings.max_request_bytes)
    if tokens := door.tokens(settings):
        app.add_middleware(TokenCheck, tokens=tokens)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
            expose_headers=["Retry-After"],
        )
    app.add_middleware(HttpTracing)
    app.add_middleware(HttpMetrics)
    return app


def _add_health(app: FastAPI) -> None:
    @app.get("/health/live", tags=["health"])
    async def live() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @app.get("/health/ready", tags=["health"])
    async def ready(request: Request) -> Response:
        """200 when every index answers, 503 while one is loading or the service is away."""
        client: AsyncIndexClient = request.app.state.index
        found = await client.list_indexes(timeout=5)
        waiting = [one.name for one in found if not one.ready]
        if waiting or not found:
            return AsciiJson({"status": "loading", "indexes": waiting}, 503, {"Retry-After": "1"})
        return AsciiJson({"status": "ok", "indexes": [one.name for one in found]})


def _add_docs(app: FastAPI) -> None:
    app.mount("/static", StaticFiles(directory=_HERE / "static"))
    app.mount("/docs/assets", StaticFiles(directory=_SWAGGER))
    page = (_HERE / "templates" / "docs.html").read_text(encoding="utf-8")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(page, headers={"Content-Security-Policy": _DOCS_POLICY})


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(StillhouseError)
    async def known(_request: Request, error: Exception) -> Response:
        assert isinstance(error, StillhouseError)
        status, _ = status_of(error)
        return AsciiJson(problem_of(error), status, headers_of(error))

    @app.exception_handler(RequestValidationError)
    async def malformed(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return AsciiJson(problem_of_validation(error.errors()), 400)

    @app.exception_handler(HTTPException)
    async def refused(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = {404: "NOT_FOUND", 405: "UNIMPLEMENTED"}.get(error.status_code, "INVALID_ARGUMENT")
        body = problem(code, str(error.detail))
        return AsciiJson(body, error.status_code, dict(error.headers or {}))

    @app.exception_handler(Exception)
    async def defect(_request: Request, _error: Exception) -> Response:
        return AsciiJson(problem("INTERNAL", "a defect of the gateway; see its log"), 500)
