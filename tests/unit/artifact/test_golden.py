"""Golden rows: written, read, compared."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from cloche.artifact import golden
from cloche.errors import ManifestError
from cloche.records import Outputs


def test_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / golden.GOLDEN
    golden.write(path, [{"x": 1.0}, {"x": None}], Outputs(["a", "b"], [[0.25, 0.75], [1.0, 0.0]]))
    first, second = golden.read(path)
    assert first == ({"x": 1.0}, {"prediction": "a", "probabilities": [0.25, 0.75]})
    assert second.row == {"x": None}


def test_at_most_200_are_written(tmp_path: Path) -> None:
    path = tmp_path / golden.GOLDEN
    golden.write(path, [{"x": i} for i in range(500)], Outputs(list(range(500))))
    assert len(golden.read(path)) == 200


def test_nan_is_null(tmp_path: Path) -> None:
    path = tmp_path / golden.GOLDEN
    golden.write(path, [{"x": 1}], Outputs([math.nan], score=[math.inf]))
    assert golden.read(path)[0].answer == {"prediction": None, "score": None}


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"{}", id="no-row"),
        pytest.param(b"nope", id="no-json"),
        pytest.param(b"\xff", id="no-utf-8"),
        pytest.param(b'{"row": {}, "answer": {}}\n' * 201, id="too-many"),
    ],
)
def test_refused(raw: bytes) -> None:
    with pytest.raises(ManifestError, match=golden.GOLDEN):
        golden.parse(raw)
