"""Functions as models: what they take and answer, what cannot be imported, who allows them, what has changed."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from cloche.contract.infer import output_of
from cloche.errors import SaveRefusedError, TamperedModelError, UntrustedTypeError, UsageError, WrongFormatError
from cloche.flavors import flavor_of
from cloche.flavors.function import FunctionFlavor
from cloche.records import Outputs
from cloche.saving.material import gather
from cloche.saving.request import SaveRequest
from cloche.tables import to_frame
from cloche.trust import DEFAULT, TrustPolicy
from flavor_fixtures import ACME, table

FLAVOR = FunctionFlavor()


@pytest.fixture(autouse=True, scope="module")
def acme() -> Iterator[Any]:
    """The package of the tests can be imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ACME))
        yield importlib.import_module("acme.pricing")


def answers(name: str, inputs: Any, count: int = 3, **options: Any) -> tuple[Any, Outputs]:
    """The facts of the function *name* saved with *inputs*, and what it answers for the first rows as a server asks."""
    model = FLAVOR.bundle(f"acme.pricing:{name}", options, inputs)
    trust = TrustPolicy(allowed_functions=frozenset({f"acme.pricing.{name}"}))
    written = FLAVOR.dump(model, Path(), trust=trust)
    again = FLAVOR.load(Path(), written, trust)
    facts = FLAVOR.facts(model)
    material = gather(SaveRequest(inputs=inputs), facts)
    columns = {one.name: one.to_list()[:count] for one in material.table}
    return facts, FLAVOR.predict(again, to_frame(columns, material.frame, count), output_of(facts, None))


AGES = table()["age"][:3].tolist()


@pytest.mark.parametrize(
    ("name", "task", "first"),
    [
        pytest.param("doubled", "regression", [2.0 * AGES[0]], id="frame-to-series"),
        pytest.param(
            "band", "multioutput_regression", [{"low": 0.9 * AGES[0], "high": 1.1 * AGES[0]}], id="frame-to-frame"
        ),
        pytest.param("group", "classification", ["old" if AGES[0] > 40 else "young"], id="labels"),
        pytest.param(
            "records",
            "multioutput_classification",
            [{"size": "big" if AGES[0] > 40 else "small", "kind": "person"}],
            id="list-of-dicts",
        ),
        pytest.param("risk", "classification", ["old" if AGES[0] > 40 else "young"], id="probabilities"),
    ],
)
def test_what_it_answers_tells_the_task(name: str, task: str, first: list[Any]) -> None:
    facts, outputs = answers(name, table())
    assert facts.task == task
    assert outputs.prediction[:1] == first
    assert len(outputs) == 3


def test_probabilities_stand_in_the_order_of_the_classes() -> None:
    facts, outputs = answers("risk", table())
    assert facts.classes == ("young", "old")
    assert outputs.probabilities is not None
    for label, (young, old) in zip(outputs.prediction, outputs.probabilities, strict=True):
        assert young + old == pytest.approx(1.0)
        assert label == ("old" if old > 0.5 else "young")


@pytest.mark.parametrize(
    ("name", "options", "takes"),
    [
        pytest.param("quote", {}, "columns", id="annotated-mapping"),
        pytest.param("records", {}, "columns", id="annotated-dict"),
        pytest.param("doubled", {}, "pandas", id="annotated-frame"),
        pytest.param("group", {}, "pandas", id="as-the-table-is"),
        pytest.param("quote", {"takes": "columns"}, "columns", id="said"),
    ],
)
def test_it_is_shown_the_table_it_takes(name: str, options: dict[str, Any], takes: str) -> None:
    assert FLAVOR.bundle(f"acme.pricing:{name}", options, table()).takes == takes


def test_a_polars_frame_is_shown_where_it_was_saved_with_one() -> None:
    facts, outputs = answers("group", pl.from_pandas(table()))
    assert facts.hyperparameters["takes"] == "polars"
    assert set(outputs.prediction) <= {"old", "young"}


def test_lists_and_files_are_shown_as_columns(tmp_path: Path) -> None:
    rows = table().to_dict("records")
    assert FLAVOR.bundle("acme.pricing:quote", {}, rows).takes == "columns"
    table().to_csv(tmp_path / "t.csv", index=False)
    assert FLAVOR.bundle("acme.pricing:quote", {}, tmp_path / "t.csv").takes == "columns"


def test_the_function_itself_is_its_name(acme: Any) -> None:
    assert flavor_of(acme.quote).name == flavor_of("acme.pricing:quote").name == "function"
    assert str(FLAVOR.bundle(acme.quote, {}, table()).named) == "acme.pricing:quote"


# -- refusals at save -----------------------------------------------------------------------------


def mine(rows: pd.DataFrame) -> pd.Series:
    return rows["age"]


def in_a_notebook() -> Any:
    space: dict[str, Any] = {"__name__": "__main__"}
    exec("def quote(rows): return rows['age']", space)
    return space["quote"]


