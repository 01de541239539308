"""Settings that every service has, read from the environment once, at the edge."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from services.runtime import admission
from stillhouse.errors import InvalidArgument


class ServiceSettings(BaseSettings):
    """Common to all services; each variable carries the prefix STILLHOUSE_."""

    model_config = SettingsConfigDict(
        env_prefix="STILLHOUSE_", protected_namespaces=(), frozen=True
    )

    listen: str = Field(default="127.0.0.1:0", description="Address and port of the gRPC server.")
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

    @classmethod
    def from_environment(cls) -> Self:
        """The settings, or InvalidArgument naming the variable that is wrong."""
        try:
            return cls()
        except ValidationError as error:
            first = error.errors()[0]
            variable = "STILLHOUSE_" + "_".join(str(part) for part in first["loc"]).upper()
            raise InvalidArgument(variable, first["msg"]) from None
