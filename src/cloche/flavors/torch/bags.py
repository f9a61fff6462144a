"""`EmbeddingBag` as plain arithmetic, for the ONNX form: the exporter makes a loop of it, or nothing at all."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn import functional

_MODES = ("mean", "sum")


class _Bag(nn.Module):
    """The sum or mean of the vectors of each bag; the padding index counts as nothing."""

    def __init__(self, bag: nn.EmbeddingBag) -> None:
        super().__init__()
        self.weight = bag.weight
        self.mean = bag.mode == "mean"
        self.padding = bag.padding_idx

    def forward(self, ids: torch.Tensor, offsets: torch.Tensor | None = None) -> torch.Tensor:
        """*ids* (bags, tokens), or (tokens,) of all bags that begin at *offsets*."""
        vectors = functional.embedding(ids, self.weight)
        there = torch.ones_like(ids) if self.padding is None else (ids != self.padding).to(ids.dtype)
        if offsets is None:
            parts = there.to(vectors.dtype).unsqueeze(1)
        else:
            places = torch.arange(ids.shape[0], device=ids.device).unsqueeze(0)
            ends = torch.cat([offsets[1:], torch.zeros_like(offsets[:1]) + ids.shape[0]])
            inside = (places >= offsets.unsqueeze(1)) & (places < ends.unsqueeze(1))
            parts = inside.to(vectors.dtype) * there.to(vectors.dtype)
        sums = torch.matmul(parts, vectors)
        if offsets is None:
            sums, parts = sums.squeeze(1), parts.squeeze(1)
        return sums / parts.sum(1, keepdim=True).clamp(min=1) if self.mean else sums


def without_bags(module: nn.Module) -> nn.Module:
    """*module*, or a copy of it in which every bag is plain arithmetic."""
    bags = [one for one in module.modules() if isinstance(one, nn.EmbeddingBag)]
    if not bags or not all(one.mode in _MODES and one.max_norm is None for one in bags):
        return module
    if isinstance(module, nn.EmbeddingBag):
        return _Bag(module)
    plain = copy.deepcopy(module)
    for parent in list(plain.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.EmbeddingBag):
                setattr(parent, name, _Bag(child))
    return plain
