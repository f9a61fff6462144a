"""The R flavor: every kind of fit answers as R itself, keeps no training row, and its process survives what comes."""

from __future__ import annotations

import functools
import gzip
import os
import signal
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import r_fits
from cloche.contract.infer import output_of
from cloche.contract.model import Output
from cloche.engines import differences
from cloche.errors import (
    EngineError,
    EnvironmentMismatchError,
    MissingProgramError,
    SaveRefusedError,
    TamperedModelError,
    UsageError,
    WrongFormatError,
)
from cloche.flavors import flavor_of, get_flavor
from cloche.flavors.r import FILE, wire
from cloche.flavors.r.model import RModel
from cloche.flavors.r.process import RError, RProcess, RProcessDied, RProcessLate
from cloche.trust import DEFAULT

FLAVOR = get_flavor("r")
NUMBER = Output(task="regression", type="number")
SENTINELS = [struct.pack(">d", value) for value in (31.415926535, 27182.818284, 16.180339887)]


@pytest.fixture(scope="module")
def fits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    r_fits.need_r()
    folder = tmp_path_factory.mktemp("fits")
    for script in ("fits.R", "attacks.R"):
        r_fits.rscript(r_fits.SCRIPTS / script, folder, r_fits.write_client(folder))
    return folder


@functools.cache
def described(path: Path, **options: Any) -> RModel:
    """The owner's side: R opens the file and says what it is; it is asked once for each file."""
    model: RModel = FLAVOR.bundle(FLAVOR.open_file(path, DEFAULT), options, None)
    return model


def loaded(model: RModel, folder: Path) -> RModel:
    """The server's side of the same."""
    again: RModel = FLAVOR.load(folder, FLAVOR.dump(model, folder), DEFAULT)
    return again


def attacked(fits: Path, name: str) -> RModel:
    """An artifact's model whose code does what *name* says."""
    content = (fits / f"attack-{name}.rds").read_bytes()
    options = {"inputs": [{"name": "wt", "type": "double"}], "classes": None, "r": "4", "packages": {}}
    model: RModel = FLAVOR.load(Path("/nowhere"), options, DEFAULT, files={FILE: content})
    return model


# -- every kind of fit --------------------------------------------------------------------------------

