"""A smaller student: some of a model's layers, evenly spaced, as DistilBERT was begun.

Sanh et al. 2019 take one layer out of two from the teacher and train on. The weights are
put under the names that a model of fewer layers has for them, so nothing of the old
numbering (places in a cache, biases that the first layer owns) is left over.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from torch import nn
from transformers import PreTrainedModel

from services.checkpoints.load import LoadedModel
from stillhouse.errors import InvalidArgument

_FIELD = "recipe.student.layers"
_COUNTS = (
    "num_hidden_layers",
    "num_layers",
    "num_decoder_layers",
    "n_layer",
    "n_layers",
    "encoder_layers",
    "decoder_layers",
)
_PER_LAYER = ("layer_types", "attention_layers", "no_rope_layers", "mlp_layer_types")


def kept(total: int, keep: int) -> list[int]:
    """`keep` of `total` layers, evenly spaced, the first and the last among them.

    InvalidArgument unless 2 <= keep <= total.
    """
    if not 2 <= keep <= total:
        raise InvalidArgument(_FIELD, f"{keep} of {total} layers: keep 2 to {total} of them")
    return [(place * (total - 1) + (keep - 1) // 2) // (keep - 1) for place in range(keep)]


def with_layers(loaded: LoadedModel, keep: int) -> LoadedModel:
    """The model with `keep` layers of each stack; one of that size is returned as it is.

    InvalidArgument if it has fewer, or isn't made of stacks that its config counts.
    """
    model = loaded.model
    stacks = _stacks(model)
    if not stacks:
        raise InvalidArgument(_FIELD, f"{type(model).__name__} shows no layers to choose from")
    chosen = {name: kept(size, keep) for name, size in stacks.items()}
    if all(size == keep for size in stacks.values()):
        return loaded
    smaller = type(model)(_with_layers(model.config, chosen, keep))
    cast(nn.Module, smaller).to(model.dtype)
    try:
        smaller.load_state_dict(_renumbered(model.state_dict(), chosen))
    except RuntimeError:
        raise InvalidArgument(
            _FIELD, f"{type(model).__name__} can't be made with other layers; leave it out"
        ) from None
    _tie(smaller, model)
    smaller.generation_config = model.generation_config
    smaller.eval()
    return replace(loaded, model=smaller, parameters=smaller.num_parameters())


def _tie(smaller: PreTrainedModel, model: PreTrainedModel) -> None:
    """Share the weights that the model itself shares, whatever its config says (a T5's errs)."""
    first: dict[int, str] = {}
    for name, weight in model.named_parameters(remove_duplicate=False):
        owner = first.setdefault(id(weight), name)
        if owner != name:
            module, _, attribute = name.rpartition(".")
            setattr(smaller.get_submodule(module), attribute, smaller.get_parameter(owner))
    smaller.config.tie_word_embeddings = model.config.tie_word_embeddings


def _stacks(model: PreTrainedModel) -> dict[str, int]:
    """Names and sizes of the lists of layers: outermost lists that the config counts."""
    counts = {getattr(model.config, name, None) for name in _COUNTS}
    found: dict[str, int] = {}
    for name, module in model.named_modules():
        inside = any(name.startswith(f"{outer}.") for outer in found)
        if isinstance(module, nn.ModuleList) and len(module) in counts and not inside:
            found[name] = len(module)
    return found


def _with_layers(config: Any, chosen: dict[str, list[int]], keep: int) -> Any:
    smaller = copy.deepcopy(config)
    smaller.tie_word_embeddings = False  # first every weight on its own
    for name in _COUNTS:
        if isinstance(getattr(config, name, None), int):
            setattr(smaller, name, keep)
    for name in _PER_LAYER:
        values = getattr(config, name, None)
        if isinstance(values, list):
            fitting = next((one for one in chosen.values() if one[-1] == len(values) - 1), None)
            if fitting is not None:
                setattr(smaller, name, [values[layer] for layer in fitting])
    return smaller


def _renumbered(
    weights: dict[str, Any], chosen: dict[str, Sequence[int]] | dict[str, list[int]]
) -> dict[str, Any]:
    """The weights of the chosen layers under their new numbers, and all that lie outside."""
    numbers = {
        f"{stack}.{old}.": f"{stack}.{new}."
        for stack, layers in chosen.items()
        for new, old in enumerate(layers)
    }
    layer = re.compile("(?:" + "|".join(re.escape(stack) for stack in chosen) + r")\.\d+\.")
    renamed: dict[str, Any] = {}
    for name, value in weights.items():
        found = layer.match(name)
        if found is None:
            renamed[name] = value
        elif found.group() in numbers:
            renamed[numbers[found.group()] + name[found.end() :]] = value
    return renamed
