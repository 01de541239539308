"""A model made ready for decoding on this machine: the same answers, sooner."""

from __future__ import annotations

import logging

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from services.checkpoints.load import LoadedModel
from services.generator.continued import CausalRows
from services.generator.packed import pack
from services.generator.shared import share

log = logging.getLogger(__name__)

_CLOSE = 1e-3  # nats; rounding is some hundred times less


def fit(loaded: LoadedModel) -> LoadedModel:
    """The same model, changed in place, for inference alone: its weights packed, and prompts
    shared by their samples where its attention allows that.
    """
    pack(loaded)
    if not loaded.has_encoder:
        _share_prompts(loaded)
    return loaded


def _share_prompts(loaded: LoadedModel) -> None:
    """Whether the shared attention is right for a model, a trial tells: biases, limits and
    whatever else an architecture may add would change what it gives.
    """
    model = loaded.model
    own = model.config._attn_implementation
    layers = DynamicCache(config=model.config).layers
    if own != "sdpa" or any(type(layer) is not DynamicLayer for layer in layers):
        return  # windows and the like
    wanted = _trial(loaded)
    share(model)
    try:
        right = torch.allclose(_trial(loaded), wanted, rtol=0, atol=_CLOSE)
    except Exception:  # any: it's not our code that runs
        log.warning("the trial of shared prompts failed", exc_info=True)
        right = False
    if not right:
        model.set_attn_implementation(own)
        log.info("prompts are copied for their samples", extra={"uri": loaded.pointer.uri})


@torch.inference_mode()
def _trial(loaded: LoadedModel) -> torch.Tensor:
    """Log-probabilities after two prompts of different lengths and two tokens more."""
    size = loaded.model.config.get_text_config().vocab_size
    ids = torch.arange(1, 15).reshape(2, 7) * 31 % size
    mask = torch.ones_like(ids)
    mask[1, :3] = 0
    rows = CausalRows(loaded, {"input_ids": ids, "attention_mask": mask}, repeats=2, room=2)
    for step in range(2):
        rows.feed((torch.arange(4)[:, None] * 7 + step) % size)
    return rows.logits.log_softmax(-1)
