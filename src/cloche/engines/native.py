"""The model's own library, asked with the frame the model was fitted on."""

from __future__ import annotations

from typing import Any

from cloche import tables
from cloche.contract.model import Output
from cloche.flavors import Flavor
from cloche.records import Columns, FrameSpec, Outputs


class NativeEngine:
    """The reference that every other engine is measured against; `native` is what *flavor* loaded."""

    name = "native"

    def __init__(self, flavor: Flavor, native: Any, spec: FrameSpec, output: Output) -> None:
        self.flavor, self.native, self.frame = flavor, native, flavor.frame(native, spec)
        self._output = output

    def predict(self, columns: Columns, n: int) -> Outputs:
        """What the model answers for *n* rows; what it raises is raised."""
        frame = tables.to_frame(columns, self.frame, n)
        return self.flavor.predict(self.native, frame, self._output)
