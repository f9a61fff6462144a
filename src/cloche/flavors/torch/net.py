"""
A net with all that it needs to answer, as its owner holds it (`Draft`) and as it is opened (`Net`).

What cannot be read from a net is found by asking it, and is written down: the meaning of its numbers, how it takes
texts, whether it can be built without memory.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from cloche import tables
from cloche.errors import SaveRefusedError, UsageError
from cloche.flavors.tokens import Tokenizer, tokenizer_of
from cloche.flavors.tokens.batches import tokens_of
from cloche.flavors.tokens.options import MAX_LENGTH, TextOptions
from cloche.flavors.torch import asking, probing, tasks
from cloche.flavors.torch.asking import Array
from cloche.flavors.torch.matrices import matrix_of, some_rows
from cloche.flavors.torch.options import NetOptions
from cloche.records import Table

OPTIONS = ("config", "tokenizer", "max_length", "training_state")
#: Rows and texts that a net is asked about before it is saved.
ASKED = 256
MAX_TOKENS = 512
_LAST = 100_000


@dataclass(frozen=True, slots=True)
class Draft:
    """A net that is being saved; *sample* is what it was asked about, *found* what it answered."""

    module: nn.Module
    config: Mapping[str, Any] | None
    training_state: Mapping[str, Any] | None
    tokenizer: Tokenizer | None
    text: TextOptions | None
    columns: int | None
    named: bool
    task: tasks.Task
    dtype: str
    sample: Any
    found: Array
    notes: tuple[str, ...] = ()

    def asked(self, module: nn.Module) -> Array:
        """What *module*, on the CPU, answers for the sample."""
        return _asked(module, self.sample, self.text, self.tokenizer, self.dtype, torch.device("cpu"))


@dataclass(slots=True)
class Net:
    """A net that was opened; `device` is where it computes."""

    module: nn.Module
    options: NetOptions
    tokenizer: Tokenizer | None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def numbers(self, frame: Any) -> Array:
        """
        The net's numbers for each row of *frame*, (n, width).

        Raises:
            ValueError: a row has something missing, or the net answers no finite number.
        """
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if self.options.text is None or self.tokenizer is None:
                matrix = matrix_of(frame, self.options.dtype)
                found = asking.ask_matrix(self.module, matrix, self.options.dtype, self.device)
            else:
                tokens = tokens_of(texts_of(frame), self.tokenizer, self.options.text.max_length)
                found = asking.ask_tokens(self.module, tokens, self.options.text, self.tokenizer.pad, self.device)
        if found.shape[1] != self.options.width and len(found):
            raise ValueError(f"expected {self.options.width} numbers a row from the net, got {found.shape[1]}")
        if not np.isfinite(found).all():
            raise ValueError("the net's answer is no finite number: an input is missing, or too large for it")
        return found


def draft(
    module: nn.Module,
    options: Mapping[str, Any],
    inputs: Any,
    *,
    targets: Any,
    classes: Sequence[Any] | Mapping[Any, Any] | None,
    aside: Sequence[str],
) -> Draft:
    """
    Ask *module* whatever has to be known before it is saved.

    Raises:
        UsageError: an option that a net does not have, or that does not fit.
        SaveRefusedError: it does not answer the rows that it came with.
    """
    for name in options:
        if name not in OPTIONS:
            raise UsageError(f"{name}: not an option of a PyTorch net; it has {', '.join(OPTIONS)}")
    module = _bare(module)
    table = None if inputs is None else _inputs(tables.read(inputs), aside)
    device, dtype = asking.device_of(module), asking.dtype_of(module)
    tokenizer = None if options.get("tokenizer") is None else tokenizer_of(options["tokenizer"])
    text = None
    notes: list[str] = []
    with asking.at_rest(module), torch.inference_mode():
        if tokenizer is None:
            if options.get("max_length") is not None:
                raise UsageError("max_length: counts the tokens of a text; pass tokenizer= too")
            sample: Any = _matrix(module, table, dtype)
            found = probing.matrix_answers(module, sample, dtype, device)
        else:
            _check_ids(module, tokenizer)
            sample, text = _texts(module, table, tokenizer, options.get("max_length"), device)
            notes += _text_notes(text, options.get("max_length"))
            found = _asked(module, sample, text, tokenizer, dtype, device)

    def shaken() -> Iterator[Array]:
        for seed in range(probing.SHAKES):
            yield _asked(probing.Shaken(module, seed), sample, text, tokenizer, dtype, device)

    with asking.at_rest(module):
        task = tasks.task_of(found, targets, classes, shaken)
    notes = [tasks.told(task, len(sample)), *notes]
    if tokenizer is None:
        found = found[: len(sample)]
    columns = None if tokenizer is not None else sample.shape[1]
    state, config = options.get("training_state"), options.get("config")
    return Draft(
        module, config, state, tokenizer, text, columns, table is not None, task, dtype, sample, found, tuple(notes)
    )


def _bare(module: nn.Module) -> nn.Module:
    """The net itself, out of what compiles it or spreads it over devices."""
    if isinstance(module, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
        return _bare(module.module)
    inner = getattr(module, "_orig_mod", None)
    return _bare(inner) if isinstance(inner, nn.Module) else module


def _inputs(table: Table, aside: Sequence[str]) -> Table:
    columns = {name: column for name, column in table.columns.items() if name not in aside}
    return Table(columns, table.rows, table.container)


def _asked(
    module: nn.Module,
    sample: Any,
    text: TextOptions | None,
    tokenizer: Tokenizer | None,
    dtype: str,
    device: torch.device,
) -> Array:
    with asking.at_rest(module), torch.inference_mode():
        if text is None or tokenizer is None:
            return asking.ask_matrix(module, sample, dtype, device)
        return asking.ask_tokens(module, sample, text, tokenizer.pad, device)


# -- matrices -----------------------------------------------------------------------------------


def _matrix(module: nn.Module, table: Table | None, dtype: str) -> Array:
    """Some rows of the table without gaps; without table, rows of noughts and ones of the width the net says."""
    if table is None or not table.rows:
        width = len(table.columns) if table is not None and table.columns else _width(module)
        return np.vstack([np.zeros((1, width)), np.ones((1, width)), np.eye(width)[:ASKED]])
    try:
        matrix = matrix_of(some_rows(table, ASKED * 4), dtype)
    except ValueError as exc:
        raise SaveRefusedError(str(exc)) from exc
    whole = matrix[np.isfinite(matrix).all(axis=1)]
    return whole[:ASKED] if len(whole) else np.nan_to_num(matrix[:ASKED])


def _width(module: nn.Module) -> int:
    for one in module.modules():
        width = getattr(one, "in_features", getattr(one, "num_features", None))
        if isinstance(width, int) and 0 < width <= _LAST:
            return width
    raise SaveRefusedError("the net does not tell how many columns it takes; pass the training table: inputs=X")


# -- texts --------------------------------------------------------------------------------------


def _texts(
    module: nn.Module, table: Table | None, tokenizer: Tokenizer, max_length: int | None, device: torch.device
) -> tuple[list[list[int]], TextOptions]:
    if max_length is not None and not (type(max_length) is int and 1 <= max_length <= MAX_LENGTH):
        raise UsageError(f"max_length: expected the most tokens of a text, 1 to {MAX_LENGTH}, got {max_length!r}")
    texts = _given_texts(table)
    if max_length is None:
        longest = max((len(one) for one in tokenizer.encode(texts, MAX_TOKENS)), default=0)
        max_length = max(longest, 1) if table is not None else MAX_TOKENS
    tokens = tokens_of(texts, tokenizer, max_length)
    return tokens, probing.text_options(module, tokens, tokenizer, max_length, device)


def _given_texts(table: Table | None) -> list[str]:
    if table is None or not table.rows:
        return ["a", "an example", "a short example of a text", "and one more example, which is a little longer"]
    if len(table.columns) != 1:
        raise SaveRefusedError(
            f"inputs: expected one column of texts, got {len(table.columns)}: {', '.join(list(table.columns)[:10])}; "
            "columns that the net is not shown belong in keys=[…] or context=[…]"
        )
    (column,) = table
    if column.kind != "string":
        raise SaveRefusedError(f"inputs: expected texts for the tokenizer, got '{column.name}' of {column.dtype}")
    return [str(one) for one in column.present()[: ASKED * 4].tolist()][:ASKED]


def _text_notes(text: TextOptions, asked: int | None) -> Iterator[str]:
    if asked is None:
        yield f"texts are cut after {text.max_length} tokens, as many as the longest one has; max_length= says another"
    if text.padding == "equal":
        yield (
            "padding changes this net's answers, so only texts of the same length are asked together; where it was "
            'trained on padded texts say so: tokenizer={"vocabulary": {…}, "padding": "fixed"} and max_length='
        )
    elif text.padding == "fixed":
        yield f"every text is padded to {text.max_length} tokens"


def _check_ids(module: nn.Module, tokenizer: Tokenizer) -> None:
    rows = rows_of_embedding(module)
    if rows is not None and tokenizer.size > rows:
        raise SaveRefusedError(
            f"tokenizer: gives numbers up to {tokenizer.size - 1}, and the net's first embedding has {rows} rows; is "
            "it the tokenizer that the net was trained with?"
        )


def rows_of_embedding(module: nn.Module) -> int | None:
    """How many different tokens the net knows, where it says so."""
    found = (one for one in module.modules() if isinstance(one, (nn.Embedding, nn.EmbeddingBag)))
    first = next(found, None)
    return None if first is None else int(first.num_embeddings)


def texts_of(frame: Any) -> list[Any]:
    """What a frame of one column holds."""
    if isinstance(frame, list):
        return frame
    (column,) = tables.read(frame)
    return column.to_list()