#: The classes that each answers, in order; None for a number.
KINDS: dict[str, tuple[Any, ...] | None] = {
    "lm": None, "lm-inline": None, "lm-subset": None, "glm": ("no", "yes"), "glm-01": (0, 1), "glm-poisson": None,
    "randomForest": ("low", "mid", "high"), "randomForest-xy": None, "ranger": ("low", "mid", "high"),
    "ranger-votes": ("low", "mid", "high"), "ranger-regression": None, "cv.glmnet": None, "glmnet": ("no", "yes"),
    "glmnet-classes": ("low", "mid", "high"), "glmnet-path": None, "gbm": None, "gbm-01": (0, 1),
    "svm": ("low", "mid", "high"), "svm-xy": None, "naiveBayes": ("low", "mid", "high"),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_it_answers_as_r_does(name: str, fits: Path, tmp_path: Path) -> None:
    model = described(fits / f"{name}.rds")
    table, facts = model.tables["table"], FLAVOR.facts(model)
    assert table is not None
    assert list(table.columns) == list(facts.names or ())
    assert facts.classes == KINDS[name]
    again, output = loaded(model, tmp_path), output_of(facts)
    columns = table.to_columns()
    found = FLAVOR.predict(again, columns, output)
    expected, probabilities = r_fits.answers(fits / f"{name}.txt")
    assert len(found) == len(expected) == table.rows
    if facts.classes is None:
        np.testing.assert_allclose(found.prediction, np.array(expected, dtype=float), rtol=1e-12, atol=1e-12)
    else:
        assert [str(one) for one in found.prediction] == expected
    if facts.probabilities:
        np.testing.assert_allclose(found.probabilities, probabilities, rtol=1e-12, atol=1e-12)
    alone = FLAVOR.predict(again, r_fits.rows_of(columns, 3, 4), output)
    assert not differences(found.rows(3, 4), alone, FLAVOR.tolerance(model))
    again.process.close()


@pytest.mark.parametrize("name", [name for name in KINDS if not name.startswith("svm")])
def test_no_training_row_is_stored(name: str, fits: Path) -> None:
    """Neither a row's name nor a number of the first row; a tree may keep a number as a threshold or a leaf."""
    model = described(fits / f"{name}.rds")
    content = gzip.decompress(model.content)
    assert b"secret-row-" not in content
    if not name.startswith(("randomForest", "ranger", "gbm")):
        assert [one for one in SENTINELS if one in content] == []
    assert FLAVOR.facts(model).training_rows_inside is None


def test_an_svm_says_that_it_keeps_rows(fits: Path) -> None:
    inside = FLAVOR.facts(described(fits / "svm.rds")).training_rows_inside
    assert inside is not None
    assert "support vectors" in inside


# -- what R says of a fit -----------------------------------------------------------------------------


def test_the_raw_variables_and_their_levels(fits: Path) -> None:
    model = described(fits / "lm.rds")
    inputs = FLAVOR.facts(model).inputs
    levels = {name: one.levels for name, one in inputs.items()}
    assert levels == {
        "age": None,
        "income": None,
        "member": (False, True),
        "city": ("Aachen", "Köln", "Ulm"),
        "size": ("S", "M", "L"),
        "rooms": (1.0, 2.0, 3.0, 4.0),
        "joined": None,
        "seen": None,
    }
    assert inputs["rooms"].source == "factor(rooms)"
    table = model.tables["table"]
    assert table is not None
    assert {column.name: column.kind for column in table} == {
        "age": "number",
        "income": "number",
        "member": "boolean",
        "city": "string",
        "size": "string",
        "rooms": "integer",
        "joined": "date",
        "seen": "datetime",
    }
    assert table.columns["seen"].timezone == "Europe/Berlin"
    assert table.columns["size"].ordered


@pytest.mark.parametrize(
    ("name", "names", "rows"),
    [
        pytest.param("raw-lm", ["wt", "cyl"], 32, id="data-of-a-package"),
        pytest.param("raw-forest", ["Sepal.Length", "Sepal.Width", "Petal.Length", "Petal.Width"], 150, id="forest"),
        pytest.param("raw-local", ["speed"], 50, id="a-function-of-its-surroundings"),
        pytest.param("raw-untold", ["income"], None, id="data-that-are-not-there"),
        pytest.param("raw-xz", ["wt"], 32, id="xz"),
        pytest.param("raw-plain", ["wt"], 32, id="not-compressed"),
    ],
)
def test_a_file_of_save_rds_alone(name: str, names: list[str], rows: int | None, fits: Path, tmp_path: Path) -> None:
    model = described(fits / f"{name}.rds")
    carried = FLAVOR.carried(model)
    assert list(FLAVOR.facts(model).names or ()) == names
    assert (None if carried.inputs is None else carried.inputs.rows) == rows
    again = loaded(model, tmp_path)
    asked = {one: [3.0, 6.0] for one in names} | ({"cyl": [4, 6]} if "cyl" in names else {})
    assert len(again.predict(asked, output_of(FLAVOR.facts(model)))) == 2


@pytest.mark.parametrize(
    ("name", "kinds", "levels"),
    [
        pytest.param("pinned-ranger", ["number", "string"], {"size": ("S", "M", "L")}, id="ranger"),
        pytest.param("pinned-lm", ["number", "string"], {"size": ("S", "M", "L")}, id="lm"),
    ],
)
def test_what_vetiver_pinned(name: str, kinds: list[str], levels: Any, fits: Path, tmp_path: Path) -> None:
    model = described(fits / f"{name}.rds")
    table, facts = FLAVOR.carried(model).inputs, FLAVOR.facts(model)
    assert table is not None
    assert (table.rows, [column.kind for column in table]) == (0, kinds)
    assert {one: facts.inputs[one].levels for one in levels} == levels
    row = {"age": [30.0], "size": ["M"]}
    asked = {one: row[one] for one in facts.names or ()}
    assert len(loaded(model, tmp_path).predict(asked, output_of(facts))) == 1


def test_versions_and_parameters(fits: Path) -> None:
    model = described(fits / "randomForest.rds")
    versions = FLAVOR.environment(model)
    assert set(versions) == {"R", "R package randomForest"}
    assert FLAVOR.framework(model) == f"R {versions['R']} (randomForest {versions['R package randomForest']})"
    assert FLAVOR.framework(described(fits / "glm.rds")) == f"R {versions['R']} (glm)"
    parameters = FLAVOR.facts(model).hyperparameters
    assert parameters["ntree"] == "31"
    assert parameters["formula"] == "grade ~ age + income + member + size"
    assert flavor_of(model).name == "r"


def test_the_owner_says_which_model_of_a_path(fits: Path, tmp_path: Path) -> None:
    with pytest.raises(SaveRefusedError, match=r"a path of \d+ models; say which: cloche_save\(fit, name, s = 0.01\)"):
        described(fits / "raw-path.rds")
    assert described(fits / "raw-path.rds", s=0.1).about.kind == "glmnet"
    with pytest.raises(UsageError, match="lambda: not an option of an R model; there are n_trees, s"):
        described(fits / "raw-path.rds", **{"lambda": 0.1})


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        pytest.param("refused-kmeans", SaveRefusedError, "expected a fit of lm, glm, .*; got kmeans", id="kmeans"),
        pytest.param("refused-responses", SaveRefusedError, "got mlm/lm", id="several-responses"),
        pytest.param("pinned-text", SaveRefusedError, "does not keep the levels of the text 'city'", id="lost-levels"),
        pytest.param("refused-vector", SaveRefusedError, "got integer", id="no-fit"),
        pytest.param("refused-workspace", WrongFormatError, r"write the fit alone: saveRDS", id="a-workspace"),
    ],
)
def test_what_is_not_served(name: str, kind: type[Exception], says: str, fits: Path) -> None:
    with pytest.raises(kind, match=says):
        described(fits / f"{name}.rds")


