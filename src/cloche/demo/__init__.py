"""
The Palmer penguins, and the story that `cloche demo` tells with them.

`CSV` is the path of the table: 344 penguins, mixed columns, missing values. Data: Gorman KB, Williams TD, Fraser WR
(2014), doi:10.1371/journal.pone.0090081, published under CC0; the tidy form is that of the palmerpenguins packages.
"""

from __future__ import annotations

from pathlib import Path

CSV = Path(__file__).parent / "penguins.csv"
