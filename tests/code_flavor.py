"""A flavor of which every artifact runs code when it is opened, or says so: what trust decides, without the code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloche.flavors.sklearn import SklearnFlavor


class CodeFlavor(SklearnFlavor):
    """scikit-learn's, under another name."""

    name = "coded"

    def code(self, options: Mapping[str, Any]) -> str | None:
        return "a test says so"
