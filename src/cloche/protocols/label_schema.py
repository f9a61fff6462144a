"""The label routes in the OpenAPI document: what the truth about a model's answers looks like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cloche.contract.labels import CompiledLabels
from cloche.protocols.error_schema import ANYWHERE, references
from cloche.protocols.served import ServedModel

Schema = dict[str, Any]

_STATUSES = (400, 404, 413, 415)
_DESCRIPTION = (
    "The truth about an answer, by its `request_id` (ours, or the `X-Request-ID` that came with it) and the row "
    "where there were several, or by the values of the model's key fields; one object or an array. Kept as safely as "
    "answers are, and joined to them later: a label that fits no answer is accepted here and listed as unmatched."
)


def paths(served: Sequence[ServedModel], *, security: list[Schema], keys_required: bool) -> dict[str, Schema]:
    """A path for each model, and the one without a name for the default; the first entry of a name says what fits."""
    found: dict[str, Schema] = {}
    for model in served:
        operation = _operation(model, security, keys_required=keys_required)
        for path in (f"/models/{model.name}/labels", *(["/labels"] if model.default else [])):
            identity = path.strip("/").replace("/", "_").replace(".", "_")
            found.setdefault(path, {"post": {"operationId": identity} | operation})
    return found


def schemas(served: Sequence[ServedModel]) -> Mapping[str, Schema]:
    """The labels of each model, under `components.schemas`."""
    found: dict[str, Schema] = {
        "Accepted": {
            "type": "object",
            "properties": {"accepted": {"type": "integer", "minimum": 0}, "request_id": {"type": "string"}},
            "required": ["accepted", "request_id"],
        }
    }
    for model in served:
        found.setdefault(_key(model), CompiledLabels(model.contract).json_schema())
    return found


def _key(model: ServedModel) -> str:
    return f"{model.name}.Label"


def _operation(model: ServedModel, security: list[Schema], *, keys_required: bool) -> Schema:
    label: Schema = {"$ref": f"#/components/schemas/{_key(model)}"}
    body: Schema = {"anyOf": [label, {"type": "array", "items": label}]}
    accepted: Schema = {"application/json": {"schema": {"$ref": "#/components/schemas/Accepted"}}}
    statuses = (*ANYWHERE, *_STATUSES, *((401, 429) if keys_required else ()))
    return {
        "summary": f"Label answers of {model.name}",
        "description": _DESCRIPTION,
        "tags": [model.name],
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {"202": {"description": "Kept.", "content": accepted}} | references(statuses),
        "security": security,
    }
