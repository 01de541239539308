"""compose.yaml speaks of the settings that services have, and of the services that there are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.filter.settings import FilterSettings
from services.gateway.settings import GatewaySettings
from services.generator.settings import GeneratorSettings
from services.index.settings import IndexSettings
from services.runtime.settings import ServiceSettings
from services.topology import TopologySettings
from services.trainer.settings import TrainerSettings

ROOT = Path(__file__).parents[3]
_SETTINGS: dict[str, type[ServiceSettings]] = {
    "critic": GeneratorSettings,
    "filter": FilterSettings,
    "gateway": GatewaySettings,
    "generator": GeneratorSettings,
    "generator-gpu": GeneratorSettings,
    "index": IndexSettings,
    "topology": TopologySettings,
    "trainer": TrainerSettings,
    "writer": GeneratorSettings,
}
_COMMON = {"STILLHOUSE_NATS_URL", "STILLHOUSE_ACK_WAIT"}
_ENDS = {"topology", "prepare", "cli"}


def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    return content


def with_default(value: str) -> str:
    """The value where no variable is set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)


@pytest.mark.parametrize("name", sorted(_SETTINGS))
def test_variables_are_settings_and_can_be_read(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = _SETTINGS[name]
    known = {f"STILLHOUSE_{field.upper()}" for field in kind.model_fields}
    given = compose()["services"][name]["environment"]
    assert set(given) - known - _COMMON <= {"OMP_WAIT_POLICY"}
    for variable, value in given.items():
        monkeypatch.setenv(variable, with_default(str(value)))
    kind.from_environment()


def test_targets_are_services_that_listen_there() -> None:
    services = compose()["services"]
    ports = {
        name: int(one["environment"]["STILLHOUSE_LISTEN"].rpartition(":")[2])
        for name, one in services.items()
        if "STILLHOUSE_LISTEN" in one.get("environment", {})
    }
    found = 0
    for one in services.values():
        for variable, value in one.get("environment", {}).items():
            if variable.endswith(("_TARGET", "STILLHOUSE_TRAINER")):
                host, _, port = with_default(value).removeprefix("dns:///").rpartition(":")
                assert ports[host] == int(port)
                found += 1
    assert found == 10


def test_teachers_behind_a_server_say_which_checkpoint_it_serves() -> None:
    services = compose()["services"]
    generator, (_, served, *_) = services["generator-gpu"], services["vllm"]["command"]
    assert generator["environment"]["STILLHOUSE_MODEL_URI"] == served
    assert "models:/data/models:ro" in generator["volumes"]
    assert "prepare" in generator["depends_on"]  # which makes it


def test_every_service_with_metrics_is_scraped() -> None:
    scrape = yaml.safe_load((ROOT / "compose" / "prometheus.yaml").read_text(encoding="utf-8"))
    (job,) = scrape["scrape_configs"]
    (found,) = job["dns_sd_configs"]
    given = {name: one.get("environment", {}) for name, one in compose()["services"].items()}
    having = {name for name, one in given.items() if "STILLHOUSE_METRICS_LISTEN" in one}
    assert set(found["names"]) == having - {"topology"}  # which ends


def test_what_is_downloaded_lies_on_a_volume() -> None:
    prepare = compose()["services"]["prepare"]
    folders = [one.partition(":")[2] for one in prepare["volumes"] if not one.endswith(":ro")]
    assert any(prepare["environment"]["HF_HOME"].startswith(f"{one}/") for one in folders)


def test_our_services_are_confined_checked_and_end_in_time() -> None:
    for name, one in compose()["services"].items():
        if "STILLHOUSE_REGISTRY" not in one["image"]:
            assert "}" in one["image"]  # another image may take its place
            continue
        assert one["read_only"] is True
        assert one["tmpfs"] == ["/tmp"]
        assert "container_name" not in one  # or there could be only one of it
        if name not in _ENDS:
            assert one["cap_drop"] == ["ALL"]
            assert "healthcheck" in one
            assert one["stop_grace_period"] == "45s"


def test_images_are_targets_of_the_dockerfile() -> None:
    targets = set(
        re.findall(r"^FROM .* AS (\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    )
    for one in compose()["services"].values():
        ours = re.search(r"stillhouse\}/([a-z]+):", one["image"])
        if ours:
            assert ours[1] in targets
            assert one.get("build", {"target": ours[1]})["target"] == ours[1]
