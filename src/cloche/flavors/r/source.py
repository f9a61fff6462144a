"""The R file for a user's own session: `cloche.R` with what cloche knows of fitted models inside."""

from __future__ import annotations

from importlib import resources

_PLACE = "#@ model.R\n"


def client_source() -> str:
    """The text of `cloche.R`: `cloche_save` and `cloche_predict`, in base R."""
    here = resources.files("cloche.flavors.r")
    known = (here / "model.R").read_text("utf-8")
    return (here / "cloche.R").read_text("utf-8").replace(_PLACE, known)
