"""The OpenAPI document against what the code really answers: rows, answers of every task, errors."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest
from tests.unit.web.hand_made import HOSTILE, PENGUINS, hostile, penguins

from cloche.contract.compiled import compile_contract
from cloche.contract.model import Contract, Field, Output
from cloche.contract.problems import CODES
from cloche.errors import InvalidInputError
from cloche.protocols import openapi
from cloche.protocols.error_schema import ERRORS
from cloche.protocols.served import ServedModel
from cloche.records import Outputs
from cloche.serving.answers import shape
from cloche.web import problems


def document(*served: ServedModel, keys_required: bool = False, **options: Any) -> dict[str, Any]:
    return openapi.document(served, keys_required=keys_required, **options)


def valid(document: dict[str, Any], schema: dict[str, Any], value: Any) -> bool:
    """Whether *value* keeps *schema*, whose references lead into *document*."""
    whole = {**schema, "components": document["components"]}
    return jsonschema_rs.Draft202012Validator(whole).is_valid(json.loads(json.dumps(value)))


def reference(name: str, kind: str = "schemas") -> dict[str, Any]:
    return {"$ref": f"#/components/{kind}/{name}"}


# -- routes -------------------------------------------------------------------------------------


def test_the_only_model_has_every_form():
    paths = document(penguins())["paths"]
    assert {path for path in paths if path.endswith("predict")} == {
        "/predict",
        "/v1/predict",
        "/models/penguins/predict",
        "/models/penguins/v1/predict",
        "/models/penguins/versions/3/predict",
    }
    assert {
        "/health",
        "/live",
        "/ready",
        "/metadata",
        "/info",
        "/models",
        "/models/penguins",
        "/docs",
        "/openapi.json",
    } <= set(paths)


def test_several_models_without_a_default_have_named_forms_only():
    paths = document(penguins(default=False), penguins(name="others", default=False))["paths"]
    assert not {"/predict", "/v1/predict", "/metadata", "/info"} & set(paths)
    assert {"/models/penguins/predict", "/models/others/predict"} <= set(paths)


def test_two_contracts_of_a_model_stand_beside_each_other():
    paths = document(penguins(version=4, number=2), penguins())["paths"]
    assert {
        "/v1/predict",
        "/v2/predict",
        "/models/penguins/versions/3/predict",
        "/models/penguins/versions/4/predict",
    } <= set(paths)
    header = next(one for one in paths["/predict"]["post"]["parameters"] if one["name"] == "X-API-Version")
    assert header["schema"]["enum"] == ["2"]


def test_operation_ids_are_unique_and_references_lead_somewhere():
    made = document(penguins(), hostile(), keys_required=True)
    ids = [
        operation["operationId"]
        for path in made["paths"].values()
        for operation in path.values()
        if "operationId" in operation
    ]
    assert len(ids) == len(set(ids))
    for target in _references(made):
        place: Any = made
        for step in target.removeprefix("#/").split("/"):
            place = place[step]


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [found for value in node.values() for found in _references(value)]
    return [found for value in node for found in _references(value)] if isinstance(node, list) else []


@pytest.mark.parametrize("keys_required", [True, False])
def test_keys_are_asked_for_where_they_are(keys_required):
    made = document(penguins(), keys_required=keys_required)
    predict = made["paths"]["/predict"]["post"]
    assert bool(predict["security"]) is keys_required
    assert ("401" in predict["responses"]) is keys_required
    assert ("securitySchemes" in made["components"]) is keys_required
    assert made["paths"]["/health"]["get"]["security"] == []


def test_under_a_root_path_the_server_says_so():
    assert document(penguins(), root_path="/models")["servers"] == [{"url": "/models"}]


# -- rows -----------------------------------------------------------------------------------------


def test_the_examples_keep_the_schema_and_the_contract():
    made = document(penguins())
    body = made["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    for example in body["examples"].values():
        assert valid(made, body["schema"], example["value"])
        assert len(compile_contract(PENGUINS).decode_json(json.dumps(example["value"]).encode()))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"island": "Dreem"}, id="unknown-level"),
        pytest.param({"island": None}, id="null-where-not-allowed"),
        pytest.param({"body_mass_g": "heavy"}, id="wrong-type"),
        pytest.param({"body_mass_g": -1}, id="below-the-minimum"),
        pytest.param({"wings": 2}, id="unknown-field"),
        pytest.param({"tagged": 3}, id="no-boolean"),
        pytest.param({"observed": "2026-02-30"}, id="no-date"),
    ],
)
def test_what_the_contract_refuses_the_schema_refuses(change):
    made = document(penguins())
    body = made["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    row = penguins().example() | change
    assert not valid(made, body["schema"], row)
    with pytest.raises(InvalidInputError):
        compile_contract(PENGUINS).decode_json(json.dumps(row).encode())


@pytest.mark.parametrize("hidden", ["hush-one", "hush-two", "12345.5", "67890.5", "98765.5"])
def test_nothing_of_a_private_field_is_told(hidden):
    assert HOSTILE.field("secret") is not None
    assert hidden not in json.dumps(document(hostile()))


def test_a_pattern_without_an_example_leaves_the_example_out():
    contract = Contract(
        fields=(Field(name="code", type="string", pattern="(?=.*[0-9])(?=.*[a-z])[0-9a-z]{8}", max_length=8),),
        output=Output(task="regression", type="number"),
    )
    served = ServedModel("odd", 1, 1, contract, default=True)
    body = document(served)["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    assert ("examples" in body) is bool(served.example())


# -- answers --------------------------------------------------------------------------------------

NAN = float("nan")
ANSWERS = [
    pytest.param(
        Output(task="classification", type="string", classes=("a", "b"), probabilities=True),
        Outputs(["a", "b"], [[0.9, 0.1], [NAN, 0.5]]),
        id="classification",
    ),
    pytest.param(
        Output(task="classification", type="integer", classes=(0, 1)),
        Outputs([0, 1]),
        id="classes-without-probabilities",
    ),
    pytest.param(
        Output(task="classification", type="boolean", classes=(False, True), probabilities=True),
        Outputs([True, False], [[0.2, 0.8], [0.7, 0.3]]),
        id="boolean-classes",
    ),
    pytest.param(Output(task="regression", type="number"), Outputs([1.5, NAN]), id="regression"),
    pytest.param(
        Output(task="multilabel", type="string", classes=("x", "y"), probabilities=True),
        Outputs([["x"], []], [[0.9, 0.2], [0.1, 0.2]]),
        id="multilabel",
    ),
    pytest.param(
        Output(
            task="multioutput_classification",
            type="string",
            names=("p", "q"),
            output_classes=(("a", "b"), ("c", "d")),
            probabilities=True,
        ),
        Outputs(
            [{"p": "a", "q": "d"}, {"p": "b", "q": "c"}],
            [{"p": [0.6, 0.4], "q": [0.2, 0.8]}, {"p": [0.1, 0.9], "q": [0.7, 0.3]}],
        ),
        id="several-classifications",
    ),
    pytest.param(
        Output(task="multioutput_regression", type="number", names=("u", "v")),
        Outputs([{"u": 1.0, "v": 2.0}, {"u": NAN, "v": 0.0}]),
        id="several-regressions",
    ),
    pytest.param(
        Output(task="anomaly", type="string"), Outputs(["inlier", "outlier"], None, [0.1, -0.2]), id="anomaly"
    ),
    pytest.param(Output(task="clustering", type="integer"), Outputs([0, 3]), id="clustering"),
    pytest.param(Output(task="embedding", type="number", length=2), Outputs([[0.1, 0.2], [NAN, 1.0]]), id="embedding"),
]


@pytest.mark.parametrize(("output", "outputs"), ANSWERS)
@pytest.mark.parametrize("options", [{}, {"probabilities": False}, {"top": 1}], ids=["plain", "without", "top"])
@pytest.mark.parametrize("single", [True, False], ids=["one", "many"])
def test_the_answers_of_every_task_keep_their_schema(output, outputs, options, single):
    contract = Contract(fields=(Field(name="x", type="number"),), output=output)
    made = document(ServedModel("m", 1, 1, contract, default=True))
    count = 1 if single else len(outputs)
    rows = compile_contract(contract).validate([{"x": 1}] * count, single=single)
    answer = shape(outputs.rows(0, count), rows, model="m", version=1, request_id="R", **options).to_dict()
    schema = reference("m.v1.1.Answer" if single else "m.v1.1.Answers")
    assert valid(made, schema, answer), answer


# -- errors ---------------------------------------------------------------------------------------


def test_every_status_and_name_that_the_edge_answers_is_documented():
    answered = set(problems.STATUS.values()) | {problems.INTERNAL}
    for status, name in answered:
        assert name in ERRORS[status][1]
    for status, name in problems.NAMES.items():
        assert status == 505 or name in ERRORS[status][1]


def test_the_codes_are_the_closed_list():
    problem = document(penguins())["components"]["schemas"]["Problem"]
    assert problem["properties"]["code"]["enum"] == list(CODES)


def test_an_error_body_keeps_its_schema():
    made = document(penguins())
    with pytest.raises(InvalidInputError) as caught:
        compile_contract(PENGUINS).decode_json(b'[{"island": "Dreem", "bill_length_mm": []}]')
    body = json.loads(problems.body(400, "InvalidInput", str(caught.value), "R", caught.value))
    schema = made["components"]["responses"]["Error400"]["content"]["application/json"]["schema"]
    assert body["problems"]
    assert valid(made, schema, body)
    assert not valid(made, schema, body | {"error": "Forbidden"})
