"""
`/openapi.json`: OpenAPI 3.1 for exactly the models that are served, with their own fields.

It says only what is true: schemathesis runs all its checks against it (`tests/e2e/test_schemathesis.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from cloche._version import __version__
from cloche.contract.compiled import compile_contract
from cloche.contract.json_schema import json_schema_body
from cloche.contract.model import Contract
from cloche.protocols import about_schema, arrow, csv_table, label_schema, ndjson
from cloche.protocols.answer_schema import answer_schema, many, one
from cloche.protocols.error_schema import ANYWHERE, PREDICT, error_schema, problem_schema, references, responses
from cloche.protocols.served import ServedModel

Schema = dict[str, Any]

_KEYS: list[Schema] = [{"bearer": []}, {"apiKey": []}]
_DESCRIPTION = (
    "One object is answered with scalars, an array of objects with lists.\n\n"
    'Many rows may also be sent as `{"columns": {"field": [value, …], …}}` (all of one length), as CSV with a header '
    "or as NDJSON, and `Accept` chooses the form of the answer."
)
_PROBLEM: Schema = {"$ref": "#/components/schemas/Problem"}


def document(
    served: Sequence[ServedModel],
    *,
    keys_required: bool,
    root_path: str = "",
) -> Schema:
    """
    The document for *served*; the first entry of a name is what its unnumbered route answers with.

    Args:
    """
    names = list(dict.fromkeys(one.name for one in served))
    paths: dict[str, Schema] = {}
    for model in served:
        operation = _predict(model, keys_required=keys_required)
        for path, number in _predict_paths(model, served):
            paths.setdefault(path, {"post": _at(path, operation, number)})
    security = _KEYS if keys_required else []
    paths |= label_schema.paths(served, security=security, keys_required=keys_required)
    paths |= about_schema.paths(names, any(one.default for one in served), keys_required=keys_required)
    return {
        "openapi": "3.1.0",
        "info": _info(served),
        "servers": [{"url": root_path or "/"}],
        "paths": paths,
        "components": _components(served, keys_required=keys_required),
    }


def _info(served: Sequence[ServedModel]) -> Schema:
    names = ", ".join(dict.fromkeys(one.name for one in served)) or "no model"
    described = [f"**{one.name}**: {one.description}" for one in served if one.description]
    words = "Predictions of fitted models, each behind a contract learnt from its training data."
    return {"title": f"cloche: {names}", "version": __version__, "description": "\n\n".join([words, *described])}


def _predict_paths(model: ServedModel, served: Sequence[ServedModel]) -> Iterator[tuple[str, int | None]]:
    """Every route that *model* answers, and the contract number `X-API-Version` may say there."""
    first = next(one for one in served if one.name == model.name) is model
    named = f"/models/{model.name}"
    for prefix in ["", named] if model.default else [named]:
        if first:
            yield f"{prefix}/predict", model.number
        yield f"{prefix}/v{model.number}/predict", model.number
    yield f"{named}/versions/{model.version}/predict", None


# -- a predict route ------------------------------------------------------------------------------


def _predict(model: ServedModel, *, keys_required: bool) -> Schema:
    statuses = (*ANYWHERE, *PREDICT, *((401,) if keys_required else ()))
    return {
        "summary": f"Predict with {model.name}",
        "description": _DESCRIPTION,
        "tags": [model.name],
        "parameters": _parameters(),
        "requestBody": {"required": True, "content": {"application/json": _body(model)} | _tables(model)},
        "responses": {"200": _answered(model)} | references(statuses),
        "security": _KEYS if keys_required else [],
    }


def _at(path: str, operation: Schema, number: int | None) -> Schema:
    """The operation at one of its paths: an id of its own, and the header that names a contract."""
    named = {"operationId": path.strip("/").replace("/", "_").replace(".", "_")}
    if number is None:
        return named | operation
    header = {
        "name": "X-API-Version",
        "in": "header",
        "description": "The contract to speak; another one has a path of its own.",
        "schema": {"type": "string", "enum": [str(number)]},
    }
    return named | operation | {"parameters": [*operation["parameters"], header]}


def _parameters() -> list[Schema]:
    return [
        {
            "name": "probabilities",
            "in": "query",
            "description": "`false` leaves the probabilities out.",
            "schema": {"type": "boolean", "default": True},
        },
        {
            "name": "top",
            "in": "query",
            "description": "Only the K most probable classes.",
            "schema": {"type": "integer", "minimum": 1, "maximum": 999_999_999},
        },
        {
            "name": "X-Request-ID",
            "in": "header",
            "description": "Your own id, at most 128 visible ASCII characters: echoed, and logged beside ours.",
            "schema": {"type": "string"},
        },
    ]


def _body(model: ServedModel) -> Schema:
    row: Schema = {"$ref": f"#/components/schemas/{_key(model, 'Row')}"}
    schema = json_schema_body(model.contract, row=row)
    example = model.example()
    if not example:
        return {"schema": schema}
    examples = {
        "one": {"summary": "One row", "value": example},
        "many": {"summary": "Many rows", "value": [example, example]},
    }
    return {"schema": schema, "examples": examples}


def _tables(model: ServedModel) -> Schema:
    """CSV and NDJSON: the schema is that of the rows that the text holds."""
    schema: Schema = {"type": "array", "items": {"$ref": f"#/components/schemas/{_key(model, 'Row')}"}}
    content: Schema = {media_type: {"schema": schema} for media_type in (csv_table.MEDIA_TYPE, ndjson.MEDIA_TYPE)}
    content |= _stream()
    row = model.example()
    if row:
        content[csv_table.MEDIA_TYPE]["example"] = csv_table.table(list(row), [list(row.values())] * 2)
        content[ndjson.MEDIA_TYPE]["example"] = msgspec.json.Encoder().encode_lines([row, row]).decode()
    return content


def _stream() -> Schema:
    """Arrow where it is spoken; its bytes have no schema here (OpenAPI 3.1, "Considerations for file uploads")."""
    return {} if arrow.missing() is not None else {arrow.MEDIA_TYPE: {}}


def _answered(model: ServedModel) -> Schema:
    shapes = [{"$ref": f"#/components/schemas/{_key(model, kind)}"} for kind in ("Answer", "Answers")]
    text: Schema = {"schema": {"type": "string"}}
    tables = {csv_table.MEDIA_TYPE: text, ndjson.MEDIA_TYPE: text} | _stream()
    return {
        "description": "The model's answer.",
        "content": {"application/json": {"schema": {"anyOf": shapes}}} | tables,
    }


# -- components -----------------------------------------------------------------------------------


def _components(served: Sequence[ServedModel], *, keys_required: bool) -> Schema:
    schemas: dict[str, Schema] = {"Error": error_schema(), "Problem": problem_schema(), **about_schema.schemas()}
    schemas |= label_schema.schemas(served)
    for model in served:
        schemas[_key(model, "Row")] = row_schema(model.contract, strict=model.strict)
        schemas[_key(model, "Answer")] = answer_schema(model.contract.output, one, _PROBLEM)
        schemas[_key(model, "Answers")] = answer_schema(model.contract.output, many, _PROBLEM)
    components: Schema = {"schemas": schemas, "responses": responses()}
    if keys_required:
        components["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
    return components


def _key(model: ServedModel, kind: str) -> str:
    """The name of a model's schema; a contract has one row, whichever version answers."""
    return f"{model.name}.v{model.number}.{model.version}.{kind}"


def row_schema(contract: Contract, *, strict: bool) -> Schema:
    """One row as JSON Schema, without the levels of a private field."""
    schema = compile_contract(contract, strict=strict).json_schema_row()
    private = {one.name for one in contract.fields if one.private}
    properties = {name: _discreet(part) if name in private else part for name, part in schema["properties"].items()}
    return schema | {"properties": properties}


def _discreet(schema: Schema) -> Schema:
    """What may be said of a private field: its types, never its levels or ranges."""
    kept = {key: value for key, value in schema.items() if key in ("type", "description", "format", "x-private")}
    return kept | ({"anyOf": [_discreet(part) for part in schema["anyOf"]]} if "anyOf" in schema else {})