# -- missing values -----------------------------------------------------------------------------------


def test_missing_values_are_answered_as_r_answers_them(fits: Path, tmp_path: Path) -> None:
    model = loaded(described(fits / "glm-poisson.rds"), tmp_path)
    found = model.predict({"age": [40.0, None], "income": [1e4, 1e4]}, NUMBER).prediction
    assert found[0] > 0
    assert np.isnan(found[1])


def test_a_row_without_a_class_is_refused(fits: Path, tmp_path: Path) -> None:
    described_ = described(fits / "glm.rds")
    model, output = loaded(described_, tmp_path), output_of(FLAVOR.facts(described_))
    with pytest.raises(RError, match="no class for a row: a value is missing"):
        model.predict({"age": [None], "city": ["Ulm"], "size": ["M"]}, output)
    with pytest.raises(RError, match="factor city has new level"):
        model.predict({"age": [1.0], "city": ["Bonn"], "size": ["M"]}, output)
    assert model.predict({"age": [1.0], "city": ["Ulm"], "size": ["M"]}, output).prediction == ["no"]


# -- the process --------------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A second is long enough, and R's temporary folder is the test's own."""
    monkeypatch.setattr("cloche.flavors.r.model.ANSWER_S", 1.0)
    monkeypatch.setenv("TMPDIR", str(tmp_path))


def test_a_killed_process_is_replaced(fits: Path) -> None:
    model = attacked(fits, "print")
    first = model.predict({"wt": [3.0]}, NUMBER)
    pid = model.process.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert model.predict({"wt": [3.0]}, NUMBER) == first
    assert model.process.pid != pid


