"""Nets of a user's own package, and small ones of PyTorch's layers; this imports torch, so it is imported late."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

TEXTS = [
    "I loved this movie",
    "a great film, loved it",
    "what a wonderful story!",
    "terrible acting and a dull plot",
    "I hated it",
    "boring, bad and long: I hated every single minute of it",
]
WORDS = sorted(
    {word for text in TEXTS for word in "".join(c if c.isalnum() else f" {c} " for c in text.lower()).split()}
)
VOCABULARY = {"<pad>": 0, "<unk>": 1} | {word: place for place, word in enumerate(WORDS, start=2)}
SIZE = len(VOCABULARY)


class Masked(nn.Module):
    """The mean over the tokens that are there; a buffer that is in no state dict."""

    def __init__(self, words: int, width: int = 8) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, width)
        self.out = nn.Linear(width, 2)
        self.register_buffer("scale", torch.full((1,), 2.0), persistent=False)

    def forward(self, ids: Any, mask: Any) -> Any:
        vectors = self.embedding(ids) * mask.unsqueeze(-1)
        return self.out(vectors.sum(1) / mask.sum(1, keepdim=True) * self.scale)


class Recurrent(nn.Module):
    """One logit from the last state, which padding would go on changing."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, 8)
        self.rnn = nn.GRU(8, 8, batch_first=True)
        self.out = nn.Linear(8, 1)

    def forward(self, ids: Any) -> Any:
        return self.out(self.rnn(self.embedding(ids))[1][-1]).squeeze(-1)


class Lengths(nn.Module):
    """The sum over a text divided by its length; index 0 is a vector of noughts."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, 8, padding_idx=0)
        self.out = nn.Linear(8, 3)

    def forward(self, ids: Any, lengths: Any) -> Any:
        return self.out(self.embedding(ids).sum(1) / lengths.unsqueeze(1))


class Offsets(nn.Module):
    """All texts in one row of tokens."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(words, 8)
        self.out = nn.Linear(8, 3)

    def forward(self, text: Any, offsets: Any) -> Any:
        return self.out(self.bag(text, offsets))


class Attention(nn.Module):
    """As Hugging Face's classes are called, with what they answer."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, 8)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.out = nn.Linear(8, 2)

    def forward(self, input_ids: Any, attention_mask: Any) -> Any:
        seen = self.layer(self.embedding(input_ids), src_key_padding_mask=attention_mask == 0)
        seen = (seen * attention_mask.unsqueeze(-1)).sum(1) / attention_mask.sum(1, keepdim=True)
        return {"logits": self.out(seen)}


class PaddingMask(Attention):
    """The mask the other way round."""

    def forward(self, tokens: Any, padding_mask: Any) -> Any:
        return super().forward(tokens, (~padding_mask).to(torch.int64))["logits"]


class Fixed(nn.Module):
    """Takes texts of one length only, and answers probabilities."""

    def __init__(self, words: int, length: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, 4)
        self.out = nn.Linear(4 * length, 2)

    def forward(self, ids: Any) -> Any:
        return torch.softmax(self.out(self.embedding(ids).flatten(1)), dim=1)


class Tied(nn.Module):
    """Two layers of one matrix."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.first = nn.Linear(width, width, bias=False)
        self.second = nn.Linear(width, width, bias=False)
        self.second.weight = self.first.weight

    def forward(self, x: Any) -> Any:
        return self.second(torch.relu(self.first(x)))


class Hidden(nn.Module):
    """Keeps what it computes with out of its state dict."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.line = nn.Linear(4, 1)
        self.factor = factor

    def forward(self, x: Any) -> Any:
        return self.line(x) * self.factor


OWN = tuple(
    f"torch_nets.{one.__name__}"
    for one in (Masked, Recurrent, Lengths, Offsets, Attention, PaddingMask, Fixed, Tied, Hidden)
)


def local() -> nn.Module:
    """A net whose class is local to this function."""

    class Local(Hidden):
        pass

    return Local()


def classifier(seed: int = 0, width: int = 4, answers: int = 3) -> nn.Sequential:
    """A net of PyTorch's own layers for a matrix."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.BatchNorm1d(width), nn.Linear(width, 12), nn.GELU(), nn.Dropout(0.2), nn.Linear(12, answers)
    )


def bag(seed: int = 0) -> nn.Sequential:
    """A net of PyTorch's own layers for texts."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.EmbeddingBag(SIZE, 8, mode="mean", padding_idx=0), nn.Linear(8, 2))
