"""The table of DESIGN 5, "what is learnt", row by row, on fitted models and on models that are functions."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler
from tests.unit.contract.learning import Fitted, function

from cloche import tables
from cloche.contract.ask import mixed_rows
from cloche.contract.infer import Learnt, infer, infer_from_facts
from cloche.contract.model import Field
from cloche.contract.probe import Probe, budget
from cloche.errors import SaveRefusedError
from cloche.records import InputFacts, ModelFacts

RNG = np.random.default_rng(7)
N = 1200
FRAME = pd.DataFrame({
    "age": RNG.integers(18, 80, N),
    "income": RNG.lognormal(3, 1, N),
    "island": RNG.choice(["Biscoe", "Dream", "Torgersen"], N),
    "member": RNG.integers(0, 2, N),
    "score": np.where(RNG.random(N) < 0.1, np.nan, RNG.normal(5, 2, N)),
})  # fmt: skip
TARGET = (FRAME["income"] + FRAME["member"] * 10 > 25).astype(int)
NUMBERS = ["age", "income", "member"]


def by_name(learnt: Learnt) -> dict[str, Field]:
    return {field.name: field for field in learnt.contract.fields}


def learn(answer: Any, frame: pd.DataFrame, *, inputs: dict[str, InputFacts] | None = None, **options: Any) -> Learnt:
    facts = ModelFacts("regression", tuple(frame.columns), frame.shape[1], inputs=inputs or {})
    return infer(tables.read(frame), facts, answers=function(answer), **options)


def mixed_pipeline(unknown: str) -> Any:
    return make_pipeline(
        make_column_transformer(
            (make_pipeline(SimpleImputer(), StandardScaler()), ["income", "score"]),
            (OneHotEncoder(handle_unknown=unknown), ["island"]),
        ),
        LogisticRegression(max_iter=500),
    )


# -- numbers ------------------------------------------------------------------------------------


def test_a_forest_takes_what_float32_holds_and_null() -> None:
    fields = by_name(Fitted(RandomForestClassifier(5).fit(FRAME[NUMBERS], TARGET), FRAME[NUMBERS]).learn())
    assert {fields[name].maximum for name in NUMBERS} == {3.4028234663852886e38}
    assert {fields[name].minimum for name in NUMBERS} == {-3.4028234663852886e38}
    assert "3.4028234663852886e+38" in fields["age"].evidence["maximum"]


def test_what_takes_all_of_float64_has_no_bounds() -> None:
    model = HistGradientBoostingClassifier(max_iter=5).fit(FRAME[NUMBERS], TARGET)
    fields = by_name(Fitted(model, FRAME[NUMBERS]).learn())
    assert [(fields[name].minimum, fields[name].maximum, fields[name].nullable) for name in NUMBERS] == [
        (None, None, True)
    ] * 3


def test_a_logarithm_is_bounded_below_and_its_neighbours_are_not() -> None:
    model = make_pipeline(
        make_column_transformer((FunctionTransformer(np.log), ["income"]), remainder="passthrough"),
        LogisticRegression(),
    ).fit(FRAME[NUMBERS], TARGET)
    fitted = Fitted(model, FRAME[NUMBERS])
    fields = by_name(fitted.learn())
    assert fields["income"].minimum == FRAME["income"].min()
    assert fields["age"].minimum == -1e15
    assert not fields["age"].nullable
    assert fitted.calls <= budget(3)


def test_whole_numbers_are_numbers_with_a_whole_training_range() -> None:
    field = by_name(learn(lambda row: 1.0, FRAME[["age"]]))["age"]
    assert (field.type, field.training_range, field.accepts_boolean) == ("number", (18, 79), False)
    assert all(type(end) is int for end in field.training_range or ())


@pytest.mark.parametrize(("values", "type_", "accepts"), [
    pytest.param([0, 1, 1], "number", True, id="zero-and-one"),
    pytest.param([0.0, 1.0, None], "number", True, id="zero-one-and-missing"),
    pytest.param([1, 1, 1], "number", False, id="only-ones"),
    pytest.param([0, 1, 2], "number", False, id="two"),
    pytest.param([True, False, True], "boolean", False, id="booleans-take-0-and-1-anyway"),
])  # fmt: skip
def test_zero_one_columns_take_true_and_false(values: list[Any], type_: str, accepts: bool) -> None:
    field = by_name(learn(lambda row: 1.0, pd.DataFrame({"x": values})))["x"]
    assert (field.type, field.accepts_boolean) == (type_, accepts)


# -- levels -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("unknown", "policy"), [
    pytest.param("error", "reject", id="the-encoder-raises"),
    pytest.param("ignore", "warn", id="the-encoder-ignores"),
])  # fmt: skip
def test_an_unknown_level_does_what_the_encoder_declares(unknown: str, policy: str) -> None:
    field = by_name(Fitted(mixed_pipeline(unknown).fit(FRAME, TARGET), FRAME).learn())["island"]
    assert (field.type, field.levels, field.policy.unknown_level) == (
        "category",
        ("Biscoe", "Dream", "Torgersen"),
        policy,
    )
    assert "OneHotEncoder" in field.evidence["levels"]


def test_whole_numbers_that_an_encoder_reads_are_integer_levels() -> None:
    model = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(FRAME[["member", "age"]], TARGET)
    field = by_name(Fitted(model, FRAME[["member", "age"]]).learn())["member"]
    assert (field.type, field.levels, field.accepts_boolean) == ("category", (0, 1), True)


def test_a_categorical_dtype_fixes_the_levels_in_order() -> None:
    frame = pd.DataFrame({"size": pd.Categorical(["S", "M", "S"] * 50, ["S", "M", "L"], ordered=True), "n": range(150)})
    field = by_name(learn(lambda row: 1.0, frame))["size"]
    assert (field.levels, field.ordered, field.policy.unknown_level) == (("S", "M", "L"), True, "warn")
    model = HistGradientBoostingClassifier(max_iter=3).fit(frame, [0, 1, 0] * 50)
    field = by_name(Fitted(model, frame).learn())["size"]
    assert (field.levels, field.ordered) == (("S", "M"), True), "the model has never met L"


@pytest.mark.parametrize(("rows", "levels", "policy"), [
    pytest.param(["a", "b"] * 500, ("a", "b"), "reject", id="hard-from-1000-rows"),
    pytest.param(["a", "b"] * 499, ("a", "b"), "warn", id="soft-below"),
    pytest.param(["a", "b"] * 500 + ["c"], ("a", "b", "c"), "warn", id="soft-with-a-singleton"),
    pytest.param([f"{n % 51}" for n in range(2000)], None, "reject", id="too-many-levels"),
    pytest.param([f"name {n}" for n in range(200)], None, "reject", id="mostly-unique"),
])  # fmt: skip
def test_levels_only_seen_in_the_table(rows: list[str], levels: tuple[str, ...] | None, policy: str) -> None:
    field = by_name(learn(lambda row: 1.0, pd.DataFrame({"x": rows})))["x"]
    assert (field.levels, field.policy.unknown_level) == (levels, policy)
    assert field.type == ("string" if levels is None else "category")


def test_levels_are_hard_where_the_model_raises_on_others() -> None:
    known = {"a": 1.0, "b": 2.0}
    field = by_name(learn(lambda row: known[row["x"]], pd.DataFrame({"x": ["a", "b"] * 20})))["x"]
    assert (field.levels, field.policy.unknown_level, field.nullable) == (("a", "b"), "reject", False)


def test_text_read_by_a_vectorizer_is_text_and_keeps_no_levels() -> None:
    texts = pd.Series(["a good film", "a bad film"] * 60, name="review")
    fitted = Fitted(make_pipeline(CountVectorizer(), LogisticRegression()).fit(texts, [1, 0] * 60), texts)
    field = by_name(fitted.learn())["review"]
    assert (field.type, field.levels, field.nullable) == ("text", None, False)


def test_long_text_is_text() -> None:
    frame = pd.DataFrame({"x": [f"sentence number {n}, which goes on for quite a while" for n in range(120)]})
    assert by_name(learn(lambda row: 1.0, frame))["x"].type == "text"


# -- dates, vectors, mixtures -------------------------------------------------------------------


def test_dates_and_times_keep_range_and_zone() -> None:
    frame = pd.DataFrame({
        "day": [dt.date(2024, 1, 1), dt.date(2024, 3, 1)],
        "at": pd.to_datetime(["2024-01-01", "2024-06-01"]).tz_localize("Europe/Paris"),
    })  # fmt: skip
    fields = by_name(learn(lambda row: 1.0, frame))
    assert (fields["day"].type, fields["day"].training_range) == ("date", ("2024-01-01", "2024-03-01"))
    assert (fields["at"].type, fields["at"].timezone) == ("datetime", "Europe/Paris")


def test_a_vector_has_a_length() -> None:
    frame = pd.DataFrame({"v": [[1.0, 2.0], [3.0, 4.0]]})
    field = by_name(learn(lambda row: sum(row["v"]), frame))["v"]
    assert (field.type, field.length, field.nullable) == ("vector", 2, False)


def test_a_column_of_several_types_is_refused_with_the_recipe() -> None:
    frame = pd.DataFrame({"x": ["a", 1]})
    with pytest.raises(SaveRefusedError, match=r"'x' \(object\) holds int and str.*astype\(str\)"):
        learn(lambda row: 1.0, frame)


# -- missing ------------------------------------------------------------------------------------


def test_null_is_as_probed_field_by_field() -> None:
    fitted = Fitted(mixed_pipeline("error").fit(FRAME, TARGET), FRAME)
    fields = by_name(fitted.learn())
    assert {name: field.nullable for name, field in fields.items()} == {"income": True, "score": True, "island": False}
    assert fields["island"].evidence["nullable"] == "probed: the model raised on null"
    assert fitted.calls <= budget(3)


def test_nulls_that_are_fine_alone_and_not_together_are_narrowed() -> None:
    def one_at_most(row: dict[str, Any]) -> float:
        if row["a"] is None and row["b"] is None:
            raise ValueError("both missing")
        return 1.0

    learnt = learn(one_at_most, pd.DataFrame({"a": [1.5, 2.5], "b": [1.5, 2.5]}))
    assert not all(field.nullable for field in learnt.contract.fields)


def test_missing_in_the_table_that_the_model_refuses_is_noted() -> None:
    frame = pd.DataFrame({"a": [1.5, None, 2.5], "b": [1.0, 2.0, 4.0]})
    learnt = learn(lambda row: row["a"] + 1.0, frame)
    assert not by_name(learnt)["a"].nullable
    assert any("'a' has 1 missing values" in note for note in learnt.notes)


def test_few_rows_and_constant_columns_make_nothing_hard() -> None:
    frame = pd.DataFrame({"a": [5.0] * 20, "b": ["x"] * 20})
    fields = by_name(learn(lambda row: 1.0, frame))
    assert (fields["a"].minimum, fields["a"].maximum) == (None, None)
    assert fields["b"].policy.unknown_level == "warn"


# -- columns and roles --------------------------------------------------------------------------


def test_a_column_that_no_step_reads_is_ignored_and_named() -> None:
    learnt = Fitted(mixed_pipeline("error").fit(FRAME, TARGET), FRAME).learn()
    assert learnt.contract.ignored == ("age", "member")
    assert any("'age' is read by no step" in note for note in learnt.notes)


def test_a_column_equal_to_the_targets_is_refused_by_name() -> None:
    frame = FRAME[NUMBERS].assign(label=TARGET)
    fitted = Fitted(LogisticRegression(max_iter=200).fit(frame, TARGET), frame)
    with pytest.raises(SaveRefusedError, match="'label' is equal to the targets"):
        fitted.learn(targets=tables.read_target(TARGET))


def test_keys_and_contexts_are_typed_optional_and_last() -> None:
    frame = FRAME[NUMBERS].assign(id=range(N), segment="north")
    fitted = Fitted(LogisticRegression(max_iter=200).fit(FRAME[NUMBERS], TARGET), frame)
    fields = fitted.learn(keys=["id"], context=["segment"]).contract.fields
    assert [(one.name, one.role, one.type) for one in fields[3:]] == [
        ("segment", "context", "string"),
        ("id", "key", "integer"),
    ]
    assert all(one.nullable and not one.required for one in fields[3:])


def test_a_key_that_the_model_reads_is_refused() -> None:
    fitted = Fitted(LogisticRegression(max_iter=200).fit(FRAME[NUMBERS], TARGET), FRAME[NUMBERS])
    with pytest.raises(SaveRefusedError, match="'age' is named as key or context"):
        fitted.learn(keys=["age"])


def test_private_fields_keep_nothing_of_their_values() -> None:
    learnt = learn(lambda row: 1.0, FRAME[["age", "island"]], private=["age", "island"])
    fields = by_name(learnt)
    assert fields["age"].private
    assert fields["age"].training_range is None
    assert fields["island"].levels is None


def test_a_table_the_model_does_not_answer_is_refused_with_its_words() -> None:
    def broken(row: dict[str, Any]) -> float:
        raise ValueError("X has 3 features")

    with pytest.raises(SaveRefusedError, match=r"does not answer.*ValueError: X has 3 features"):
        learn(broken, FRAME[["age"]])


# -- hints, no table, budget --------------------------------------------------------------------


def test_one_hot_and_standardised_inputs_are_pointed_out_with_the_recipe() -> None:
    dummies = pd.get_dummies(FRAME[["island"]])
    scaled = pd.DataFrame(StandardScaler().fit_transform(FRAME[["income"]]), columns=["income"])
    notes = " ".join(learn(lambda row: 1.0, pd.concat([dummies, scaled], axis=1)).notes)
    assert "OneHotEncoder" in notes
    assert "StandardScaler" in notes


def test_a_rare_fraction_among_whole_numbers_is_pointed_out() -> None:
    frame = pd.DataFrame({"x": [float(n) for n in range(200)] + [0.5]})
    assert any("1 of 201 values have a fraction" in note for note in learn(lambda row: 1.0, frame).notes)


def test_without_a_table_names_and_levels_come_from_the_model() -> None:
    fitted = Fitted(mixed_pipeline("error").fit(FRAME, TARGET), FRAME)
    fields = by_name(infer_from_facts(fitted.facts, fitted.answers))
    assert {name: field.type for name, field in fields.items()} == {
        "income": "number",
        "island": "category",
        "score": "number",
    }
    assert fields["income"].nullable
    assert fields["income"].training_range is None


def test_a_model_that_tells_nothing_asks_for_the_table() -> None:
    with pytest.raises(SaveRefusedError, match="inputs=X"):
        infer_from_facts(ModelFacts("regression", None, None), function(lambda row: 1.0))


def test_probing_stops_at_its_budget_and_at_its_seconds() -> None:
    now = iter(range(100))
    probe = Probe(function(lambda row: 1.0), {"x": 1.0}, calls=3, seconds=2.5, clock=lambda: next(now))
    assert [probe.takes([{}]) for _ in range(4)] == [True, True, False, False]
    assert not Probe(function(lambda row: 1.0), {"x": 1.0}, calls=0).takes([{}])


MODELS = [
    pytest.param(mixed_pipeline("error"), list(FRAME), id="mixed-error"),
    pytest.param(mixed_pipeline("ignore"), list(FRAME), id="mixed-ignore"),
    pytest.param(RandomForestClassifier(3), NUMBERS, id="forest"),
    pytest.param(HistGradientBoostingClassifier(max_iter=3), NUMBERS, id="hist"),
    pytest.param(make_pipeline(StandardScaler(), RandomForestClassifier(3)), NUMBERS, id="scaled-forest"),
    pytest.param(make_pipeline(FunctionTransformer(np.log1p), LinearRegression()), NUMBERS, id="log"),
    pytest.param(make_pipeline(FunctionTransformer(np.sqrt), LinearRegression()), NUMBERS, id="sqrt"),
    pytest.param(make_pipeline(OrdinalEncoder(), LogisticRegression(max_iter=300)), ["island", "member"], id="ordinal"),
]


@pytest.mark.parametrize(("model", "names"), MODELS)
def test_what_the_contract_allows_the_model_answers(model: Any, names: list[str]) -> None:
    fitted = Fitted(model.fit(FRAME[names], TARGET), FRAME[names])
    learnt = fitted.learn()
    assert fitted.calls <= budget(len(learnt.contract.inputs))
    rows = mixed_rows(learnt.contract.inputs)
    columns = {field.name: [row[field.name] for row in rows] for field in learnt.contract.inputs}
    with np.errstate(all="ignore"):
        assert len(fitted.answers(columns, len(rows))) == len(rows)
