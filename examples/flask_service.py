"""
A plain Flask service of one model: `cloche.open` for the model, Flask for the routes.

Flask calls from its own threads, so it uses the blocking `served.predict` instead of `await served.infer`.
"""

from __future__ import annotations

from typing import Any

from flask import Flask, request

import cloche
from cloche.errors import InvalidInputError

served = cloche.open("penguins")
app = Flask(__name__)


@app.post("/species")
def species() -> dict[str, Any]:
    """Predict one penguin (an object) or several (an array)."""
    return served.predict(request.get_json()).to_dict()


@app.errorhandler(InvalidInputError)
def refused(exc: InvalidInputError) -> tuple[dict[str, Any], int]:
    """Say which row and field, as cloche's own routes do."""
    return exc.to_dict(), 400
