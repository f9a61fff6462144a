"""The routes that tell about the server: health, metadata, models, the document and the page themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cloche.protocols.error_schema import ANYWHERE, references

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_MAYBE_TEXT: Schema = {"type": ["string", "null"]}
_MAYBE_INTEGER: Schema = {"type": ["integer", "null"]}
_KEYS: list[Schema] = [{"bearer": []}, {"apiKey": []}]
_MISSING = (404,)


def paths(names: Sequence[str], has_default: bool, *, keys_required: bool) -> dict[str, Schema]:
    """The paths of the server itself; `/metadata` is there where one model is the default."""
    guarded = _KEYS if keys_required else []
    errors = (*ANYWHERE, *((401,) if keys_required else ()))
    found = {
        "/health": _get("Whether the server answers predictions", _json("Ready"), ANYWHERE, []),
        "/live": _get("Whether the process runs", _json("Live"), ANYWHERE, []),
        "/ready": _get("Whether this replica should get requests", _json("Ready"), ANYWHERE, []),
        "/models": _get("The models served here", _json("Models"), errors, guarded),
        "/openapi.json": _get("This document", {"application/json": {"schema": {"type": "object"}}}, errors, guarded),
        "/docs": _get("The page for people", {"text/html": {"schema": _TEXT}}, (*ANYWHERE, *_MISSING), []),
    }
    if has_default:
        found["/metadata"] = _get("The default model", _json("Metadata"), (*errors, *_MISSING), guarded)
        found["/info"] = _get("The default model, as `/metadata`", _json("Metadata"), (*errors, *_MISSING), guarded)
    for name in names:
        found[f"/models/{name}"] = _get(f"About {name}", _json("Metadata"), (*errors, *_MISSING), guarded)
    return found


def _json(schema: str) -> Schema:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def _get(summary: str, content: Schema, errors: Sequence[int], security: list[Schema]) -> Schema:
    operation = {
        "summary": summary,
        "tags": ["server"],
        "responses": {"200": {"description": "So it is.", "content": content}} | references(errors),
        "security": security,
    }
    return {"get": operation}


def schemas() -> dict[str, Schema]:
    """The bodies of these routes, under `components.schemas`."""
    return {
        "Live": _object({"status": {"const": "live"}}),
        "Ready": _object(
            {"status": {"const": "ready"}, "degraded": {"type": "array", "items": _TEXT}}, required=["status"]
        ),
        "Models": _object({"models": {"type": "array", "items": _summary()}, "default": _MAYBE_TEXT}),
        "Metadata": _metadata(),
    }


def _summary() -> Schema:
    return _object(
        {
            "name": _TEXT,
            "version": _MAYBE_TEXT,
            "contract": _MAYBE_INTEGER,
            "route": _MAYBE_TEXT,
            "versions": {"type": "array", "items": {"type": "integer"}},
        }
    )


def _metadata() -> Schema:
    return _object(
        {
            "model_name": _TEXT,
            "model_version": _TEXT,
            "framework": _TEXT,
            "last_trained": _TEXT,
            "task": _TEXT,
            "contract": {"type": "object", "required": ["number", "fields", "output"]},
            "classes": {"type": ["array", "null"]},
            "metrics": {"type": "array", "items": {"type": "object"}},
            "guaranteed": {"type": "object"},
            "log": {"enum": ["full", "partial", "off"]},
            "serving": {"type": "object"},
        }
    )


def _object(properties: Schema, *, required: list[str] | None = None) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
    }
