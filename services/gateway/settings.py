"""Settings of the gateway."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from services.runtime.settings import ServiceSettings


class GatewaySettings(ServiceSettings):
    """Where the index service is, who may ask from a browser, and how much one request may hold."""

    listen: str = Field(
        default="127.0.0.1:8080", description="Address and port of the HTTP server."
    )
    index_target: str = Field(
        default="127.0.0.1:50051",
        min_length=1,
        description="Where the index service is: HOST:PORT, or any gRPC target.",
    )
    index_timeout: float = Field(
        default=30.0, gt=0, description="Longest time for one call to the index, in seconds."
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Origins whose pages may call the API, with commas between; * for all.",
    )
    max_request_bytes: int = Field(
        default=4 * 1024 * 1024, gt=0, description="Largest request body in bytes."
    )
    end_tokens: Annotated[dict[str, int], NoDecode] = Field(
        default={},
        description="The id by which infini-gram's clients know a document's end, as INDEX=ID,...",
    )

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _parse_origins(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(filter(None, (one.strip() for one in value.split(","))))

    @field_validator("end_tokens", mode="before")
    @classmethod
    def _parse_end_tokens(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        found: dict[str, int] = {}
        for entry in filter(None, (one.strip() for one in value.split(","))):
            name, _, number = entry.rpartition("=")
            if not name or not number.isdecimal() or int(number) >= 2**32:
                raise ValueError(f"{entry!r} is not INDEX=ID, such as corpus=2")
            found[name] = int(number)
        return found
