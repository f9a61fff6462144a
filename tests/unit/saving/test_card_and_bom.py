"""The model card's front matter, and the bill of materials: what the two formats demand, and nothing that moves."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

import handmade
from cloche.contract.describe import describe
from cloche.contract.model import Contract, Field, Output
from cloche.manifest import Manifest, Metric, Script, Training, TwinRecord
from cloche.saving import card
from cloche.saving.bom import bill
from cloche.saving.writing import with_changes

CONTRACT = Contract(
    fields=(
        Field(name="age", type="number", training_range=(18.0, 90.0)),
        Field(name="it's", type="category", levels=("a`b", "c'd")),
        Field(name="who", type="string", role="key"),
    ),
    output=Output(task="classification", type="string", classes=("no", "yes"), probabilities=True),
)
DIGEST = "ab" * 32


def made(tmp_path: Path, **changes: Any) -> Manifest:
    raw = (handmade.artifact(tmp_path / "a", name="churn", depth=3) / "manifest.json").read_bytes()
    standard = {
        "task": "classification",
        "description": 'Who leaves: "soon" ---\nand why.',
        "license": "Apache-2.0",
        "metrics": (Metric("accuracy", 0.9, "test", 100, (0.8, 0.95)), Metric("profit", 1.5, "user", 0)),
        "training": Training(
            rows=200, fingerprint="cd" * 32, column_fingerprints={"age": "ef" * 32}, data_version="v: 1", seed=7,
            hyperparameters={"depth": 3}, git={"commit": "12" * 20, "dirty": False},
            script=Script(name="train.py", sha256="34" * 32, path="code/train.py", commit="12" * 20),
        ),
        "twin": TwinRecord(refused="a step is not known"),
    }  # fmt: skip
    return with_changes(Manifest.from_json(raw), **standard | changes)


# -- the card --------------------------------------------------------------------------------------


def front_matter(manifest: Manifest) -> dict[str, Any]:
    text = card.card(manifest, CONTRACT, describe(CONTRACT), ())
    found: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    return found


def test_the_front_matter_is_what_the_hub_reads(tmp_path: Path) -> None:
    found = front_matter(made(tmp_path))
    assert found["library_name"] == "sklearn"
    assert found["pipeline_tag"] == "tabular-classification"
    assert found["license"] == "apache-2.0"
    assert found["tags"] == ["cloche", "sklearn", "classification"]
    [model] = found["model-index"]
    assert model["name"] == "churn"
    tested, own = model["results"]
    for result in (tested, own):
        assert {"task", "dataset", "metrics"} == result.keys()
        assert {"name", "type", "split", "revision"} == result["dataset"].keys()
        assert result["task"] == {"type": "tabular-classification"}
    assert tested["metrics"] == [
        {"type": "accuracy", "value": 0.9, "name": "accuracy", "args": {"n": 100, "interval_95": [0.8, 0.95]}}
    ]
    assert own["metrics"] == [{"type": "profit", "value": 1.5, "name": "profit"}]
    assert tested["dataset"]["revision"] == "v: 1"


def test_without_figures_there_is_no_index(tmp_path: Path) -> None:
    found = front_matter(made(tmp_path, metrics=(), license=None, task="anomaly"))
    assert found.keys() == {"library_name", "tags"}


@pytest.mark.parametrize(
    "words",
    [
        pytest.param("## Intended use\n\nWho leaves:", id="description"),
        pytest.param("| accuracy | 0.9 | 0.8 to 0.95 | 100 | test |", id="quality-with-interval"),
        pytest.param("There is no exact twin: a step is not known", id="engines"),
        pytest.param("within 1e-09 + 1e-09", id="tolerance"),
        pytest.param("cloche serve churn", id="how-to-serve"),
        pytest.param('cloche.load("churn").predict({', id="how-to-load"),
        pytest.param("'\\''d", id="a-quote-does-not-end-the-shell-word"),
        pytest.param("`age` `efefefefefefefef…`", id="column-digest"),
        pytest.param("code/train.py at 121212121212", id="script"),
        pytest.param("- license: Apache-2.0", id="license"),
        pytest.param("depth = 3", id="hyperparameters"),
    ],
)
def test_the_card_tells(tmp_path: Path, words: str) -> None:
    contract = Contract(
        fields=(CONTRACT.fields[0], Field(name="it's", type="category", levels=("c'd",))), output=CONTRACT.output
    )
    assert words in card.card(made(tmp_path), contract, describe(contract), ())


def test_what_the_owner_did_not_say(tmp_path: Path) -> None:
    text = card.card(made(tmp_path, description=None, metrics=()), CONTRACT, describe(CONTRACT), ())
    assert "Its owner did not say" in text
    assert "Not measured" in text


# -- the bill of materials -------------------------------------------------------------------------

TEXT = {"type": "string", "minLength": 1}
#: What CycloneDX 1.6 says of the parts that are used here, as strict as its own schema: no key that it does not know.
HASHES = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["alg", "content"],
        "additionalProperties": False,
        "properties": {"alg": {"const": "SHA-256"}, "content": {"pattern": "^[0-9a-f]{64}$"}},
    },
}
PROPERTIES = {
    "type": "array",
    "items": {
        "type": "object",
        "additionalProperties": False,
        "required": ["name", "value"],
        "properties": {"name": TEXT, "value": {"type": "string"}},
    },
}
MODEL_CARD = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "bom-ref": TEXT,
        "modelParameters": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "approach": {"properties": {"type": {"enum": ["supervised", "unsupervised"]}}},
                "task": TEXT,
                "architectureFamily": TEXT,
                "datasets": {"type": "array", "items": {"required": ["ref"], "additionalProperties": False,
                                                        "properties": {"ref": TEXT}}},
                "inputs": {"type": "array", "items": {"additionalProperties": False, "properties": {"format": TEXT}}},
                "outputs": {"type": "array", "items": {"additionalProperties": False, "properties": {"format": TEXT}}},
            },
        },
        "quantitativeAnalysis": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "performanceMetrics": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {
                            "type": TEXT,
                            "value": TEXT,
                            "slice": TEXT,
                            "confidenceInterval": {
                                "additionalProperties": False,
                                "properties": {"lowerBound": TEXT, "upperBound": TEXT},
                            },
                        },
                    },
                }
            },
        },
        "considerations": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "useCases": {"type": "array", "items": TEXT},
                "technicalLimitations": {"type": "array", "items": TEXT},
            },
        },
    },
}  # fmt: skip
COMPONENT = {
    "type": "object",
    "required": ["type", "name"],
    "additionalProperties": False,
    "properties": {
        "type": {"enum": ["application", "library", "platform", "file", "data", "machine-learning-model"]},
        "bom-ref": TEXT,
        "name": TEXT,
        "version": {"type": "string", "maxLength": 1024},
        "description": {"type": "string"},
        "hashes": HASHES,
        "licenses": {"type": "array", "items": {"required": ["license"]}},
        "purl": {"type": "string", "pattern": "^pkg:[a-z]+/[^ ]+$"},
        "modelCard": MODEL_CARD,
        "data": {
            "type": "array",
            "items": {
                "required": ["type"],
                "additionalProperties": False,
                "properties": {
                    "type": {"enum": ["source-code", "configuration", "dataset", "definition", "other"]},
                    "name": TEXT,
                    "contents": {"additionalProperties": False, "properties": {"properties": PROPERTIES}},
                },
            },
        },
        "properties": PROPERTIES,
    },
}
BILL = {
    "type": "object",
    "required": ["bomFormat", "specVersion"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"const": "http://cyclonedx.org/schema/bom-1.6.schema.json"},
        "bomFormat": {"const": "CycloneDX"},
        "specVersion": {"const": "1.6"},
        "serialNumber": {"pattern": "^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"},
        "version": {"type": "integer", "minimum": 1},
        "metadata": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "timestamp": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"},
                "tools": {"properties": {"components": {"type": "array", "items": COMPONENT}}},
                "component": COMPONENT,
            },
        },
        "components": {"type": "array", "uniqueItems": True, "items": COMPONENT},
        "dependencies": {
            "type": "array",
            "items": {
                "required": ["ref"],
                "additionalProperties": False,
                "properties": {"ref": TEXT, "dependsOn": {"type": "array", "uniqueItems": True, "items": TEXT}},
            },
        },
    },
}


def billed(tmp_path: Path, **changes: Any) -> dict[str, Any]:
    return bill(made(tmp_path, **changes), CONTRACT, digest=DIGEST, version=3)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="everything-known"),
        pytest.param(
            {"description": None, "license": None, "metrics": (), "training": Training(), "twin": None},
            id="nothing-known",
        ),
        pytest.param({"task": "clustering"}, id="clustering"),
    ],
)
def test_the_bill_is_valid(tmp_path: Path, changes: dict[str, Any]) -> None:
    found = billed(tmp_path, **changes)
    assert [error.message for error in jsonschema_rs.Draft7Validator(BILL).iter_errors(found)] == []
    references = [one["bom-ref"] for one in [found["metadata"]["component"], *found["components"]]]
    assert len(set(references)) == len(references)
    [needs] = found["dependencies"]
    assert {needs["ref"], *needs["dependsOn"]} <= set(references)


def test_the_check_finds_what_is_wrong(tmp_path: Path) -> None:
    found = billed(tmp_path)
    found["metadata"]["component"]["modelCard"]["nonsense"] = 1
    assert list(jsonschema_rs.Draft7Validator(BILL).iter_errors(found))


def test_it_says_what_the_version_is_made_of(tmp_path: Path) -> None:
    found = billed(tmp_path)
    model = found["metadata"]["component"]
    assert (model["name"], model["version"], model["hashes"][0]["content"]) == ("churn", "3", DIGEST)
    [metric, _] = model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    assert metric == {
        "type": "accuracy", "value": "0.9", "slice": "test, 100 rows",
        "confidenceInterval": {"lowerBound": "0.8", "upperBound": "0.95"},
    }  # fmt: skip
    by_type: dict[str, list[str]] = {}
    for one in found["components"]:
        by_type.setdefault(one["type"], []).append(one.get("purl", one["name"]))
    assert by_type["library"] == ["pkg:pypi/scikit-learn@1.9.1"]
    assert by_type["data"] == ["training table"]
    assert by_type["file"] == ["contract.json", "model.bin", "twin/graph.json"]
    assert [one["format"] for one in model["modelCard"]["modelParameters"]["inputs"]] == [
        "age: number",
        "it's: category",
    ]


@pytest.mark.parametrize(
    ("name", "version", "purl"),
    [
        pytest.param("Foo_Bar.baz", "1.0", "pkg:pypi/foo-bar-baz@1.0", id="normalised-name"),
        pytest.param("a", "2!1.0+local.1", "pkg:pypi/a@2!1.0%2Blocal.1", id="plus-is-quoted"),
    ],
)
def test_package_urls(tmp_path: Path, name: str, version: str, purl: str) -> None:
    environment = made(tmp_path).environment
    changed = type(environment)(environment.python, environment.platform, {name: version})
    found = bill(
        with_changes(made(tmp_path / "again"), environment=changed), CONTRACT, digest=DIGEST, version=3
    )  # fmt: skip
    assert [one["purl"] for one in found["components"] if one["type"] == "library"] == [purl]


def test_the_same_bytes_every_time(tmp_path: Path) -> None:
    one, other = billed(tmp_path / "1"), billed(tmp_path / "2")
    assert json.dumps(one) == json.dumps(other)
    assert uuid.UUID(one["serialNumber"]).version == 5
    assert bill(made(tmp_path / "3"), CONTRACT, digest="cd" * 32, version=3)["serialNumber"] != one["serialNumber"]
