"""
cloche: from a fitted model to a service that others can rely on.

    import cloche
    cloche.save(model, "penguins", inputs=X, targets=y)      # freeze it, with a contract learnt from X
    model = cloche.load("penguins")                          # use it here, without a server
    client = cloche.Client("http://127.0.0.1:8000")          # or call a running one

Importing this package does nothing and imports nothing heavy: each name is fetched on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cloche._version import __version__

if TYPE_CHECKING:
    from cloche.aclient import AsyncClient
    from cloche.api.evaluating import evaluate
    from cloche.api.hosting import Served, asgi, open
    from cloche.api.labelling import label
    from cloche.api.loading import load, training_state
    from cloche.api.recomputing import Replayed
    from cloche.api.replaying import replay, replay_sample
    from cloche.api.saving import inspect, save
    from cloche.api.version import Version
    from cloche.client import Client
    from cloche.registry import Evaluation
    from cloche.serving import Model, Prediction

__all__ = [
    "AsyncClient",
    "Client",
    "Evaluation",
    "Model",
    "Prediction",
    "Replayed",
    "Served",
    "Version",
    "__version__",
    "asgi",
    "evaluate",
    "inspect",
    "label",
    "load",
    "open",
    "replay",
    "replay_sample",
    "save",
    "training_state",
]

_HOME = {
    "AsyncClient": "cloche.aclient",
    "Client": "cloche.client",
    "Evaluation": "cloche.registry",
    "Model": "cloche.serving",
    "Prediction": "cloche.serving",
    "Replayed": "cloche.api.recomputing",
    "Served": "cloche.api.hosting",
    "Version": "cloche.api.version",
    "asgi": "cloche.api.hosting",
    "evaluate": "cloche.api.evaluating",
    "inspect": "cloche.api.saving",
    "label": "cloche.api.labelling",
    "load": "cloche.api.loading",
    "open": "cloche.api.hosting",
    "replay": "cloche.api.replaying",
    "replay_sample": "cloche.api.replaying",
    "save": "cloche.api.saving",
    "training_state": "cloche.api.loading",
}


def __getattr__(name: str) -> Any:
    try:
        home = _HOME[name]
    except KeyError:
        raise AttributeError(f"module 'cloche' has no attribute '{name}'") from None
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
