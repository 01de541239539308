"""What every workload must hold, and that manifests and code speak of the same things."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from services.filter.settings import FilterSettings
from services.gateway.settings import GatewaySettings
from services.generator.settings import GeneratorSettings
from services.index.settings import IndexSettings
from services.runtime.settings import ServiceSettings
from services.topology import TopologySettings, stream_specs
from services.trainer.settings import TrainerSettings
from tests.support.manifests import (
    OVERLAYS,
    ROOT,
    Flow,
    Object,
    Workload,
    allowed,
    of_kind,
    render,
    workloads,
)

_SETTINGS: dict[str, type[ServiceSettings]] = {
    "critic": GeneratorSettings,
    "filter": FilterSettings,
    "gateway": GatewaySettings,
    "generator": GeneratorSettings,
    "index": IndexSettings,
    "topology": TopologySettings,
    "trainer": TrainerSettings,
    "writer": GeneratorSettings,
    **{f"index-{number}": IndexSettings for number in range(3)},
}
_FOREIGN = {"vllm", "prepare"}  # they have no settings of ours
_SINGLE = {"trainer", "writer", "vllm"}
_OTHER_VARIABLES = {"OMP_WAIT_POLICY", "HOME", "HF_HUB_OFFLINE"}
_ADDRESS = re.compile(r"(?:\w+:/{2,3})?(?P<host>[a-z0-9-]+):(?P<port>\d+)(?:/\w+)?")
_BALANCED = re.compile(r"dns:///([a-z0-9-]+)")

EVERY = [
    (overlay, name) for overlay in OVERLAYS for name in workloads(render(f"overlays/{overlay}"))
]


@pytest.fixture(params=EVERY, ids="-".join)
def workload(request: pytest.FixtureRequest) -> Workload:
    overlay, name = request.param
    return workloads(render(f"overlays/{overlay}"))[name]


@pytest.fixture(params=OVERLAYS)
def objects(request: pytest.FixtureRequest) -> tuple[Object, ...]:
    return render(f"overlays/{request.param}")


def is_deployment(workload: Workload) -> bool:
    return bool(workload.manifest["kind"] == "Deployment")


def test_no_pod_is_root_or_holds_a_token_of_the_cluster(workload: Workload) -> None:
    pod = workload.pod
    context = pod["securityContext"]
    assert context["runAsNonRoot"]
    assert context["runAsUser"] == context["runAsGroup"] == 10001
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False


def test_every_container_is_confined_and_bounded(workload: Workload) -> None:
    for container in workload.containers:
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        requests, limits = (container["resources"][key] for key in ("requests", "limits"))
        assert {"cpu", "memory", "ephemeral-storage"} <= set(requests)
        assert {"memory", "ephemeral-storage"} <= set(limits)
        assert any(mount["mountPath"] == "/tmp" for mount in container["volumeMounts"])


def test_images_have_a_tag_that_stays(workload: Workload) -> None:
    for container in workload.containers:
        _, _, tag = container["image"].rpartition(":")
        assert re.fullmatch(r"v?\d+\.\d+\.\d+", tag), container["image"]


def test_three_probes_and_liveness_is_not_readiness(workload: Workload) -> None:
    if not is_deployment(workload):
        assert workload.pod["restartPolicy"] == "OnFailure"
        return
    container = workload.service
    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container)
    if "grpc" in container["livenessProbe"]:
        assert container["startupProbe"]["grpc"]["service"] == "liveness"
        assert container["livenessProbe"]["grpc"]["service"] == "liveness"
        assert "service" not in container["readinessProbe"]["grpc"]
        port = int(workload.settings["STILLHOUSE_HEALTH_LISTEN"].rpartition(":")[2])
        assert {container[f"{one}Probe"]["grpc"]["port"] for one in ("startup", "liveness")} == {
            port
        }
        assert container["readinessProbe"]["grpc"]["port"] == port


def test_there_is_time_to_end(workload: Workload) -> None:
    if not is_deployment(workload):
        return
    sleep = workload.service["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain = float(workload.settings.get("STILLHOUSE_DRAIN_SECONDS", 0))
    assert sleep >= 5
    assert workload.pod["terminationGracePeriodSeconds"] >= sleep + drain + 10


def test_what_may_be_several_stands_apart_and_rolls_without_a_gap(
    objects: tuple[Object, ...],
) -> None:
    budgets = {
        one["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"]: one["spec"]
        for one in of_kind(objects, "PodDisruptionBudget")
    }
    several = set()
    for name, one in workloads(objects).items():
        if not is_deployment(one):
            continue
        spec = one.manifest["spec"]
        if name in _SINGLE:
            assert spec["strategy"] == {"type": "Recreate"}
            assert spec["replicas"] == 1
            continue
        several.add(name)
        assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
        keys = [one["topologyKey"] for one in one.pod["topologySpreadConstraints"]]
        assert keys == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
        for constraint in one.pod["topologySpreadConstraints"]:
            labels = one.manifest["spec"]["template"]["metadata"]["labels"]
            assert constraint["labelSelector"]["matchLabels"].items() <= labels.items()
    assert set(budgets) == several
    assert all(spec["maxUnavailable"] == 1 for spec in budgets.values())


def test_variables_are_settings_of_their_service(workload: Workload) -> None:
    if workload.name in _FOREIGN:
        assert not [name for name in workload.settings if name.startswith("STILLHOUSE_")]
        return
    kind = _SETTINGS[workload.name]
    known = {f"STILLHOUSE_{field.upper()}" for field in kind.model_fields}
    assert not set(workload.settings) - known - _OTHER_VARIABLES


def test_settings_can_be_read(workload: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
    if workload.name in _FOREIGN:
        return
    for name, value in workload.settings.items():
        monkeypatch.setenv(name, value)
    settings = _SETTINGS[workload.name].from_environment()
    ports = {port["containerPort"] for port in workload.service.get("ports", [])}
    if ports:
        assert int(settings.listen.rpartition(":")[2]) in ports
        assert settings.listen.startswith("0.0.0.0:")


def called(workload: Workload) -> set[Flow]:
    """Whom a service calls, by the addresses in its settings."""
    flows = set()
    for name, value in workload.settings.items():
        if name.endswith(("_TARGET", "_NATS_URL", "_BACKEND_URL", "_SHARDS")) and value:
            for address in value.rpartition("=")[2].split(","):
                found = _ADDRESS.fullmatch(address)
                assert found, f"{workload.name}: {name}={value}"
                flows.add(Flow(workload.name, found["host"], int(found["port"])))
    return flows


def test_policies_allow_what_settings_name_and_nothing_else(objects: tuple[Object, ...]) -> None:
    needed = {flow for one in workloads(objects).values() for flow in called(one)}
    out, into = allowed(objects)
    inside = {flow for flow in out if flow.source and flow.target} - {Flow("nats", "nats", 6222)}
    assert inside == needed
    admitted = {flow for flow in into if flow.source} - {Flow("nats", "nats", 6222)}
    assert admitted == needed


def test_outside_only_the_doors_are_open(objects: tuple[Object, ...]) -> None:
    _, into = allowed(objects)
    assert {(flow.target, flow.port) for flow in into if not flow.source} == {
        ("index", 50051),
        ("trainer", 50055),
        ("gateway", 8080),
        ("nats", 8222),
        ("nats", 7777),
        ("", 9100),  # metrics, of every pod
    }


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_only_who_fetches_may_reach_outside(overlay: str) -> None:
    objects = render(f"overlays/{overlay}")
    out, _ = allowed(objects)
    fetching = {"production": {"index"}, "sharded": {"index-0", "index-1", "index-2"}}
    wanted = {(name, 443) for name in {"prepare"} | fetching.get(overlay, set())}
    assert {(flow.source, flow.port) for flow in out if not flow.target} == {("", 53)} | wanted
    blocks = [
        peer["ipBlock"]
        for policy in of_kind(objects, "NetworkPolicy")
        for rule in policy["spec"].get("egress", [])
        for peer in rule["to"]
        if "ipBlock" in peer
    ]
    assert blocks
    for block in blocks:  # outside is not the cluster, nor what tells a node its credentials
        assert set(block["except"]) == {
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "169.254.0.0/16",
        }


def test_what_is_not_allowed_is_denied(objects: tuple[Object, ...]) -> None:
    (default,) = [
        one for one in of_kind(objects, "NetworkPolicy") if one["spec"]["podSelector"] == {}
    ]
    assert set(default["spec"]["policyTypes"]) == {"Ingress", "Egress"}
    assert "ingress" not in default["spec"]
    assert [port["port"] for rule in default["spec"]["egress"] for port in rule["ports"]] == [
        53,
        53,
    ]


def test_every_target_is_a_service_with_that_port(objects: tuple[Object, ...]) -> None:
    ports = {
        (one["metadata"]["name"], port["port"])
        for one in of_kind(objects, "Service")
        for port in one["spec"]["ports"]
    } | {("nats", 4222)}  # by its chart
    for one in workloads(objects).values():
        for flow in called(one):
            assert (flow.target, flow.port) in ports


def test_services_whose_callers_balance_themselves_are_headless(
    objects: tuple[Object, ...],
) -> None:
    headless = {
        one["metadata"]["name"]
        for one in of_kind(objects, "Service")
        if one["spec"].get("clusterIP") == "None"
    }
    balanced = {
        host
        for one in workloads(objects).values()
        for value in one.settings.values()
        for host in _BALANCED.findall(value)
    }
    assert balanced == headless


def test_metrics_have_a_port_by_the_name_that_is_scraped(objects: tuple[Object, ...]) -> None:
    path = ROOT / "observability" / "pod-monitor.yaml"
    (monitor,) = yaml.safe_load_all(path.read_text(encoding="utf-8"))
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    for name, one in workloads(objects).items():
        if is_deployment(one) and name not in _FOREIGN:
            assert wanted <= one.manifest["spec"]["template"]["metadata"]["labels"].items()
            ports = {port["name"]: port["containerPort"] for port in one.service["ports"]}
            listen = one.settings["STILLHOUSE_METRICS_LISTEN"]
            assert ports[endpoint["port"]] == int(listen.rpartition(":")[2])


def test_configurations_are_named_by_their_content(objects: tuple[Object, ...]) -> None:
    for one in of_kind(objects, "ConfigMap"):
        assert re.search(r"-[a-z0-9]{10}$", one["metadata"]["name"])


def test_production_shows_certificates_and_tokens() -> None:
    for name, one in workloads(render("overlays/production")).items():
        if name in {"topology", "prepare"}:
            continue
        assert one.settings["STILLHOUSE_TLS_CERTIFICATE"]
        assert one.settings["STILLHOUSE_TOKENS_FILE"]
        mounted = [mount["mountPath"] for mount in one.service["volumeMounts"]]
        for variable in ("TLS_CERTIFICATE", "TLS_KEY", "TOKENS_FILE", "PEERS_CA"):
            path = one.settings[f"STILLHOUSE_{variable}"]
            assert any(path.startswith(f"{folder}/") for folder in mounted)
        peers = [env for env in one.service["env"] if env["name"] == "STILLHOUSE_PEERS_TOKEN"]
        assert peers[0]["valueFrom"]["secretKeyRef"]["name"] == "stillhouse-tokens"


def mounts(workload: Workload) -> dict[str, tuple[str, bool]]:
    """Claim, and whether it is read only, of each mounted volume by its path."""
    claims = {
        one["name"]: one["persistentVolumeClaim"]["claimName"]
        for one in workload.pod["volumes"]
        if "persistentVolumeClaim" in one
    }
    return {
        one["mountPath"]: (claims[one["name"]], one.get("readOnly", False))
        for one in workload.service["volumeMounts"]
        if one["name"] in claims
    }


def test_documents_are_read_by_those_who_need_them(objects: tuple[Object, ...]) -> None:
    claims = {one["metadata"]["name"] for one in of_kind(objects, "PersistentVolumeClaim")}
    for name in ("prepare", "trainer"):
        found = mounts(workloads(objects)[name])
        assert found["/input"] == ("input", True)
        assert {claim for claim, _ in found.values()} <= claims


def test_what_is_downloaded_lies_on_a_volume(objects: tuple[Object, ...]) -> None:
    prepare = workloads(objects)["prepare"]
    writable = [path for path, (_, read_only) in mounts(prepare).items() if not read_only]
    assert any(prepare.settings["HF_HOME"].startswith(f"{path}/") for path in writable)


def test_teachers_behind_a_server_say_which_checkpoint_it_serves() -> None:
    """Else the trainer refuses every run, since the server's model has another digest."""
    apps = workloads(render("overlays/gpu"))
    generator, (_, served, *_) = apps["generator"], apps["vllm"].service["args"]
    assert generator.settings["STILLHOUSE_MODEL_URI"] == served
    for one in (generator, apps["vllm"]):
        assert mounts(one)["/data/models"] == ("models", True)
    assert served.startswith("/data/models/")


