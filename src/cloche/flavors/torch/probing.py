"""What is found by asking the net itself: how it takes texts, whether padding changes answers, what its numbers are."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from cloche.errors import SaveRefusedError
from cloche.flavors.tokens import Tokenizer
from cloche.flavors.tokens.options import Mask, Padding, TextOptions
from cloche.flavors.torch.asking import Array, ask_matrix, ask_tokens

#: Texts that are asked alone and together.
PROBED = 24
#: Spread of the weights of a shaken net, and how many there are.
_SHAKE = 3.0
SHAKES = 3
Answers = Literal["logits", "probabilities"]


def close(one: Array, other: Array, dtype: str = "float32") -> bool:
    """Equal within the tolerance of the net's number type."""
    allowed = {"float64": 1e-9, "float32": 1e-5}.get(dtype, 2e-2)
    return one.shape == other.shape and bool(np.all(np.abs(one - other) <= allowed + allowed * np.abs(one)))


# -- how texts go in ----------------------------------------------------------------------------


def text_options(
    module: nn.Module, tokens: Sequence[Sequence[int]], tokenizer: Tokenizer, max_length: int, device: torch.device
) -> TextOptions:
    """
    The first way of calling `forward` that works on *tokens*, one for which padding changes nothing before others.

    Raises:
        SaveRefusedError: none works; with what the net raised.
    """
    some = _spread(tokens)
    working: TextOptions | None = None
    raised: Exception | None = None
    for mask, names in _signatures(module):
        for padding in _paddings(tokenizer):
            how = TextOptions(tokenizer=tokenizer.kind, max_length=max_length, padding=padding, mask=mask, names=names)
            try:
                alone = np.concatenate([ask_tokens(module, [one], how, tokenizer.pad, device) for one in some])
            except Exception as exc:  # noqa: BLE001 - what the net raises is the answer
                raised = raised or exc
                continue
            if _same_together(module, some, how, tokenizer.pad, device, alone):
                return how
            if working is None and padding == "longest":
                working = TextOptions(
                    tokenizer=how.tokenizer, max_length=max_length, padding="equal", mask=mask, names=names
                )
            break
    if working is None:
        raise SaveRefusedError(
            f"the net does not answer texts: forward(ids) with ids of shape (texts, tokens) raises "
            f"{type(raised).__name__}: {raised}. It may take (ids), (ids, mask), (ids, lengths), (ids, offsets) or "
            "(input_ids=, attention_mask=); a net that wants one length only says max_length=, and a vocabulary has to "
            "fit its embedding"
        )
    return working


def _spread(tokens: Sequence[Sequence[int]]) -> list[Sequence[int]]:
    """Some texts, from the shortest to the longest."""
    ordered = sorted((one for one in tokens if one), key=len)
    if len(ordered) <= PROBED:
        return list(ordered)
    return [ordered[place] for place in np.linspace(0, len(ordered) - 1, PROBED).astype(int).tolist()]


def _paddings(tokenizer: Tokenizer) -> tuple[Padding, ...]:
    return ("fixed",) if tokenizer.fixed else ("longest", "fixed")


def _same_together(
    module: nn.Module, some: list[Sequence[int]], how: TextOptions, pad: int, device: torch.device, alone: Array
) -> bool:
    try:
        return close(alone, ask_tokens(module, some, how, pad, device))
    except Exception:  # noqa: BLE001 - it takes one text at a time, and not several
        return False


def _signatures(module: nn.Module) -> Iterator[tuple[Mask, tuple[str, ...]]]:
    """Ways to call `forward`, as its parameters tell them; the likeliest first."""
    try:
        parameters = list(inspect.signature(module.forward).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    named = [one.name for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    if "input_ids" in named:
        keywords = ("input_ids", *(one for one in ("attention_mask",) if one in named))
        for mask in ("int64", "bool") if len(keywords) == 2 else ("none",):
            yield mask, keywords
        return
    second = parameters[1].name.lower() if len(parameters) > 1 else ""
    if second:
        for mask in _masks(second):
            yield mask, ()
    if len(parameters) < 2 or parameters[1].default is not inspect.Parameter.empty:
        yield "none", ()


def _masks(name: str) -> tuple[Mask, ...]:
    if "off" in name:
        return ("offsets",)
    if "len" in name:
        return ("lengths",)
    if "pad" in name:
        return ("padding", "bool", "int64")
    if "mask" in name or "attention" in name:
        return ("int64", "bool", "padding")
    return ()


# -- what comes out -----------------------------------------------------------------------------


def matrix_answers(module: nn.Module, matrix: Array, dtype: str, device: torch.device) -> Array:
    """
    The net's numbers on *matrix*, and on the same rows far out: what is a probability there as well is one.

    Raises:
        SaveRefusedError: it does not take the matrix; with what it raised.
    """
    try:
        found = ask_matrix(module, matrix, dtype, device)
        return np.concatenate([found, ask_matrix(module, matrix * 50.0 - 25.0, dtype, device)])
    except Exception as exc:
        raise SaveRefusedError(
            f"the net does not take a {dtype} matrix of shape (rows, {matrix.shape[1]}): {type(exc).__name__}: {exc}. "
            "Its forward has to take one matrix, the columns of inputs= in their order (key and context columns are "
            "named in keys=[…] and context=[…]); a net that takes several tensors is wrapped in one that splits them"
        ) from exc


def kind_of(found: Array, shaken: Callable[[], Iterator[Array]]) -> Answers:
    """
    Probabilities where every number is in [0, 1] and, of several, each row's sum is 1; else logits.

    One number alone may lie there by chance, so it has to stay there in the *shaken* net as well.
    """
    if found.shape[1] == 1:
        return "probabilities" if _within(found) and all(map(_within, shaken())) else "logits"
    sums = np.abs(found.sum(axis=1) - 1.0)
    return "probabilities" if _within(found) and bool(np.all(sums <= 1e-3)) else "logits"


def kind_of_labels(found: Array, shaken: Callable[[], Iterator[Array]]) -> Answers:
    """The same for labels that do not exclude each other: each number is a probability by itself."""
    return "probabilities" if _within(found) and all(map(_within, shaken())) else "logits"


def _within(found: Array) -> bool:
    finite = found[np.isfinite(found)]
    return bool(np.all((finite >= 0.0) & (finite <= 1.0)))


class Shaken(nn.Module):
    """A net with other weights: what its last step keeps in bounds stays in bounds, all else does not."""

    def __init__(self, net: nn.Module, seed: int) -> None:
        super().__init__()
        self.net = [net]  # not a part of this one
        noise = torch.Generator().manual_seed(seed)
        self.weights = {
            name: (torch.randn(one.shape, generator=noise) * _SHAKE).to(one.dtype).to(one.device)
            for name, one in net.named_parameters()
        }

    def forward(self, *arguments: Any, **named: Any) -> Any:
        return torch.func.functional_call(self.net[0], self.weights, arguments, named)