def test_a_process_killed_over_an_answer_is_asked_again(
    fits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    model = attacked(fits, "once")
    found: list[Any] = []
    asking = threading.Thread(target=lambda: found.append(model.predict({"wt": [101.0]}, NUMBER)))
    asking.start()
    while not (tmp_path / "struck").exists():
        time.sleep(0.01)
    assert model.process.pid is not None
    os.kill(model.process.pid, signal.SIGKILL)
    asking.join(30)
    assert found
    assert found[0].prediction == pytest.approx([37.285126 - 5.344472 * 101], rel=1e-6)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("name", "bad", "kind", "says"),
    [
        pytest.param("quit", 6.66, RProcessDied, r"the R process died \(status 3\)", id="ends"),
        pytest.param("slow", 101.0, RError, "reached elapsed time limit", id="takes-for-ever"),
        pytest.param("big", 101.0, RError, "cannot allocate|vector memory exhausted", id="takes-all-memory"),
    ],
)
def test_a_bad_row_is_an_error_and_the_next_answer_is_right(
    name: str, bad: float, kind: type[Exception], says: str, fits: Path
) -> None:
    model = attacked(fits, name)
    before = model.predict({"wt": [3.0]}, NUMBER)
    with pytest.raises(kind, match=says) as raised:
        model.predict({"wt": [bad]}, NUMBER)
    assert isinstance(raised.value, EngineError)
    assert model.predict({"wt": [3.0]}, NUMBER) == before


@pytest.mark.usefixtures("quick")
def test_a_process_that_says_nothing_is_killed(fits: Path) -> None:
    model = attacked(fits, "print")
    before = model.predict({"wt": [3.0]}, NUMBER)
    assert model.process.pid is not None
    os.kill(model.process.pid, signal.SIGSTOP)
    with pytest.raises(RProcessLate, match="R did not answer within 1 s"):
        model.predict({"wt": [3.0]}, NUMBER)
    assert model.predict({"wt": [3.0]}, NUMBER) == before