def test_a_front_asks_all_shards_that_there_are() -> None:
    apps = workloads(render("overlays/sharded"))
    shards = {name for name in apps if name.startswith("index-")}
    front = apps["index"]
    assert {flow.target for flow in called(front)} == shards == {"index-0", "index-1", "index-2"}
    assert not any(
        flow.target in shards for name in set(apps) - {"index"} for flow in called(apps[name])
    )
    tokenizer = front.settings["STILLHOUSE_SHARD_TOKENIZERS"].partition("=")[2]
    assert any(tokenizer.startswith(f"{folder}/") for folder in mounts(front))
    sources = {
        one["data"]["INDEX_SOURCE"]
        for one in of_kind(render("overlays/sharded"), "ConfigMap")
        if "INDEX_SOURCE" in one["data"]
    }
    assert len(sources) == len(shards)  # no part twice


def gibibytes(quantity: str) -> float:
    return {"Gi": 1.0, "Mi": 1 / 1024}[quantity[-2:]] * float(quantity[:-2])


def test_shards_have_room_for_what_is_planned_and_take_it_from_no_volume() -> None:
    """13 GB and, in memory, a quarter more (docs/operations.md, Sizing)."""
    apps = workloads(render("overlays/sharded"))
    planned = 13e9 / 1024**3
    for one in (apps[f"index-{number}"] for number in range(3)):
        volumes = {volume["name"]: volume for volume in one.pod["volumes"]}
        assert not [name for name, volume in volumes.items() if "persistentVolumeClaim" in volume]
        size = gibibytes(volumes["indexes"]["emptyDir"]["sizeLimit"])
        assert size > planned
        assert gibibytes(one.service["resources"]["limits"]["memory"]) > 1.25 * planned
        for container in one.containers:
            assert gibibytes(container["resources"]["limits"]["ephemeral-storage"]) >= size


