"""Which answer a label is about; the tables are those that a reader makes of landed segments."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloche.contract.model import Contract, Field
from cloche.prediction_log.frames import Label, LoggedField
from cloche.prediction_log.joining import Place, Source, join, joined
from cloche.prediction_log.privacy import hashed
from cloche.prediction_log.reading import LogReader
from cloche.store import Store
from logged import NOON_US, SPECIES, failed, labels, land, request, schema

HOUR = 3_600_000_000
DAY = 24 * HOUR
SECRET = b"0123456789abcdef"
CONTRACT = Contract(
    fields=(
        Field(name="mass", type="number"),
        Field(name="island", type="category", levels=("Dream", "Biscoe")),
        Field(name="customer", type="string", role="key"),
    ),
    output=SPECIES,
)
ONE = request(request_id="A" * 26, client_request_id="mine")
TWO = request([(1.0, "Dream", "bob"), (2.0, "Dream", "eve")], request_id="B" * 26, prediction=["Adelie", "Gentoo"])
AGAIN = request([(1.0, "Dream", "bob")], request_id="C" * 26, client_request_id="twice", time_us=NOON_US + 2 * DAY)
AND_AGAIN = request([(1.0, "Dream", "zoe")], request_id="D" * 26, client_request_id="twice")
FAILED = msgspec.structs.replace(failed(), client_request_id="broken")


def found(tmp_path: Any, *given: Label | tuple[int, Label], horizon_days: float = 30, **of: Any) -> Any:
    """The join of the labels (each received a second after the one before, or then) with the requests above."""
    store = Store.open(str(tmp_path), tmp_path)
    timed = [one if isinstance(one, tuple) else (NOON_US + HOUR + n * 1_000_000, one) for n, one in enumerate(given)]
    frames = [schema(), ONE, TWO, AGAIN, AND_AGAIN, FAILED, *(labels(one, time_us=at) for at, one in timed)]
    land(store, frames)
    reader = LogReader(store)
    sources = [Source(reader.answers("penguins", contract=1), of.get("contract", CONTRACT))]
    return join(sources, reader.labels("penguins"), horizon=dt.timedelta(days=horizon_days)), sources[0].table


def key(value: str, label: Any = "Gentoo", at_us: int | None = None) -> Label:
    return Label(label, key={"customer": value}, event_us=at_us)


@pytest.mark.parametrize(
    ("label", "fate", "place", "why"),
    [
        pytest.param(Label("Gentoo", "A" * 26), "attached", ("A", 0), None, id="by-request-id"),
        pytest.param(Label("Gentoo", "mine"), "attached", ("A", 0), None, id="by-client-id"),
        pytest.param(Label("Gentoo", "A" * 26, 0), "attached", ("A", 0), None, id="its-only-row"),
        pytest.param(Label("Gentoo", "B" * 26, 1), "attached", ("B", 1), None, id="a-row-of-several"),
        pytest.param(Label("Gentoo", "B" * 26), "ambiguous", None, "2 rows", id="several-rows-none-named"),
        pytest.param(Label("Gentoo", "twice"), "ambiguous", None, "2 requests", id="id-of-two-requests"),
        pytest.param(Label("Gentoo", "B" * 26, 2), "unmatched", None, "no row 2", id="no-such-row"),
        pytest.param(Label("Gentoo", "nobody"), "unmatched", None, "no such request", id="no-such-request"),
        pytest.param(Label("Gentoo", "broken"), "unmatched", None, "got no answer", id="a-failed-request"),
        pytest.param(Label("Chinstrap", "A" * 26), "invalid", ("A", 0), "'Chinstrap'", id="no-class-of-the-model"),
        pytest.param(Label(1, "A" * 26), "invalid", ("A", 0), "got 1", id="another-type"),
        pytest.param(Label(None, "A" * 26), "invalid", ("A", 0), "None", id="nothing"),
        pytest.param(key("ann", at_us=NOON_US + DAY), "attached", ("A", 0), None, id="by-key"),
        pytest.param(key("bob", at_us=NOON_US + DAY), "attached", ("B", 0), None, id="before-the-later-answer"),
        pytest.param(key("bob", at_us=NOON_US + 3 * DAY), "attached", ("C", 0), None, id="the-last-answer"),
        pytest.param(key("eve", at_us=NOON_US + 31 * DAY), "unmatched", None, "horizon", id="beyond-the-horizon"),
        pytest.param(key("ann", at_us=NOON_US - DAY), "unmatched", None, "before the event", id="event-before-it"),
        pytest.param(key("nobody"), "unmatched", None, "no answer with this key", id="no-such-key"),
        pytest.param(key("eve"), "attached", ("B", 1), None, id="no-event-time-is-when-received"),
        pytest.param(Label("Gentoo", key={"shop": "x"}), "unmatched", None, "no key of", id="another-key"),
    ],
)
def test_one_label(tmp_path, label, fate, place, why):
    outcome = found(tmp_path, label)[0].outcomes[0]
    assert outcome.fate == fate
    assert outcome.place == (place and Place(place[0] * 26, place[1]))
    assert why is None or why in outcome.why


@pytest.mark.parametrize(
    ("values", "fates", "stands"),
    [
        pytest.param(["Gentoo", "Gentoo"], ["attached", "duplicate"], "Gentoo", id="sent-twice"),
        pytest.param(["Adelie", "Gentoo"], ["corrected", "attached"], "Gentoo", id="corrected"),
        pytest.param(["Adelie", "Gentoo", "Adelie"], ["corrected", "corrected", "attached"], "Adelie", id="back"),
        pytest.param(["Adelie", "Gentoo", "Gentoo"], ["corrected", "attached", "duplicate"], "Gentoo", id="then-again"),
        pytest.param(["Adelie", "Chinstrap"], ["attached", "invalid"], "Adelie", id="an-invalid-one-corrects-nothing"),
    ],
)
def test_several_labels_of_one_row(tmp_path, values, fates, stands):
    join_, _ = found(tmp_path, *(Label(value, "A" * 26) for value in values))
    assert [one.fate for one in join_.outcomes] == fates
    truth = join_.truths[Place("A" * 26, 0)]
    assert truth.value == stands
    assert truth.status == ("corrected" if "corrected" in fates else "labelled")
    assert join_.counts()["labels"] == len(values)
    assert join_.counts()["corrected"] == fates.count("corrected")


def test_what_counts_is_when_it_was_received_not_in_which_order_it_lies(tmp_path):
    later, earlier = (NOON_US + 2 * HOUR, Label("Gentoo", "A" * 26)), (NOON_US + HOUR, Label("Adelie", "mine"))
    assert found(tmp_path, later, earlier)[0].truths[Place("A" * 26, 0)].value == "Gentoo"


def test_a_late_label_is_taken_and_counted(tmp_path):
    join_, _ = found(tmp_path, (NOON_US + 40 * DAY, Label("Gentoo", "A" * 26)))
    assert join_.counts()["late"] == 1
    assert join_.truths[Place("A" * 26, 0)].status == "late"


def test_a_private_key_meets_its_hash(tmp_path):
    field = Field(name="customer", type="string", role="key", private=True)
    private = Contract(fields=(*CONTRACT.fields[:2], field), output=SPECIES)
    fields = (
        LoggedField("mass", "number", "input"),
        LoggedField("island", "category", "input"),
        LoggedField("customer", "string", "key", "hash"),
    )
    store = Store.open(str(tmp_path), tmp_path)
    land(store, [
        schema(fields=fields), request([(1.0, "Dream", hashed("ann", SECRET))], request_id="A" * 26),
        labels(key(hashed("ann", SECRET)), key(hashed("bob", SECRET)), time_us=NOON_US + HOUR),
    ])  # fmt: skip
    reader = LogReader(store)
    join_ = join([Source(reader.answers("penguins", contract=1), private)], reader.labels("penguins"))
    assert [one.fate for one in join_.outcomes] == ["attached", "unmatched"]


@pytest.mark.parametrize(
    ("type", "logged", "told"),
    [
        pytest.param("integer", 17, 17, id="integer"),
        pytest.param("integer", 17, 17.0, id="integer-as-number"),
        pytest.param("date", "2026-01-02", "2026-01-02", id="date"),
        pytest.param("boolean", True, True, id="boolean"),
        pytest.param("datetime", dt.datetime(2026, 1, 2, 12, tzinfo=dt.UTC), "2026-01-02T13:00:00+01:00", id="moment"),
    ],
)
def test_keys_of_every_type(tmp_path, type, logged, told):
    zone = "UTC" if type == "datetime" else None
    field = Field(name="k", type=type, role="key", timezone=zone)
    store = Store.open(str(tmp_path), tmp_path)
    made = schema(fields=(LoggedField("k", type, "key", timezone=zone),))
    land(store, [made, request([(logged,)], request_id="A" * 26),
                 labels(Label("Gentoo", key={"k": told}), time_us=NOON_US + HOUR)])  # fmt: skip
    reader = LogReader(store)
    source = Source(reader.answers("penguins", contract=1), Contract(fields=(field,), output=SPECIES))
    assert join([source], reader.labels("penguins")).counts()["attached"] == 1


def test_the_columns_that_are_added(tmp_path):
    event = NOON_US + DAY
    join_, table = found(tmp_path, Label("Gentoo", "B" * 26, 1, event_us=event))
    wide = joined(table, join_)
    assert wide.column_names[-4:] == ["label", "label_time", "event_time", "label_status"]
    assert wide.schema.field("label").type == wide.schema.field("prediction").type
    assert wide.schema.field("event_time").type == wide.schema.field("time").type
    rows = {(one["request_id"][0], one["row"]): one for one in wide.to_pylist()}
    assert rows["B", 1]["label"] == "Gentoo"
    assert rows["B", 1]["event_time"].timestamp() * 1_000_000 == event
    assert rows["B", 1]["label_status"] == "labelled"
    assert rows["A", 0]["label"] is None
    assert wide.num_rows == table.num_rows


def test_nothing_logged_and_nothing_labelled(tmp_path):
    reader = LogReader(Store.open(str(tmp_path), tmp_path))
    empty = join([Source(reader.answers("penguins", contract=1), CONTRACT)], reader.labels("penguins"))
    assert empty.counts()["labels"] == 0


_IDS = st.sampled_from(["A" * 26, "mine", "B" * 26, "twice", "nobody", "broken"])
_LABELS = st.lists(
    st.tuples(
        st.integers(0, 60), st.sampled_from(["Adelie", "Gentoo", "Chinstrap"]), _IDS, st.sampled_from([None, 0, 1])
    ),
    max_size=12,
)


@settings(max_examples=40, deadline=None)
@given(_LABELS)
def test_all_labels_sent_again_change_no_truth(tmp_path_factory, drawn):
    first = [(NOON_US + HOUR + at * 1_000_000 + n, Label(value, identity, row))
             for n, (at, value, identity, row) in enumerate(drawn)]  # fmt: skip
    once, _ = found(tmp_path_factory.mktemp("once"), *first)
    last = {}
    for _, label in sorted(first, key=lambda one: one[0]):
        last[label.id, label.row] = label
    again = [(NOON_US + 2 * HOUR + n, label) for n, label in enumerate(last.values())]
    twice, _ = found(tmp_path_factory.mktemp("twice"), *first, *again)
    assert twice.truths.keys() == once.truths.keys()
    for join_ in (once, twice):
        counts = join_.counts()
        assert counts["attached"] == counts["rows"]
        assert sum(counts[fate] for fate in (
            "attached", "duplicate", "corrected", "unmatched", "ambiguous", "invalid")) == counts["labels"]  # fmt: skip
