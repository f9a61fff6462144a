"""What each layout tells, without opening the model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import foreign
from cloche import importers
from cloche.errors import ImportRefusedError, NotFoundError
from cloche.importers import FoundField

_NUMBERS = (FoundField("length", "number"), FoundField("width", "number"))


def _nested(folder: Path) -> Path:
    version = foreign.bento(folder, b"\x80\x04.")
    members = {f"boxes-v1/{path.name}": path.read_bytes() for path in version.iterdir()}
    return foreign.tar(folder / "boxes.bentomodel", members)


@pytest.mark.parametrize(
    ("make", "kind", "file", "fields"),
    [
        pytest.param(lambda p: foreign.mlflow(p / "m", b"x"), "mlflow", "model.pkl", _NUMBERS, id="mlflow"),
        pytest.param(lambda p: foreign.pin(p / "board", b"x"), "vetiver", "boxes.joblib", _NUMBERS, id="a-board"),
        pytest.param(
            lambda p: foreign.pin(p / "board", b"x") / "boxes", "vetiver", "boxes.joblib", _NUMBERS, id="a-pin"
        ),
        pytest.param(lambda p: foreign.bento(p, b"\x80\x04."), "bentoml", "saved_model.pkl", (), id="bentoml"),
        pytest.param(
            lambda p: foreign.bento(p, b"\x80\x04.").parent, "bentoml", "saved_model.pkl", (), id="bentoml-latest"
        ),
        pytest.param(
            lambda p: foreign.bento(p, b"\x80\x04.", "mine.bin"), "bentoml", "mine.bin", (), id="bentoml-of-ones-own"
        ),
        pytest.param(_nested, "bentoml", "saved_model.pkl", (), id="bentomodel-archive"),
        pytest.param(lambda p: foreign.hub(p / "repo", b"x"), "skops", "model.skops", _NUMBERS, id="skops-repository"),
    ],
)
def test_what_a_layout_tells(
    make: Callable[[Path], Path], kind: str, file: str, fields: tuple[FoundField, ...], tmp_path: Path
) -> None:
    (tmp_path / "work").mkdir()
    found = importers.find(make(tmp_path), tmp_path / "work")
    assert (found.kind, found.file.name, found.fields) == (kind, file, fields)


@pytest.mark.parametrize(
    ("types", "kinds"),
    [
        pytest.param(("double", "float"), ("number", "number"), id="numbers"),
        pytest.param(("long", "integer"), ("integer", "integer"), id="whole-numbers"),
        pytest.param(("string", "boolean"), ("string", "boolean"), id="text-and-truth"),
        pytest.param(("datetime", "binary"), ("datetime", None), id="what-has-no-kind-here"),
    ],
)
def test_types_of_a_signature(types: tuple[str, str], kinds: tuple[str | None, str | None], tmp_path: Path) -> None:
    inputs = json.dumps([{"type": type_, "name": name} for type_, name in zip(types, "ab", strict=True)])
    folder = foreign.mlflow(tmp_path / "m", b"x", signature={"inputs": inputs})
    assert tuple(one.kind for one in importers.find(folder, tmp_path).fields) == kinds


def test_without_a_signature_the_example_tells_names_and_types(tmp_path: Path) -> None:
    info = {"artifact_path": "input_example.json", "type": "dataframe", "pandas_orient": "split"}
    folder = foreign.mlflow(tmp_path / "m", b"x", signature=None, saved_input_example_info=info)
    (folder / "input_example.json").write_text(json.dumps({"columns": ["a", "b"], "data": [[1, "x"]]}))
    found = importers.find(folder, tmp_path)
    assert found.fields == (FoundField("a", "number"), FoundField("b", "string"))
    assert "MLflow kept no signature" in found.notes[0]


def test_a_pin_newest_version_is_taken(tmp_path: Path) -> None:
    board = foreign.pin(tmp_path / "board", b"x")
    old, new = board / "boxes" / "20251124T233716Z-0ef77", board / "boxes" / "20270101T000000Z-abcde"
    for version in (old, new):
        version.mkdir()
        for path in (board / "boxes" / "20261124T233716Z-0ef77").iterdir():
            (version / path.name).write_bytes(path.read_bytes())
    assert importers.find(board, tmp_path).file.parent.name == new.name


_UNKNOWN = {"python_function": {"loader_module": "mlflow.pyfunc.model"}}


@pytest.mark.parametrize(
    ("make", "says"),
    [
        pytest.param(
            lambda p: foreign.mlflow(p / "m", b"x", flavors={}), "flavors: expected a mapping", id="no-flavor"
        ),
        pytest.param(
            lambda p: foreign.mlflow(p / "m", b"x", flavors=_UNKNOWN),
            "the only flavor is python_function",
            id="a-function-of-ones-own",
        ),
        pytest.param(
            lambda p: foreign.mlflow(p / "m", b"x", flavors={"spark": {}}), "it has: spark", id="another-flavor"
        ),
        pytest.param(
            lambda p: foreign.mlflow(p / "m", b"x", flavors={"sklearn": {}}), "expected 'pickled_model'", id="no-file"
        ),
        pytest.param(lambda p: foreign.mlflow(p / "m", b"x", told="gone.pkl"), "has no such file", id="a-missing-file"),
        pytest.param(
            lambda p: foreign.mlflow(p / "m", b"x", signature={"inputs": "[1]"}), "expected a JSON list", id="signature"
        ),
        pytest.param(
            lambda p: foreign.pin(p / "b", b"x", type="csv"), "expected a pin of a model", id="a-pin-of-a-table"
        ),
        pytest.param(lambda p: p, "not a folder that is known here", id="an-empty-folder"),
    ],
)
def test_what_is_not_imported_says_why(make: Callable[[Path], Path], says: str, tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    with pytest.raises(ImportRefusedError, match=says):
        importers.find(make(place), tmp_path)


def test_a_board_of_several_pins_asks_which(tmp_path: Path) -> None:
    board = foreign.pin(tmp_path / "board", b"x")
    (board / "boxes").rename(board / "circles")
    foreign.pin(board, b"x")
    with pytest.raises(ImportRefusedError, match=r"several pins \(boxes, circles\)"):
        importers.find(board, tmp_path)


def test_nothing_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nothing is there"):
        importers.find(tmp_path / "gone", tmp_path)


def test_a_transformers_repository_is_named_as_one(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["BertForMaskedLM"]}))
    with pytest.raises(ImportRefusedError, match="for transformers or diffusers"):
        importers.find(tmp_path, tmp_path)
