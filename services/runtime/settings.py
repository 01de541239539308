"""Settings that every service has, read from the environment once, at the edge."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from services.runtime import admission
from stillhouse.errors import InvalidArgument
from stillhouse.security import Tls


class ServiceSettings(BaseSettings):
    """Common to all services; each variable carries the prefix STILLHOUSE_."""

    model_config = SettingsConfigDict(
        env_prefix="STILLHOUSE_", protected_namespaces=(), frozen=True
    )

    listen: str = Field(default="127.0.0.1:0", description="Address and port of the gRPC server.")
    metrics_listen: str = Field(
        default="",
        description="Address and port where Prometheus reads metrics over HTTP; empty: nowhere.",
    )
    otlp_endpoint: str = Field(
        default="",
        description="Collector that spans are sent to by OTLP over gRPC, as http://HOST:4317; "
        "needs the extra otel; empty: traces are passed on and logged only.",
    )
    nats_url: str = Field(default="nats://127.0.0.1:4222", description="Where the broker is.")
    drain_seconds: float = Field(
        default=20.0, ge=0, description="Time that calls under way get after SIGTERM."
    )
    admission: Annotated[dict[str, int], NoDecode] = Field(
        default={admission.ANY: 256},
        description="Most calls under way by method, as *=256,Method=8; empty for no limits.",
    )
    share_port: bool = Field(
        default=False, description="Let other processes listen on the same port."
    )
    health_listen: str = Field(
        default="",
        description="A second address that answers health checks alone, always in plain text: for "
        "probes, where the server has TLS; empty: none.",
    )
    tls_certificate: Path | None = Field(
        default=None, description="PEM file of the server's certificate chain; unset: plain text."
    )
    tls_key: Path | None = Field(default=None, description="PEM file of the certificate's key.")
    tls_client_ca: Path | None = Field(
        default=None, description="PEM file of who signs callers' certificates; unset: none asked."
    )
    tokens: Annotated[frozenset[str], NoDecode] = Field(
        default=frozenset(), repr=False,
        description="Tokens of which a call must show one, with commas between; empty: none asked.",
    )  # fmt: skip
    tokens_file: Path | None = Field(
        default=None, description="File of further tokens, one a line; read at the start."
    )
    peers_ca: Path | None = Field(
        default=None,
        description="PEM file of who signs the services that this one calls; unset: plain text.",
    )
    peers_certificate: Path | None = Field(
        default=None, description="PEM file of the certificate shown to them."
    )
    peers_key: Path | None = Field(default=None, description="PEM file of its key.")
    peers_token: str = Field(default="", repr=False, description="Token shown to them.")
    log_level: str = Field(
        default="INFO",
        pattern="^(?i:debug|info|warning|error)$",
        description="DEBUG, INFO, WARNING or ERROR.",
    )
    log_format: str = Field(default="json", pattern="^(json|text)$", description="json or text.")

    @field_validator("admission", mode="before")
    @classmethod
    def _parse_admission(cls, value: object) -> object:
        return admission.parse(value) if isinstance(value, str) else value

    @field_validator("tokens", mode="before")
    @classmethod
    def _parse_tokens(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return frozenset(filter(None, (one.strip() for one in value.split(","))))

    @property
    def peers_tls(self) -> Tls | None:
        """How the services are recognised that this one calls; None for plain text."""
        if self.peers_ca is None:
            return None
        return Tls(self.peers_ca, self.peers_certificate, self.peers_key)

    @classmethod
    def from_environment(cls) -> Self:
        """The settings, or InvalidArgument naming the variable that is wrong."""
        try:
            return cls()
        except ValidationError as error:
            first = error.errors()[0]
            variable = "_".join(("STILLHOUSE", *(str(part) for part in first["loc"]))).upper()
            raise InvalidArgument(variable, first["msg"]) from None
