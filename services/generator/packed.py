"""Weights laid out beforehand as the CPU's matrix product wants them.

A product of a few dozen rows with a weight matrix spends much of its time on bringing the
matrix into blocks. Decoding does so at every step with the same matrices, so oneDNN does
it once (https://oneapi-src.github.io/oneDNN, memory format propagation).
"""

from __future__ import annotations

from typing import cast

import torch
from torch import nn

from services.checkpoints.load import LoadedModel

_ROWS = 64  # how many the layout is made for; any number of them is right


class PackedLinear(nn.Module):
    """A linear layer for inference, on (..., in_features) float32."""

    packed: torch.Tensor

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.bias = linear.bias
        packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), _ROWS)
        self.register_buffer("packed", packed, persistent=False)

    @property
    def weight(self) -> torch.Tensor:
        """(out_features, in_features), a copy."""
        return self.packed.to_dense()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """inputs @ weight.T + bias: (..., out_features)."""
        product = torch.ops.mkldnn._linear_pointwise(inputs, self.packed, self.bias, "none", [], "")
        return cast(torch.Tensor, product)


@torch.inference_mode()
def pack(loaded: LoadedModel) -> LoadedModel:
    """The same model, its linear layers packed in place: for inference alone.

    Left as they are: layers that are not on a CPU or not float32, and models with an encoder,
    whose code looks at the weights of its layers.
    """
    if not loaded.has_encoder and torch.backends.mkldnn.is_available():
        _pack_children(loaded.model)
    return loaded


def _pack_children(module: nn.Module) -> None:
    for name, child in module.named_children():
        if type(child) is nn.Linear:
            weight = child.weight
            if weight.device.type == "cpu" and weight.dtype == torch.float32:
                setattr(module, name, PackedLinear(child))
        else:
            _pack_children(child)
