"""What breaks callers and what does not; inheritance; the owner's rules; a contract in words."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.unit.contract.learning import function

from cloche.contract.compare import WAYS_OUT, compare
from cloche.contract.describe import describe
from cloche.contract.inherit import inherit
from cloche.contract.model import OWNER, Contract, Field, Output, Policy
from cloche.contract.overrides import apply_overrides, merge_assignments, parse_assignment
from cloche.errors import UsageError

AGE = Field(name="age", type="number", nullable=True, training_range=(1, 9))
ISLAND = Field(name="island", type="category", levels=("a", "b"))
ANSWER = Output(task="classification", type="string", classes=("no", "yes"), probabilities=True)
OLD = Contract(fields=(AGE, ISLAND), output=ANSWER)
WARN = Policy(unknown_level="warn")


def contract(*fields: Field, output: Output = ANSWER, ignored: tuple[str, ...] = ()) -> Contract:
    return Contract(fields=fields, output=output, ignored=ignored)


def but(thing: Any, **changes: Any) -> Any:
    return msgspec.structs.replace(thing, **changes)


BREAKS = [
    pytest.param(contract(AGE), "'island' was removed", id="removed"),
    pytest.param(contract(AGE, but(ISLAND, name="isle")), "renamed to 'isle'", id="renamed"),
    pytest.param(contract(AGE, but(ISLAND, type="number", levels=None)), "was category, is number", id="type"),
    pytest.param(contract(but(AGE, type="integer"), ISLAND), "was number, is integer", id="number-to-integer"),
    pytest.param(
        contract(AGE, ISLAND, Field(name="new", type="number")), "'new' is new and required", id="new-required"
    ),
    pytest.param(contract(but(AGE, nullable=False), ISLAND), "null is no longer allowed", id="null"),
    pytest.param(contract(AGE, but(ISLAND, levels=("a",))), "level 'b' is no longer known", id="level"),
    pytest.param(contract(but(AGE, maximum=5.0), ISLAND), "the maximum fell from none to 5", id="maximum"),
    pytest.param(contract(but(AGE, minimum=5.0), ISLAND), "the minimum rose from none to 5", id="minimum"),
    pytest.param(
        contract(but(AGE, minimum=-5.0, evidence={"minimum": OWNER}), ISLAND),
        "the minimum rose",
        id="minimum-set-by-owner",
    ),
    pytest.param(contract(AGE, but(ISLAND, max_length=3)), "at most 3 characters", id="max-length"),
    pytest.param(contract(AGE, but(ISLAND, pattern="a+")), "the pattern changed", id="pattern"),
    pytest.param(
        contract(but(AGE, policy=Policy(out_of_range="reject")), ISLAND),
        "outside the training range are now",
        id="strict",
    ),
    pytest.param(
        contract(AGE, ISLAND, output=but(ANSWER, classes=("no", "maybe"))), "classes changed: -yes +maybe", id="classes"
    ),
    pytest.param(contract(AGE, ISLAND, output=but(ANSWER, probabilities=False)), "no longer given", id="probabilities"),
    pytest.param(
        contract(AGE, ISLAND, output=Output(task="regression", type="number")), "was a classification", id="task"
    ),
]


@pytest.mark.parametrize(("new", "words"), BREAKS)
def test_a_break_is_told_in_words_with_the_ways_out(new: Contract, words: str) -> None:
    found = compare(OLD, new)
    assert any(words in one for one in found.breaks), found
    assert found.ways_out == WAYS_OUT


ADDITIONS = [
    pytest.param(OLD, None, id="the-same"),
    pytest.param(
        contract(but(AGE, minimum=-3.4e38, maximum=3.4e38), ISLAND), None, id="a-probed-bound-beyond-all-seen"
    ),
    pytest.param(contract(ISLAND, AGE), None, id="another-order-of-fields"),
    pytest.param(contract(but(AGE, training_range=(2, 3)), ISLAND), None, id="another-training-range"),
    pytest.param(contract(AGE, ISLAND, output=but(ANSWER, classes=("yes", "no"))), None, id="another-order-of-classes"),
    pytest.param(
        contract(AGE, ISLAND, Field(name="new", type="number", required=False)), "new and optional", id="optional"
    ),
    pytest.param(contract(AGE, but(ISLAND, levels=("a", "b", "c"))), "level 'c' is new", id="new-level"),
    pytest.param(contract(AGE, but(ISLAND, policy=WARN)), "unknown levels are no longer refused", id="softer"),
    pytest.param(contract(AGE, but(ISLAND, type="string", levels=None)), "is string", id="category-to-string"),
    pytest.param(contract(AGE, but(ISLAND, nullable=True)), "null is now allowed", id="null"),
    pytest.param(contract(AGE, ignored=("island",)), "accepted and ignored", id="no-longer-read"),
]


@pytest.mark.parametrize(("new", "words"), ADDITIONS)
def test_what_no_caller_is_hurt_by_is_no_break(new: Contract, words: str | None) -> None:
    found = compare(OLD, new)
    assert found.breaks == []
    assert found.ways_out == ()
    assert (found.additions == []) if words is None else any(words in one for one in found.additions)


@pytest.mark.parametrize("before", [OLD, contract(AGE, but(ISLAND, policy=WARN), ignored=("x",))])
def test_nothing_changes_between_a_contract_and_itself(before: Contract) -> None:
    assert compare(before, before) == compare(OLD, OLD)


# -- inheritance --------------------------------------------------------------------------------


def test_what_the_new_table_merely_lacks_is_kept_if_the_model_answers() -> None:
    seen = but(ISLAND, levels=("a",), evidence={"levels": "seen in the table"})
    old = contract(but(AGE, minimum=None), ISLAND)
    merged, breaks = inherit(old, contract(but(AGE, nullable=False, minimum=1.0), seen), function(lambda row: 1.0))
    assert breaks == []
    assert merged.field("age").nullable
    assert merged.field("age").minimum is None
    assert merged.field("island").levels == ("a", "b")


def test_what_the_new_model_cannot_answer_is_a_break() -> None:
    def strict(row: dict[str, Any]) -> float:
        return {"a": 1.0}[row["island"]] + row["age"]

    new = contract(but(AGE, nullable=False), but(ISLAND, levels=("a",)))
    _, breaks = inherit(OLD, new, function(strict))
    assert len(breaks) == 2
    assert any("null" in one for one in breaks)
    assert any("'b'" in one for one in breaks)


def test_the_owner_s_rules_and_old_keys_are_carried_on() -> None:
    owned = apply_overrides(OLD, {"age": {"type": "integer", "minimum": 0, "units": "years"}})
    old = but(
        owned, fields=(*owned.fields, Field(name="id", type="string", role="key", required=False)), ignored=("x",)
    )
    merged, breaks = inherit(old, OLD, function(lambda row: 1.0))
    age = merged.field("age")
    assert (age.type, age.minimum, age.units, age.evidence["minimum"]) == ("integer", 0, "years", OWNER)
    assert merged.field("id") is not None
    assert merged.ignored == ("x",)
    assert breaks == []


def test_a_new_field_that_may_be_null_is_optional() -> None:
    new = contract(AGE, ISLAND, Field(name="mass", type="number", nullable=True))
    merged, breaks = inherit(OLD, new, function(lambda row: 1.0))
    assert not merged.field("mass").required
    assert breaks == []


PAIR = Output(task="multioutput_regression", type="number", names=("y0", "y1"))
LABELS = Output(task="multilabel", type="integer", classes=(0, 1))


@pytest.mark.parametrize(
    ("before", "after", "names", "broken"),
    [
        pytest.param(but(PAIR, names=("price", "rent")), PAIR, ("price", "rent"), False, id="targets-left-out"),
        pytest.param(PAIR, but(PAIR, names=("price", "rent")), ("y0", "y1"), False, id="targets-named-later"),
        pytest.param(
            but(PAIR, names=("price", "rent")), but(PAIR, names=("a", "b")), ("a", "b"), True, id="other-targets"
        ),
        pytest.param(
            but(PAIR, names=("price", "rent")), but(PAIR, names=("y0", "y1", "y2")), ("y0", "y1", "y2"), True,
            id="another-output",
        ),
    ],
)  # fmt: skip
def test_outputs_keep_the_names_that_callers_know(before, after, names, broken):
    merged, breaks = inherit(contract(AGE, output=before), contract(AGE, output=after), function(lambda row: 1.0))
    assert merged.output.names == names
    assert bool(breaks) is broken


def test_labels_keep_the_names_that_callers_know():
    named = but(LABELS, classes=("red", "round"), type="string")
    merged, breaks = inherit(contract(AGE, output=named), contract(AGE, output=LABELS), function(lambda row: 1.0))
    assert merged.output == named
    assert not breaks


# -- the owner's rules --------------------------------------------------------------------------

BAD = [
    pytest.param({"aeg": {}}, "no field 'aeg'; did you mean 'age'", id="no-such-field"),
    pytest.param({"age": {"minimun": 0}}, "no rule 'minimun'; did you mean 'minimum'", id="no-such-rule"),
    pytest.param({"age": {"minimum": "x"}}, r"age: Expected", id="wrong-type"),
    pytest.param({"age": {"minimum": 5, "maximum": 1}}, "minimum 5 is above maximum 1", id="crossed"),
    pytest.param({"age": {"type": "string"}}, "the model takes number", id="another-type"),
    pytest.param({"age": {"levels": ["a"]}}, "expected a category", id="levels-of-a-number"),
    pytest.param({"island": {"levels": ["a", 1]}}, "all of one type", id="mixed-levels"),
    pytest.param({"island": {"unknown_level": "maybe"}}, "Invalid enum value 'maybe'", id="no-such-policy"),
    pytest.param(
        {"island": {"policy": {"nope": 1}}}, "expected unknown_level and out_of_range", id="no-such-policy-key"
    ),
    pytest.param({"island": "x"}, "expected rules such as", id="no-rules"),
    pytest.param({"island": {"pattern": "("}}, "island", id="bad-pattern"),
    pytest.param({"age": {"name": "x"}}, "no rule 'name'", id="names-are-not-set"),
]


@pytest.mark.parametrize(("overrides", "message"), BAD)
def test_a_rule_that_makes_no_sense_is_refused(overrides: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        apply_overrides(OLD, overrides)


def test_overrides_change_only_what_they_name_and_say_so() -> None:
    changed = apply_overrides(OLD, {"island": {"unknown_level": "warn"}, "age": {"policy": {"out_of_range": "reject"}}})
    assert changed.field("island").policy.unknown_level == "warn"
    assert changed.field("island").levels == ("a", "b")
    assert changed.field("age").policy.out_of_range == "reject"
    assert changed.field("age").evidence == {"policy.out_of_range": OWNER}


@pytest.mark.parametrize(("text", "parsed"), [
    pytest.param("age.minimum=0", {"age": {"minimum": 0}}, id="number"),
    pytest.param("sepal.length.units=cm", {"sepal.length": {"units": "cm"}}, id="dots-in-the-name"),
    pytest.param("a.policy.out_of_range=reject", {"a": {"out_of_range": "reject"}}, id="policy"),
    pytest.param('a.levels=["x","y"]', {"a": {"levels": ["x", "y"]}}, id="json"),
    pytest.param("a.description=x = y", {"a": {"description": "x = y"}}, id="equals-in-the-value"),
])  # fmt: skip
def test_assignments_are_parsed(text: str, parsed: dict[str, Any]) -> None:
    assert parse_assignment(text) == parsed


@pytest.mark.parametrize("text", ["age", "age=1", ".minimum=1", "age.=1"])
def test_what_is_no_assignment_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"expected FIELD\.KEY=VALUE"):
        parse_assignment(text)


def test_assignments_of_one_field_are_merged() -> None:
    assert merge_assignments(["a.minimum=0", "a.maximum=9", "a.minimum=1"]) == {"a": {"minimum": 1, "maximum": 9}}


# -- in words -----------------------------------------------------------------------------------

WORDS = [
    pytest.param(but(AGE, training_range=(13.1, 59.6)), "number, seen 13.1…59.6, null allowed", id="number"),
    pytest.param(
        but(AGE, minimum=0, units="kg", training_range=None), "number in kg, at least 0, null allowed", id="bound"
    ),
    pytest.param(
        but(AGE, maximum=3.4028234663852886e38), "number, seen 1…9, null allowed", id="float32-is-of-no-interest"
    ),
    pytest.param(ISLAND, "one of 'a', 'b', never null", id="levels"),
    pytest.param(but(ISLAND, policy=WARN), "one of 'a', 'b' (others: warning), never null", id="soft-levels"),
    pytest.param(but(ISLAND, private=True), "one of 2 levels, never null, private", id="private-levels"),
    pytest.param(
        but(AGE, private=True, minimum=3), "number, within bounds, null allowed, private", id="private-number"
    ),
    pytest.param(
        Field(name="t", type="datetime", timezone="UTC", role="context", required=False),
        "datetime with offset, read as UTC, optional, not shown to the model",
        id="context",
    ),
    pytest.param(Field(name="v", type="vector", length=3), "vector of 3 numbers, never null", id="vector"),
]


@pytest.mark.parametrize(("field", "words"), WORDS)
def test_a_rule_in_words(field: Field, words: str) -> None:
    assert describe(contract(field))[0].rule == words
