"""Drawing tokens from the nucleus of a distribution, reproducibly.

Every sample owns a stream of uniform numbers, so that what it draws depends on
neither the other samples of its batch nor their order.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch

_PRESELECTED = 256


def uniforms(seed: int, prompt_id: str, sample_index: int, steps: int) -> torch.Tensor:
    """The uniform numbers of one sample: (steps,) float64 in [0, 1)."""
    name = f"{seed}\0{prompt_id}\0{sample_index}".encode()
    key = np.frombuffer(hashlib.sha256(name).digest()[:16], dtype=np.uint64)
    return torch.from_numpy(np.random.Generator(np.random.Philox(key=key)).random(steps))


def draw(
    logits: torch.Tensor, uniform: torch.Tensor, *, temperature: float, top_p: float
) -> torch.Tensor:
    """One token per row by inverse transform over the nucleus.

    logits: (rows, vocabulary); uniform: (rows,) in [0, 1). Returns (rows,) ids.
    The nucleus is the smallest set of most probable tokens whose mass reaches
    `top_p` (Holtzman et al. 2020, section 3.1). Temperature 0 takes the mode.
    """
    if temperature == 0:
        return logits.argmax(dim=-1)
    scaled = logits.double() / temperature if top_p == 1 else logits / temperature
    total = torch.logsumexp(scaled, dim=-1, keepdim=True)
    size = logits.shape[-1]
    # Sorting the whole vocabulary costs more than the rest of the step; nearly always
    # the most probable few hundred tokens hold the nucleus.
    width = size if top_p == 1 else min(_PRESELECTED, size)
    values, ids = torch.topk(scaled, width, dim=-1)
    mass = (values - total).exp().double().cumsum(dim=-1)
    drawn = _invert(ids, mass, uniform, top_p)
    flat = (mass[:, -1] < top_p).nonzero()[:, 0]  # rows whose nucleus is larger than that
    if width < size and flat.numel():
        values, ids = torch.sort(scaled[flat], dim=-1, descending=True)
        mass = (values - total[flat]).exp().double().cumsum(dim=-1)
        drawn[flat] = _invert(ids, mass, uniform[flat], top_p)
    return drawn


def _invert(
    ids: torch.Tensor, mass: torch.Tensor, uniform: torch.Tensor, top_p: float
) -> torch.Tensor:
    """Where the cumulated mass (rows, n) of the nucleus passes its `uniform` share: (rows,)."""
    ends = (mass < top_p).sum(dim=-1, keepdim=True).clamp(max=mass.shape[-1] - 1)
    target = uniform.unsqueeze(-1) * mass.gather(-1, ends)
    chosen = torch.searchsorted(mass, target, right=True).clamp(max=ends)
    return ids.gather(-1, chosen).squeeze(-1)
