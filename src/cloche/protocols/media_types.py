"""`Content-Type` and `Accept`, read as RFC 9110 says. Pure; what is spoken here stands in `forms.py`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

#: Java's HttpURLConnection says `q=.2`.
_QUALITY = re.compile(r"0(?:\.[0-9]{0,3})?|\.[0-9]{1,3}|1(?:\.0{0,3})?")
#: More ranges than this in an `Accept` header are not looked at.
_MAX_RANGES = 32
_EXACT, _KIND, _ANY = 3, 2, 1


@dataclass(frozen=True, slots=True)
class MediaType:
    """`text/csv; header=present` as a lower-case name and its parameters."""

    name: str
    parameters: dict[str, str]

    @classmethod
    def parse(cls, text: str) -> MediaType:
        """Read a header's value; nothing is refused here."""
        name, *rest = text.split(";")
        pairs = (one.partition("=") for one in rest)
        given = {key.strip().lower(): value.strip().strip('"').lower() for key, _, value in pairs}
        return cls(name.strip().lower(), given)


def preferred(accept: str, offered: Sequence[str]) -> str | None:
    """
    Which of *offered* the header asks for, or None where it takes none of them.

    The highest `q` wins, then the more precise range, then the order of *offered*. A range with a broken `q` is
    passed over.
    """
    ranges = list(_ranges(accept))
    if not ranges:
        return offered[0]
    best: tuple[float, int] = (0.0, 0)
    found = None
    for name in offered:
        precision, quality = max(((_matches(one, name), q) for one, q in ranges), default=(0, 0.0))
        if precision and quality > 0 and (quality, precision) > best:
            best, found = (quality, precision), name
    return found


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    for part in accept.split(",")[:_MAX_RANGES]:
        media = MediaType.parse(part)
        text = media.parameters.get("q", "1")
        if media.name and _QUALITY.fullmatch(text):
            yield media.name, float(text)


def _matches(wanted: str, name: str) -> int:
    """How precisely a range names a media type; 0: not at all."""
    if wanted == name:
        return _EXACT
    if wanted in ("*/*", "*"):
        return _ANY
    return _KIND if wanted.endswith("/*") and name.startswith(wanted[:-1]) else 0
