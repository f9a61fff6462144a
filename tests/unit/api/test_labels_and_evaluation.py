"""Labels from tables into the log, and versions measured on them: against scikit-learn on the joined table."""

from __future__ import annotations

import csv
import json

import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as reference
from sklearn.linear_model import LogisticRegression

import answered
import artifacts
import cloche
from cloche.api.logged import horizon_of, join_labels
from cloche.api.workplace import workplace
from cloche.cli import main
from cloche.contract.model import Field
from cloche.errors import InvalidInputError, RefusedError, UsageError
from cloche.ids import RequestIds
from cloche.prediction_log import layout
from cloche.prediction_log.joining import joined, moment
from cloche.prediction_log.reading import LogReader
from cloche.registry import Registry, evaluations
from cloche.store import Store
from logged import NOON_US, land


@pytest.fixture
def registry(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLOCHE_SPOOL", str(tmp_path / "spool"))
    return Registry(Store.open(None, tmp_path))


def truths(n, seed=7):
    """What the rows were: mostly as the model says."""
    rng = np.random.default_rng(seed)
    return ["big" if row["length"] + rng.normal(0, 0.6) > 0 else "small" for row in answered.rows(n)]


def table(path, header, rows):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path


@pytest.fixture
def log(registry, tmp_path):
    """400 answers of version 1 in requests of four rows."""
    record = answered.publish(registry, tmp_path / "one")
    frames, requests = answered.answered(registry, record, answered.rows(400), tmp_path / "cache", size=4)
    land(registry.store, frames)
    return [(one.request_id, row) for one in requests for row in range(4)]


def by_id(tmp_path, log, values):
    given = [(identity, row, value) for (identity, row), value in zip(log, values, strict=False)]
    return table(tmp_path / "truths.csv", ("request", "row", "size"), given)


def test_a_table_of_labels_finds_its_rows(registry, log, tmp_path, capsys):
    path = by_id(tmp_path, log, truths(400))
    assert cloche.label("boxes", path, label="size", id="request", row="row") == 400
    assert main(["labels", "boxes", "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)["counts"]
    assert (counts["labels"], counts["rows"], counts["attached"]) == (400, 400, 400)


def test_the_same_table_again_changes_nothing_and_another_corrects(registry, log, tmp_path, capsys):
    path = by_id(tmp_path, log, ["big"] * 10)
    for _ in range(2):
        assert main(["label", "boxes", str(path), "--label", "size", "--id", "request", "--row", "row"]) == 0
    table(path, ("request", "row", "size"), [(*log[0], "small"), ("nobody", "", "big"), (log[4][0], "", "big")])
    assert main(["label", "boxes", str(path), "--label", "size", "--id", "request", "--row", "row"]) == 0
    capsys.readouterr()
    assert main(["labels", "boxes", "--unmatched", "--ambiguous", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    wanted = {"labels": 23, "rows": 10, "attached": 10, "duplicate": 10, "corrected": 1, "unmatched": 1, "ambiguous": 1}
    assert told["counts"] == wanted | {"invalid": 0, "late": 0}
    assert [(one["fate"], one["id"]) for one in told["labels"]] == [("unmatched", "nobody"), ("ambiguous", log[4][0])]


def test_labels_by_key(registry, log, tmp_path):
    path = table(
        tmp_path / "k.csv", ("who", "size", "at"), [("c7", "big", "2026-11-25"), ("c8", "small", "2026-11-25")]
    )
    assert cloche.label("boxes", path, label="size", key={"customer": "who"}, event_time="at") == 2
    assert main(["labels", "boxes"]) == 0


def test_the_horizon_of_the_model_is_everybodys(registry, log, tmp_path, capsys):
    path = table(tmp_path / "k.csv", ("who", "size", "at"), [("c7", "big", "2027-01-25")])
    cloche.label("boxes", path, label="size", key={"customer": "who"}, event_time="at")
    assert horizon_of(workplace(), "boxes").days == 30
    for words, matched in (([], 0), (["--horizon", "90d"], 1), (["--set-horizon", "90d"], 1), ([], 1)):
        capsys.readouterr()
        assert main(["labels", "boxes", *words, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["counts"]["attached"] == matched
    assert horizon_of(workplace(), "boxes").days == 90


def test_a_bad_row_is_named_and_nothing_is_sent(registry, log, tmp_path):
    path = by_id(tmp_path, log, ["big", "huge", "small", "tiny"])
    before = registry.store.list(layout.LANDING)
    with pytest.raises(InvalidInputError) as caught:
        cloche.label("boxes", path, label="size", id="request", row="row")
    assert [(one.row, one.field) for one in caught.value.problems] == [(1, "label"), (3, "label")]
    assert registry.store.list(layout.LANDING) == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param({"label": "size"}, "--id", id="neither-id-nor-key"),
        pytest.param({"label": "size", "id": "request", "key": {"customer": "row"}}, "not both", id="both"),
        pytest.param({"label": "size", "key": {"colour": "row"}}, "no key field", id="no-key"),
        pytest.param({"label": "siez", "id": "request"}, "did you mean 'size'", id="no-such-column"),
    ],
)
def test_called_wrongly(registry, log, tmp_path, words, said):
    with pytest.raises(UsageError, match=said):
        cloche.label("boxes", by_id(tmp_path, log, ["big"]), **words)


def test_a_private_key_is_sent_as_its_hash(registry, tmp_path, monkeypatch, capsys):
    made = answered.contract()
    private = Field(name="customer", type="string", role="key", private=True, required=False, nullable=True)
    made = msgspec.structs.replace(made, fields=(*made.fields[:2], private, made.fields[3]))
    record = answered.publish(registry, tmp_path / "one", made=made)
    secret = tmp_path / "secret"
    secret.write_bytes(b"0123456789abcdef0123")
    frames, _ = answered.answered(
        registry, record, answered.rows(4), tmp_path / "cache", secret=secret.read_bytes()
    )  # fmt: skip
    land(registry.store, frames)
    path = table(tmp_path / "k.csv", ("who", "size"), [("c1", "big"), ("c2", "small")])
    with pytest.raises(UsageError, match="hash_key"):
        cloche.label("boxes", path, label="size", key={"customer": "who"})
    monkeypatch.setenv("CLOCHE_LOG_HASH_KEY", str(secret))
    assert cloche.label("boxes", path, label="size", key={"customer": "who"}) == 2
    sent = b"".join(registry.store.get(one) for one in registry.store.list(layout.LANDING))
    assert b'"c1"' not in sent
    assert b"\xa2c1" not in sent  # msgpack's text of two characters
    capsys.readouterr()
    assert main(["labels", "boxes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["counts"]["attached"] == 2


# -- evaluation --------------------------------------------------------------------------------------


def test_the_log_is_measured_as_scikit_learn_measures_the_joined_table(registry, log, tmp_path):
    known = truths(400)
    cloche.label("boxes", by_id(tmp_path, log, known), label="size", id="request", row="row")
    found = cloche.evaluate("boxes", segments=["colour", "length", "route"])
    from_log = _joined_table(registry)
    guess, told = [one["prediction"] for one in from_log], [one["label"] for one in from_log]
    shares = np.array([one["probabilities"] for one in from_log])
    expected = {
        "accuracy": reference.accuracy_score(told, guess),
        "balanced_accuracy": reference.balanced_accuracy_score(told, guess),
        "f1_macro": reference.f1_score(told, guess, average="macro"),
        "log_loss": reference.log_loss(told, shares, labels=["big", "small"]),
        "roc_auc": reference.roc_auc_score([one == "small" for one in told], shares[:, 1]),
    }
    for name, value in expected.items():
        assert found.quality.whole.metric(name).value == pytest.approx(value, abs=1e-12), name
    assert (found.rows, found.measured, found.source) == (400, 400, "log")
    blue = next(one for one in found.quality.segments if (one.column, one.segment) == ("colour", "blue"))
    kept = [one for one in from_log if one["ctx_colour"] == "blue"]
    right = sum(one["label"] == one["prediction"] for one in kept)
    assert blue.metric("accuracy").value == right / len(kept)
    assert len([one for one in found.quality.segments if one.column == "length"]) == 4
    assert evaluations.latest(registry.store, "boxes", 1)[0] == found


def _joined_table(registry):
    answers = LogReader(registry.store).answers("boxes", contract=1)
    return joined(answers, join_labels(workplace(), "boxes")).to_pylist()


def test_two_versions_on_the_same_rows(registry, log, tmp_path, capsys):
    answered.publish(registry, tmp_path / "two", model=guesser(), promote=False)
    known = truths(400)
    cloche.label("boxes", by_id(tmp_path, log, known), label="size", id="request", row="row")
    logged = cloche.evaluate("boxes", against=2)
    rows = [(*row.values(), truth) for row, truth in zip(answered.rows(400), known, strict=True)]
    path = table(tmp_path / "t.csv", (*answered.rows(1)[0], "size"), rows)
    tabled = cloche.evaluate("boxes@1", path, target="size", against=2, segments=["colour"])
    assert logged.quality.whole.differences == tabled.quality.whole.differences
    assert logged.quality.whole.metric("brier").value == pytest.approx(tabled.quality.whole.metric("brier").value)
    assert {one.name: one.verdict for one in tabled.quality.whole.differences}["accuracy"] == "better"
    arguments = ["evaluate", "boxes@1", str(path), "--target", "size", "--segment", "colour", "--against", "2"]
    assert main(arguments) == 0
    assert "against version 2" in capsys.readouterr().out
    assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["evaluation"]["against"] == 2
    assert main(["show", "boxes@1"]) == 0
    assert "evaluated" in capsys.readouterr().out


def test_rows_whose_inputs_were_not_kept_cannot_be_answered_by_another(registry, tmp_path):
    made = answered.contract(log_inputs="none")
    record = answered.publish(registry, tmp_path / "one", made=made)
    answered.publish(registry, tmp_path / "two", made=made, model=guesser(), promote=False)
    frames, requests = answered.answered(registry, record, answered.rows(30), tmp_path / "cache")
    land(registry.store, frames)
    ids = [(one.request_id, 0) for one in requests]
    cloche.label("boxes", by_id(tmp_path, ids, truths(30)), label="size", id="request", row="row")
    assert cloche.evaluate("boxes").measured == 30
    with pytest.raises(RefusedError, match="log_inputs = none"):
        cloche.evaluate("boxes", against=2)


def guesser():
    """A model of the same two columns that has learnt from the wrong one."""
    frame = pd.DataFrame(np.random.default_rng(5).normal(size=(60, 2)), columns=list(artifacts.COLUMNS))
    return LogisticRegression().fit(frame, np.where(frame["width"] > 0, "big", "small"))


def test_a_span_of_time(registry, tmp_path):
    record = answered.publish(registry, tmp_path / "one")
    frames, requests = answered.answered(registry, record, answered.rows(40), tmp_path / "cache")
    land(registry.store, frames)
    ids = [(one.request_id, 0) for one in requests]
    cloche.label("boxes", by_id(tmp_path, ids, truths(40)), label="size", id="request", row="row")
    middle = moment(NOON_US + 15_000_000)
    assert cloche.evaluate("boxes", since=middle).measured == 25
    assert cloche.evaluate("boxes", until=middle).measured == 15
    with pytest.raises(RefusedError, match="no answers"):
        cloche.evaluate("boxes", since=moment(NOON_US + 10**9))


def test_nothing_labelled_says_so(registry, log):
    with pytest.raises(RefusedError, match="400 rows were answered, and none of them has a label"):
        cloche.evaluate("boxes")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["t.csv"], "--target: expected one column", id="no-target"),
        pytest.param(["t.csv", "--target", "colour"], "none of its values", id="no-class-in-it"),
        pytest.param(["t.csv", "--target", "size", "--segment", "colr"], "did you mean 'colour'", id="no-such-segment"),
        pytest.param(["t.csv", "--target", "size", "--since", "7d"], "go with --logged", id="since-of-a-table"),
        pytest.param(["--logged", "--target", "size"], "labels", id="target-of-the-log"),
        pytest.param([], "expected a TABLE", id="neither"),
        pytest.param(["--logged", "--since", "yesterday"], "--since: expected", id="no-moment"),
    ],
)
def test_evaluate_called_wrongly(registry, log, tmp_path, capsys, words, said):
    rows = [(*row.values(), truth) for row, truth in zip(answered.rows(20), truths(20), strict=True)]
    table(tmp_path / "t.csv", (*answered.rows(1)[0], "size"), rows)
    assert main(["evaluate", "boxes", *words]) == 2
    assert said in capsys.readouterr().err


def test_a_private_segment_is_shown_nowhere(registry, tmp_path):
    made = answered.contract()
    private = Field(name="colour", type="string", role="context", private=True, required=False, nullable=True)
    made = msgspec.structs.replace(made, fields=(*made.fields[:3], private))
    answered.publish(registry, tmp_path / "one", made=made)
    rows = [(*row.values(), truth) for row, truth in zip(answered.rows(20), truths(20), strict=True)]
    path = table(tmp_path / "t.csv", (*answered.rows(1)[0], "size"), rows)
    with pytest.raises(UsageError, match="private"):
        cloche.evaluate("boxes", path, target="size", segments=["colour"])


def test_rows_that_cannot_be_answered_are_counted(registry, tmp_path):
    answered.publish(registry, tmp_path / "one")
    rows = [(*row.values(), truth) for row, truth in zip(answered.rows(40), truths(40), strict=True)]
    rows[3] = ("", *rows[3][1:])
    path = table(tmp_path / "t.csv", (*answered.rows(1)[0], "size"), rows)
    found = cloche.evaluate("boxes", path, target="size")
    assert (found.rows, found.refused, found.measured) == (40, 1, 39)
    assert "1 rows could not be answered" in found.notes[0]


def test_ids_of_many_labels_in_one_segment(registry, log, tmp_path):
    ids = RequestIds()
    path = table(tmp_path / "many.csv", ("request", "size"), [(ids.new(), "big") for _ in range(2_500)])
    assert cloche.label("boxes", path, label="size", id="request") == 2_500
    assert len(registry.store.list(layout.LANDING)) == 2