def test_nothing_of_the_server_reaches_the_model(fits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    model = attacked(fits, "print")
    pid = model.process.pid
    names = {one.partition(b"=")[0].decode() for one in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") if one}
    assert "PATH" in names
    assert not [one for one in names if one.startswith(("AWS", "CLOCHE", "XDG", "PYTHON"))]
    limits = Path(f"/proc/{pid}/limits").read_text()
    assert "Max address space         unlimited" not in limits
    assert "Max core file size        0 " in limits


def test_no_process_outlives_its_model(fits: Path) -> None:
    model = attacked(fits, "print")
    pid = model.process.pid
    del model
    assert not Path(f"/proc/{pid}").exists()


def test_a_text_that_r_cannot_keep_is_an_error(fits: Path, tmp_path: Path) -> None:
    described_ = described(fits / "glm.rds")
    model, output = loaded(described_, tmp_path), output_of(FLAVOR.facts(described_))
    with pytest.raises(ValueError, match=r"U\+0000"):
        model.predict({"age": [1.0], "city": ["Ulm\0"], "size": ["M"]}, output)
    assert len(model.predict({"age": [1.0], "city": ["Köln"], "size": ["M"]}, output)) == 1


# -- files that are not what they should be -----------------------------------------------------------


def _flipped(content: bytes, place: float) -> bytes:
    at = int(len(content) * place)
    return content[:at] + bytes([content[at] ^ 0x40]) + content[at + 1 :]


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        pytest.param(lambda raw: b"", WrongFormatError, id="empty"),
        pytest.param(lambda raw: b"\x80\x05cposix\nsystem\n.", WrongFormatError, id="a-pickle"),
        pytest.param(lambda raw: gzip.decompress(raw)[:400], TamperedModelError, id="truncated-plain"),
        pytest.param(lambda raw: raw[: len(raw) // 2], TamperedModelError, id="truncated"),
        pytest.param(lambda raw: raw[:10], TamperedModelError, id="only-a-head"),
        pytest.param(lambda raw: _flipped(raw, 0.3), TamperedModelError, id="flipped"),
        pytest.param(lambda raw: gzip.compress(b"X\n" + b"\xff" * 4000), TamperedModelError, id="no-model-inside"),
        pytest.param(lambda raw: gzip.compress(b"RDX3\nX\n"), WrongFormatError, id="a-workspace-inside"),
    ],
)
def test_a_spoilt_file_is_a_clear_error(spoil: Any, kind: type[Exception], fits: Path) -> None:
    content = spoil((fits / "attack-print.rds").read_bytes())
    with pytest.raises(kind, match=r"model\.rds"):
        FLAVOR.load(Path("/nowhere"), {"inputs": [], "packages": {}}, DEFAULT, files={FILE: content})


def test_flipped_bits_anywhere_end_nothing_but_r(fits: Path) -> None:
    """A flip that R does not notice leaves a model that answers or raises; golden rows decide about it."""
    raw = gzip.decompress((fits / "attack-print.rds").read_bytes())
    for place in (0.02, 0.1, 0.25, 0.5, 0.75, 0.97):
        options = {"inputs": [{"name": "wt", "type": "double"}], "packages": {}, "r": "4"}
        try:
            model = FLAVOR.load(Path("/nowhere"), options, DEFAULT, files={FILE: _flipped(raw, place)})
            model.predict({"wt": [3.0]}, NUMBER)
        except (EngineError, TamperedModelError, EnvironmentMismatchError):
            continue


def test_without_r_it_says_what_to_install(fits: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingProgramError, match="flavor 'r' needs R, which is not .*apt-get install r-base-core"):
        attacked(fits, "print")
    with pytest.raises(MissingProgramError, match="apt-get install"):
        described(fits / "raw-lm.rds", s=1.0)


def test_without_a_package_it_says_what_to_install(fits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = described(fits / "randomForest.rds").content
    renamed = gzip.decompress(content).replace(b"randomForest", b"randomForess")
    with pytest.raises(EnvironmentMismatchError, match="randomForess is not installed; run: apt-get install r-cran-"):
        FLAVOR.load(Path("/nowhere"), {"inputs": [], "packages": {}}, DEFAULT, files={FILE: renamed})


def test_another_version_is_told(fits: Path, tmp_path: Path) -> None:
    model = described(fits / "randomForest.rds")
    options = FLAVOR.dump(model, tmp_path)
    options["r"], options["packages"] = "3.6.3", {"randomForest": "4.6-14"}
    again = FLAVOR.load(tmp_path, options, DEFAULT)
    versions = model.about
    assert set(FLAVOR.differs(again)) == {
        f"R 3.6.3 when saved, {versions.r} here",
        f"randomForest 4.6-14 when saved, {versions.packages['randomForest']} here",
    }


# -- the messages -------------------------------------------------------------------------------------


def _read(data: bytes) -> dict[str, Any]:
    rest: Iterator[int] = iter(data)
    return wire.read(lambda n: bytes(next(rest) for _ in range(n)))


@given(
    st.lists(st.one_of(st.none(), st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))),
    st.lists(st.one_of(st.none(), st.floats(allow_nan=False))),
    st.lists(st.integers(-(2**31) + 1, 2**31 - 1)),
    st.binary(),
)
def test_a_message_comes_out_as_it_went_in(
    texts: list[str | None], numbers: list[float | None], integers: list[int], raw: bytes
) -> None:
    sent = {"a": texts, "ü": wire.numbers(numbers), "c": np.array(integers, dtype=np.int32), "d": raw}
    found = _read(wire.message(sent))
    assert found["a"] == texts
    assert [None if one != one else one for one in found["ü"].tolist()] == numbers
    assert found["c"].tolist() == integers
    assert found["d"] == raw


def test_a_missing_number_is_rs_own() -> None:
    assert wire.numbers([None]).tobytes() == struct.pack("<Q", 0x7FF00000000007A2)


@given(st.binary(max_size=64))
def test_noise_on_the_pipe_is_an_error(data: bytes) -> None:
    def exactly(n: int) -> bytes:
        nonlocal data
        if n > len(data):
            raise EOFError
        part, data = data[:n], data[n:]
        return part

    try:
        wire.read(exactly)
    except (EOFError, EngineError):
        return


def test_r_hears_what_python_says(fits: Path) -> None:
    """Every type through R and back: the model's answer is its own input."""
    process = RProcess({"do": "load", "bytes": (fits / "attack-print.rds").read_bytes()})
    answer = process.start()
    assert answer["r"][0].count(".") == 2
    with pytest.raises(RError):
        process.ask({"do": "nothing"}, within_s=5)
    process.close()
