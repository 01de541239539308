"""What the further models of an evaluation need: a folder, or a generator that asks a server.

openai:http://HOST:PORT#MODEL    a server of OpenAI's completions
tgi:http://HOST:PORT             a server of text-generation-inference
generator:HOST:PORT              a generator that runs already
anything else                    a model as `teacher.model` names it
"""

from __future__ import annotations

from dataclasses import dataclass

from stillhouse.errors import InvalidArgument
from stillhouse.generator.types import ModelPointer
from stillhouse.local.prepare import Workspace, prepare_model
from stillhouse.recipe import Recipe

_BACKENDS = ("openai", "tgi")
_GENERATOR = "generator:"


@dataclass(frozen=True, slots=True)
class Rivals:
    """Further models by name: those that our generator can load, generators that run already,
    and the variables of those that must be started; and the critic that filtered nothing.
    """

    folders: dict[str, ModelPointer]
    targets: dict[str, str]
    servers: dict[str, dict[str, str]]
    critic: ModelPointer | None


def prepare_rivals(recipe: Recipe, teacher: ModelPointer, workspace: Workspace) -> Rivals:
    """Fetch and convert what `recipe.evaluation` names.

    InvalidArgument names the model that there is none of, or a critic that is the filter's.
    """
    rivals = Rivals({}, {}, {}, _critic(recipe, teacher, workspace))
    for number, one in enumerate(recipe.evaluation.models):
        kind, _, address = one.model.partition(":")
        if one.model.startswith(_GENERATOR):
            rivals.targets[one.name] = address
        elif kind in _BACKENDS:
            rivals.servers[one.name] = _variables(kind, address)
        else:
            field = f"recipe.evaluation.models.{number}.model"
            rivals.folders[one.name] = prepare_model(one.model, workspace, field)
    return rivals


def _critic(recipe: Recipe, teacher: ModelPointer, workspace: Workspace) -> ModelPointer | None:
    if not recipe.evaluation.critic:
        return None
    field = "recipe.evaluation.critic"
    critic = prepare_model(recipe.evaluation.critic, workspace, field)
    if critic.digest == teacher.digest:
        raise InvalidArgument(field, "is the model that filters; name another, or none")
    return critic


def _variables(backend: str, address: str) -> dict[str, str]:
    url, _, model = address.partition("#")
    return {
        "STILLHOUSE_BACKEND": backend,
        "STILLHOUSE_BACKEND_URL": url,
        "STILLHOUSE_BACKEND_MODEL": model,
    }