@pytest.mark.parametrize("overlay", ["production", "sharded"])
def test_images_come_from_a_registry_that_is_yours(overlay: str) -> None:
    for one in workloads(render(f"overlays/{overlay}")).values():
        for container in one.containers:
            assert container["image"].startswith("registry.example.com/")


def test_a_server_of_models_has_room_for_what_it_compiles() -> None:
    vllm = workloads(render("overlays/gpu"))["vllm"]
    volumes = {one["name"]: one for one in vllm.pod["volumes"]}
    at = {one["mountPath"]: volumes[one["name"]] for one in vllm.service["volumeMounts"]}
    size = gibibytes(at[vllm.settings["HOME"]]["emptyDir"]["sizeLimit"])
    assert 4 <= size < gibibytes(vllm.service["resources"]["limits"]["ephemeral-storage"])
    assert vllm.settings["TMPDIR"] == vllm.settings["HOME"]
    assert vllm.settings["USER"]


def scaled(folder: str = "scaling") -> list[dict[str, Any]]:
    return of_kind(render(folder), "ScaledObject")


def called_in(overlay: str) -> set[str]:
    apps = workloads(render(f"overlays/{overlay}")).values()
    return {flow.target for one in apps for flow in called(one)}


@pytest.mark.parametrize("one", scaled(), ids=lambda one: one["metadata"]["name"])
def test_scalers_know_streams_consumers_and_their_limits(one: dict[str, Any]) -> None:
    (trigger,) = one["spec"]["triggers"]
    told = trigger["metadata"]
    spec = next(spec for spec in stream_specs(30.0) if spec.name == told["stream"])
    assert told["consumer"] == spec.consumer
    assert "headless" in told["natsServerMonitoringEndpoint"]
    most = int(told["lagThreshold"]) * one["spec"]["maxReplicaCount"]
    assert most <= spec.max_messages  # else the lag never tells the most
    assert one["spec"]["scaleTargetRef"]["name"] in workloads(render("overlays/production"))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_generators_may_go_to_zero_where_nobody_calls_them_and_filters_stay(overlay: str) -> None:
    folder = "scaling/on-gpu" if overlay == "gpu" else "scaling"
    least = {one["metadata"]["name"]: one["spec"]["minReplicaCount"] for one in scaled(folder)}
    assert least == {"filter": 1, "generator": int("generator" in called_in(overlay))}
