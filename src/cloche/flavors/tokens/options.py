"""How a net is shown texts, as plain data."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

#: How the argument after the ids is made: 1 where there is a token (integers, booleans), True where there is none,
#: the number of tokens, or where each text begins in one long row of tokens.
Mask = Literal["none", "int64", "bool", "padding", "lengths", "offsets"]
#: `longest`: a batch is padded to its longest text; `fixed`: every text to `max_length`; `equal`: only texts of one
#: length are asked together, because padding changes the answers.
Padding = Literal["longest", "fixed", "equal"]

#: Tokens of a text, at most: a net pads to as many where it wants one length.
MAX_LENGTH = 100_000


class TextOptions(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """
    How a text becomes the arguments of a net.

    `names` are the keywords of ids and mask where they are passed by name. `max_length` counts tokens.
    """

    tokenizer: str
    max_length: Annotated[int, msgspec.Meta(ge=1, le=MAX_LENGTH)]
    padding: Padding = "longest"
    mask: Mask = "none"
    names: tuple[str, ...] = ()
