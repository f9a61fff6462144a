"""
What can be wrong with a row, as a closed list of codes. A code never changes meaning.

The reference page `docs/reference/problems.md` is made from `CODES`.
"""

from __future__ import annotations

from typing import Any

import msgspec

MAX_PROBLEMS = 100
MAX_SUGGESTIONS = 10
MAX_VALUE_CHARS = 64

CODES: dict[str, str] = {
    "missing_field": "A required field is absent.",
    "unknown_field": "A field that the contract does not know.",
    "duplicate_field": "The same key twice in one object.",
    "not_an_object": "A row that is not an object of named fields.",
    "ragged": "A CSV row with more or fewer cells than the header, or a column of another length than the others.",
    "null_not_allowed": "`null` where the model cannot take a missing value.",
    "wrong_type": "A JSON type the field does not take.",
    "not_an_integer": "A number with a fraction in an integer field.",
    "not_representable": "An integer beyond 64 bits, or a number beyond float64.",
    "out_of_range": "Below the hard minimum or above the hard maximum: the model cannot take it.",
    "outside_training_range": "Outside what the model was trained on (a warning unless the policy says reject).",
    "fraction": "A fraction where training saw only whole numbers (a warning unless the policy says reject).",
    "unknown_level": "A level of a category that the model does not know.",
    "too_long": "Text longer than `max_length`.",
    "pattern_mismatch": "Text that does not match `pattern`.",
    "bad_text": "Text that is not valid Unicode (a lone surrogate).",
    "wrong_length": "A vector of another length.",
    "bad_date": "Not an ISO 8601 date `YYYY-MM-DD`.",
    "bad_datetime": "Not an RFC 3339 date and time.",
    "timezone_required": "A date and time without an offset in a field that has a time zone.",
    "timezone_not_allowed": "A date and time with an offset in a field without a time zone.",
    "model_refused": "The row keeps the contract, and the model still could not answer it.",
    "not_finite": "The model answered NaN or infinity; the answer holds `null` (a warning).",
}


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """
    One thing wrong with one field of one row.

    `row` is 0-based, None where the body was a single object. `value` is at most 64 characters and never
    of a private field.
    """

    row: int | None
    field: str | None
    code: str
    message: str
    expected: str | msgspec.UnsetType = msgspec.UNSET
    value: Any = msgspec.UNSET
    suggestion: str | msgspec.UnsetType = msgspec.UNSET

    def text(self) -> str:
        """The problem on one line: `row 17: island: unknown level 'Dreem'; did you mean 'Dream'?`"""
        where = [] if self.row is None else [f"row {self.row}"]
        if self.field is not None:
            where.append(self.field)
        return ": ".join([*where, self.message])