@pytest.mark.parametrize(
    ("model", "says"),
    [
        pytest.param(lambda acme: lambda rows: rows["age"], "a lambda cannot be imported", id="lambda"),
        pytest.param(lambda acme: in_a_notebook(), "defined in __main__", id="main"),
        pytest.param(lambda acme: acme.outer(), "a closure", id="closure"),
        pytest.param(lambda acme: acme.Model.predict, "belongs to a class", id="method"),
        pytest.param(lambda acme: "acme.pricing:nothing", "cannot be imported", id="no-such-function"),
        pytest.param(
            lambda acme: "nowhere.at_all:f", "cannot be imported: No module named 'nowhere'", id="no-such-module"
        ),
        pytest.param(lambda acme: "acme.pricing:_CITIES", "expected a function, got dict", id="no-function"),
        pytest.param(lambda acme: "model.pkl", "expected a fitted model, or a function as", id="a-path"),
        pytest.param(lambda acme: "acme.pricing:two", "expected a function of one argument", id="two-arguments"),
        pytest.param(lambda acme: "acme.pricing:mixed", "answers labels and numbers", id="mixed-answers"),
        pytest.param(lambda acme: "acme.pricing:short", "answers 119 values for 120 rows", id="too-few-answers"),
    ],
)
def test_what_cannot_be_a_model_is_refused_with_the_recipe(model: Any, says: str, acme: Any) -> None:
    with pytest.raises(SaveRefusedError, match=says):
        FLAVOR.bundle(model(acme), {}, table())


def test_it_needs_a_table() -> None:
    with pytest.raises(SaveRefusedError, match="does not tell its fields; pass a table"):
        FLAVOR.bundle("acme.pricing:quote", {}, None)


def test_a_frame_of_another_library_is_refused() -> None:
    with pytest.raises(SaveRefusedError, match="takes a pandas DataFrame; pass the table as one"):
        FLAVOR.bundle("acme.pricing:doubled", {}, pl.from_pandas(table()))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        pytest.param({"takes": "arrow"}, "takes: expected one of pandas, polars, columns", id="kind"),
        pytest.param({"take": "pandas"}, "take: expected an option of a function: takes", id="name"),
    ],
)
def test_options_are_checked(options: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        FLAVOR.bundle("acme.pricing:quote", options, table())


# -- trust --------------------------------------------------------------------------------------


def test_nobody_runs_what_the_operator_has_not_allowed() -> None:
    with pytest.raises(SaveRefusedError, match=r'trust.allowed_functions = \["acme.pricing.quote"\]'):
        FLAVOR.dump(FLAVOR.bundle("acme.pricing:quote", {}, table()), Path())
    with pytest.raises(UntrustedTypeError, match="was not imported"):
        FLAVOR.load(Path(), {"function": "os:system", "takes": "columns"}, DEFAULT)


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        pytest.param({}, WrongFormatError, "the name of a function", id="nothing"),
        pytest.param({"function": 3}, WrongFormatError, "the name of a function", id="a-number"),
        pytest.param({"function": "a b"}, WrongFormatError, "package.module:function", id="no-name"),
        pytest.param({"function": "acme.pricing:quote", "takes": "x"}, WrongFormatError, "takes", id="takes"),
        pytest.param({"function": "acme.pricing:gone", "takes": "columns"}, TamperedModelError, "gone", id="gone"),
    ],
)
def test_options_of_a_manifest_are_checked(options: dict[str, Any], error: type[Exception], says: str) -> None:
    trust = TrustPolicy(allowed_functions=frozenset({"acme.pricing.gone", "acme.pricing.quote"}))
    with pytest.raises(error, match=says):
        FLAVOR.load(Path(), options, trust)


# -- changes ------------------------------------------------------------------------------------


def test_another_source_or_version_is_told() -> None:
    trust = TrustPolicy(allowed_functions=frozenset({"acme.pricing.quote"}))
    options = FLAVOR.dump(FLAVOR.bundle("acme.pricing:quote", {}, table()), Path(), trust=trust)
    assert options["version"] == "1.2.0"
    assert len(options["source_sha256"]) == 64
    assert FLAVOR.changes(options) == ()
    assert FLAVOR.changes({**options, "version": "1.1.0"}) == ("acme.pricing: version 1.1.0 when saved, 1.2.0 here",)
    told = FLAVOR.changes({**options, "source_sha256": "0" * 64})
    assert told[0].startswith("acme.pricing: source 000000000000 when saved, ")
    assert FLAVOR.changes({"function": "nowhere:f"}) == ("nowhere is not installed here",)


def test_answers_of_another_shape_than_when_it_was_saved_are_an_error() -> None:
    facts, _ = answers("group", table())
    trust = TrustPolicy(allowed_functions=frozenset({"acme.pricing.band"}))
    other = FLAVOR.load(Path(), {"function": "acme.pricing:band", "takes": "pandas"}, trust)
    with pytest.raises(ValueError, match="was saved with one answer a row"):
        FLAVOR.predict(other, table(3), output_of(facts, None))


def test_numpy_scalars_become_plain() -> None:
    _, outputs = answers("group", table())
    assert all(type(one) is str for one in outputs.prediction)
    assert np.isscalar(outputs.prediction[0])
