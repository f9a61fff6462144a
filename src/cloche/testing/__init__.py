"""
The contract suite of flavors: what every model library's flavor has to keep, ours and an operator's own.

    python -m cloche.testing.flavor acme:GamFlavor

runs it for a private flavor; the tests of cloche run it over every entry of `FLAVORS`. A flavor brings an `Example`.
"""

from __future__ import annotations

from cloche.testing.checks import CHECKS, run
from cloche.testing.example import CheckError, Example, NotApplicable
from cloche.testing.subject import Subject

__all__ = ["CHECKS", "CheckError", "Example", "NotApplicable", "Subject", "run"]
