"""
The words of a problem: how a value is shown, what came instead, what may have been meant.

Nothing here decides whether a value is right. Whatever comes out is valid Unicode of bounded length.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

from cloche.contract.problems import MAX_VALUE_CHARS
from cloche.contract.strict_json import Unreadable

#: Comparing one unknown word with more candidates than this would cost a request more than it helps.
MAX_CANDIDATES = 500
MAX_LISTED = 10


class RefusalError(Exception):
    """One value that breaks one rule; the slow pass adds row and field."""

    def __init__(self, code: str, message: str, expected: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.expected = expected


def clean(text: str, limit: int = MAX_VALUE_CHARS) -> str:
    """*text* on one line of at most *limit* characters, without lone surrogates or control characters."""
    short = text if len(text) <= limit else text[: limit - 1] + "…"
    if short.isprintable():
        return short
    escaped = "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in short)
    return escaped if len(escaped) <= limit else escaped[: limit - 1] + "…"


def quoted(value: Any) -> str:
    """A value as it stands in a message: text in single quotes, everything else bare."""
    shown = short_value(value)
    if isinstance(value, str):
        return f"'{shown}'"
    if isinstance(value, bool):
        return "true" if value else "false"
    whole = isinstance(shown, float) and shown.is_integer() and abs(shown) < 1e15
    return str(int(shown)) if whole else str(shown)


def short_value(value: Any) -> Any:
    """What `Problem.value` holds: the value itself where it is small and plain JSON, else text of 64 characters."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, int):
        return int(value) if abs(value) < 2**63 else clean(_digits(value))
    if isinstance(value, float):
        return float(value) if value - value == 0 else str(float(value))
    if isinstance(value, Unreadable):
        return clean(value.text)
    return named_type(value)


def _digits(value: int) -> str:
    """The digits of a big integer; Python refuses to print more than 4,300 of them."""
    return str(value) if value.bit_length() < 1100 else f"an integer of {value.bit_length()} bits"


def named_type(value: Any) -> str:
    """The JSON type of *value* with its article: `a number`, `text`, `an array of 3`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, Unreadable):
        return "a number beyond float64" if value.json else clean(value.text)
    if isinstance(value, str):
        return "text"
    if isinstance(value, (list, tuple)):
        return f"an array of {len(value)}"
    return "an object" if isinstance(value, dict) else f"a {clean(type(value).__name__)}"


def wrong_type(expected: str, value: Any, private: bool) -> RefusalError:
    """The refusal of a value of another JSON type, with the cause where it is a well-known one."""
    if isinstance(value, Unreadable) and value.json:
        shown = "this number" if private else clean(value.text, 24)
        return RefusalError("not_representable", f"{shown} is beyond float64", expected)
    if isinstance(value, Unreadable) or (isinstance(value, float) and value - value != 0):
        text = value.text if isinstance(value, Unreadable) else str(float(value))
        message = f"expected {expected}, got {text}, which is not JSON; send null for a missing value"
        return RefusalError("wrong_type", message, expected)
    came = named_type(value)
    if isinstance(value, str) and not private:
        came = f"the text {quoted(value)}"
    return RefusalError("wrong_type", f"expected {expected}, got {came}{_hint(expected, value)}", expected)


def _hint(expected: str, value: Any) -> str:
    if isinstance(value, (list, tuple)) and len(value) == 1 and "array" not in expected:
        return "; send the value itself, not in an array (R's jsonlite needs auto_unbox = TRUE)"
    if isinstance(value, str) and "number" in expected and _reads_as_number(value):
        return "; send it without quotes"
    if isinstance(value, (int, float)) and not isinstance(value, bool) and "text" in expected:
        return "; send it in quotes"
    return ""


def _reads_as_number(text: str) -> bool:
    try:
        float(text[:MAX_VALUE_CHARS])
    except ValueError:
        return False
    return True


def nearest(word: Any, candidates: Sequence[Any]) -> str | None:
    """The candidate that *word* may have been meant as, or None."""
    texts = [one for one in candidates if isinstance(one, str)]
    if not isinstance(word, str) or len(word) > MAX_VALUE_CHARS or len(texts) > MAX_CANDIDATES:
        return None
    folded = {one.casefold().strip(): one for one in reversed(texts)}
    same = folded.get(word.casefold().strip())
    if same is not None:
        return same
    close = difflib.get_close_matches(word, texts, n=1, cutoff=0.65)
    return close[0] if close else None


def listed(values: Iterable[Any], total: int) -> str:
    """`one of 'a', 'b'`, or `one of 57 levels` where a list would be too long."""
    if total > MAX_LISTED:
        return f"one of {total} levels"
    return "one of " + ", ".join(quoted(one) for one in values)
