"""All cases."""

from __future__ import annotations

from hostile import bodies, framing, heads
from hostile.case import Case

_TABLES = (
    heads.request_line,
    heads.method,
    heads.target,
    heads.header_names,
    heads.header_values,
    framing.length,
    framing.transfer_encoding,
    framing.chunked,
    framing.connection,
    bodies.syntax,
    bodies.encodings,
    bodies.numbers,
    bodies.sizes,
    bodies.duplicates,
    bodies.lines_and_cells,
)
CASES: tuple[Case, ...] = tuple(case for table in _TABLES for case in table().cases)
