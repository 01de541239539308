"""Every object against the schema of its kind; unknown keys are refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from services.topology import stream_specs
from tests.support.manifests import OVERLAYS, ROOT, render

_SCHEMAS = Path(__file__).parent / "schemas"
_VERSIONS = ("1.32", "1.35", "1.37")
_SCALING = ("scaling", "scaling/generators-on-cpu", "scaling/on-gpu")
_VALUES = sorted((ROOT / "nats").glob("*.yaml"))
_GIB = 1024**3
FOLDERS = (*(f"overlays/{name}" for name in OVERLAYS), *_SCALING)


def validate(manifest: dict[str, Any], version: str) -> None:
    group = manifest["apiVersion"]
    if group.startswith(("keda.sh/", "monitoring.coreos.com/")):
        path = _SCHEMAS / f"{manifest['kind']}.json"
        jsonschema.Draft202012Validator(json.loads(path.read_text())).validate(manifest)
        return
    kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("version", _VERSIONS)
@pytest.mark.parametrize("folder", FOLDERS)
def test_objects_are_valid(folder: str, version: str) -> None:
    for manifest in render(folder):
        validate(manifest, version)


def as_objects(path: Path) -> Iterator[dict[str, Any]]:
    """What a file holds; a file of rules is what the operator's kind holds as `spec`."""
    for content in yaml.safe_load_all(path.read_text(encoding="utf-8")):
        if "groups" in content:
            named = {"kind": "PrometheusRule", "metadata": {"name": path.stem}}
            yield {"apiVersion": "monitoring.coreos.com/v1", **named, "spec": content}
        else:
            yield content


def test_observability_is_valid() -> None:
    objects = [one for path in (ROOT / "observability").rglob("*.yaml") for one in as_objects(path)]
    assert {one["kind"] for one in objects} >= {"PodMonitor", "PrometheusRule"}
    for manifest in objects:
        validate(manifest, _VERSIONS[-1])


def test_a_typing_error_is_found() -> None:
    """The validator itself: in a Kubernetes kind and in one of KEDA."""
    (index,) = [
        one
        for one in render("overlays/production")
        if one["kind"] == "Deployment" and one["metadata"]["name"] == "index"
    ]
    wrong = index | {"spec": index["spec"] | {"replica": 3}}
    with pytest.raises(kubernetes_validate.ValidationError, match="replica"):
        validate(wrong, _VERSIONS[0])
    scaled = next(one for one in render("scaling") if one["kind"] == "ScaledObject")
    with pytest.raises(jsonschema.ValidationError, match="minReplicas"):
        validate(scaled | {"spec": scaled["spec"] | {"minReplicas": 0}}, _VERSIONS[0])


@pytest.mark.parametrize("path", _VALUES, ids=lambda one: one.name)
def test_the_brokers_values_say_when_it_writes_to_disk(path: Path) -> None:
    values = yaml.safe_load(path.read_text())["config"]
    replicas = values.get("cluster", {}).get("replicas", 1)
    assert values["jetstream"]["merge"]["sync_interval"] == ("1s" if replicas > 1 else "always")
    assert values["monitor"]["port"] == 8222


@pytest.mark.parametrize("path", _VALUES, ids=lambda one: one.name)
def test_the_brokers_volume_holds_what_the_streams_reserve(path: Path) -> None:
    """The chart makes the volume's size JetStream's limit, and each broker holds every stream."""
    values = yaml.safe_load(path.read_text())["config"]
    size = values["jetstream"]["fileStore"]["pvc"]["size"]
    assert size.endswith("Gi")
    assert int(size.removesuffix("Gi")) * _GIB > sum(one.max_bytes for one in stream_specs(30.0))
