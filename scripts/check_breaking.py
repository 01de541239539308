"""Refuses breaking changes of the protos: only additions within a version.

`protos/baseline.txt` holds a line for each field, enum value and rpc that was ever
published. A line that is no longer true is a breaking change; lines that are new are
written with `--write`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)
from grpc_tools import protoc

PROTOS = Path(__file__).parent.parent / "protos"
BASELINE = PROTOS / "baseline.txt"


def published(folder: Path = PROTOS) -> list[str]:
    """One line for each thing that a caller may rely on, sorted."""
    lines: list[str] = []
    for file in _descriptors(folder).file:
        for message in file.message_type:
            lines += _message(f"{file.package}.{message.name}", message)
        for enum in file.enum_type:
            lines += _enum(f"{file.package}.{enum.name}", enum)
        for service in file.service:
            lines += _service(f"{file.package}.{service.name}", service)
    return sorted(lines)


def _descriptors(folder: Path) -> FileDescriptorSet:
    files = sorted(str(path) for path in folder.rglob("*.proto"))
    with tempfile.NamedTemporaryFile() as out:
        code = protoc.main(["protoc", f"-I{folder}", f"--descriptor_set_out={out.name}", *files])
        if code:
            raise SystemExit(code)
        return FileDescriptorSet.FromString(Path(out.name).read_bytes())


def _message(name: str, message: DescriptorProto) -> Iterator[str]:
    for field in message.field:
        yield f"field {name} {field.number} {field.name} {_type(field)}"
    for nested in message.nested_type:
        yield from _message(f"{name}.{nested.name}", nested)
    for enum in message.enum_type:
        yield from _enum(f"{name}.{enum.name}", enum)


def _type(field: FieldDescriptorProto) -> str:
    kind = field.type_name or FieldDescriptorProto.Type.Name(field.type)
    repeated = field.label == FieldDescriptorProto.LABEL_REPEATED
    return f"repeated {kind}" if repeated else kind


def _enum(name: str, enum: EnumDescriptorProto) -> Iterator[str]:
    for value in enum.value:
        yield f"enum {name} {value.number} {value.name}"


def _service(name: str, service: ServiceDescriptorProto) -> Iterator[str]:
    for rpc in service.method:
        asks = f"{'stream ' if rpc.client_streaming else ''}{rpc.input_type}"
        answers = f"{'stream ' if rpc.server_streaming else ''}{rpc.output_type}"
        yield f"rpc {name} {rpc.name} {asks} -> {answers}"


def broken(before: list[str], now: list[str]) -> list[str]:
    """The lines of `before` that are no longer true."""
    present = set(now)
    return [line for line in before if line not in present]


def _main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="take additions into the baseline")
    arguments = parser.parse_args()
    now = published()
    before = BASELINE.read_text(encoding="utf-8").splitlines() if BASELINE.exists() else []
    for line in (lost := broken(before, now)):
        print(f"error: breaking change, published before: {line}", file=sys.stderr)
    if lost:
        return 1
    if arguments.write:
        BASELINE.write_text("\n".join(now) + "\n", encoding="utf-8")
    elif now != before:
        print("error: protos/baseline.txt lacks what was added: make proto", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(_main())
