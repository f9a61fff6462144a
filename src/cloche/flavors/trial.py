"""
Opens a model file and asks it a row, in a process that nobody needs.

    python -P -m cloche.flavors.trial FLAVOR FILE

A library's parser may end the process on a file that was made for it; the parent reads the exit status.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cloche.flavors import get_flavor
from cloche.flavors.boosted import BoosterFlavor


def main() -> None:
    """Open the file through the flavor that its parent named, without another trial."""
    name, path = sys.argv[1], Path(sys.argv[2])
    flavor = get_flavor(name)
    if isinstance(flavor, BoosterFlavor):
        flavor.ask(flavor.opened(path.read_bytes(), path.name))


if __name__ == "__main__":
    main()
