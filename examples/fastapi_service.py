"""
A plain FastAPI service of one model.

`cloche.open` brings the model with its contract, its promotions and its isolation; the routes are yours. `cloche.asgi`
is the whole cloche application (docs page, OpenAPI, health) mounted under a path of yours.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

import cloche
from cloche.errors import InvalidInputError

served = cloche.open("penguins")
app = FastAPI(title="Penguins")
app.mount("/cloche", cloche.asgi("penguins"))


@app.post("/species")
async def species(rows: dict[str, Any] | list[dict[str, Any]]) -> dict[str, Any]:
    """Predict one penguin (an object) or several (an array)."""
    return (await served.infer(rows)).to_dict()


@app.exception_handler(InvalidInputError)
async def refused(_: Request, exc: InvalidInputError) -> JSONResponse:
    """Say which row and field, as cloche's own routes do."""
    return JSONResponse(exc.to_dict(), status_code=400)
