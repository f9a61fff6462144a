"""statsmodels: models, links and transforms as data answer as `results.predict`; what is code is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st

import pipelines
from cloche.contract.model import Output
from cloche.errors import ArtifactError, SaveRefusedError, UsageError
from cloche.flavors import flavor_of
from cloche.flavors.statsmodels import StatsmodelsFlavor
from cloche.flavors.statsmodels.design import parse

pytestmark = pytest.mark.filterwarnings("ignore")
FLAVOR = StatsmodelsFlavor()
F, L = sm.families, sm.families.links
POWER = 2.0  # a formula may name a number


def table(rows: int = 240, seed: int = 0) -> pd.DataFrame:
    """Numbers, categories of every kind, and targets of every kind."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.uniform(1.0, 6.0, rows), "z": rng.gamma(2.0, 1.0, rows) + 0.1})
    frame["g"] = rng.choice(["a", "b", "c"], rows)
    frame["k"] = rng.choice([1, 2, 3], rows)
    frame["t"] = rng.choice([True, False], rows)
    frame["c"] = pd.Categorical(rng.choice(["lo", "mid", "hi"], rows), ["lo", "mid", "hi"], ordered=True)
    frame["two words"] = rng.normal(size=rows)
    return frame


@cache
def training() -> pd.DataFrame:
    """The table with targets."""
    frame, rng = table(), np.random.default_rng(1)
    y = frame["x"] + 0.3 * frame["z"] + (frame["g"] == "a") + rng.normal(0.0, 0.4, len(frame))
    frame = frame.assign(y=y, positive=y.abs() + 0.1, success=(y > y.median()).astype(int))
    frame["word"] = np.where(frame["success"] == 1, "yes", "no")
    frame["count"] = rng.poisson(np.exp(0.2 * frame["x"]))
    noise = np.exp(rng.normal(0.0, 0.01, len(frame)))
    return frame.assign(inverse=noise / np.sqrt(1 + frame["x"]), exposure=rng.uniform(1.0, 2.0, len(frame)))


def glm(formula: str, family: Any) -> Callable[[], Any]:
    return lambda: smf.glm(formula, training(), family=family).fit()


def ols(formula: str) -> Callable[[], Any]:
    return lambda: smf.ols(formula, training()).fit()


CONSTANT = "add_constant"
MODELS: dict[str, Callable[[], Any]] = {
    "terms": ols("y ~ x*g + C(k) + c + t + C(g, Treatment('b')):z + Q('two words')"),
    "no-intercept": ols("y ~ g:c + C(k, Sum)*g - 1"),
    "contrasts": ols("y ~ C(k, Poly):x + C(c, Helmert) + C(g, Diff)"),
    "functions": ols("y ~ np.log(z) + I(x**2) + np.exp(-x) + np.sqrt(z) + I(x**POWER)"),
    "arithmetic": ols("y ~ I(x/z) + I(1/z) + I((x-1)*(z+2)) + I(2*x - z/3) + np.maximum(x, z)"),
    "comparisons": ols("y ~ I(x > 3) + I(g == 'a') + np.where(x > 3, x, 0) + I((x > 2) & (z < 2))"),
    "memorised": ols("y ~ center(x) + standardize(z, ddof=1) + scale(np.log(x), center=False)"),
    "splines": ols("y ~ bs(x, df=4) + cr(z, df=3)"),
    "splines-of-kinds": ols("y ~ bs(x, knots=[2, 4], degree=2, include_intercept=True) + cc(z, df=3) - 1"),
    "splines-constrained": ols("y ~ cr(x, df=4, constraints='center')"),
    "wls": lambda: smf.wls("y ~ x + g", training(), weights=training()["z"]).fit(),
    "gls": lambda: smf.gls("y ~ x + g", training()).fit(),
    "rlm": lambda: smf.rlm("y ~ x", training()).fit(),
    "quantreg": lambda: smf.quantreg("y ~ x + g", training()).fit(q=0.3),
    "regularised": lambda: smf.ols("y ~ x + g", training()).fit_regularized(alpha=0.01),
    "logit": lambda: smf.logit("success ~ x + g", training()).fit(disp=False),
    "probit": lambda: smf.probit("success ~ x + g", training()).fit(disp=False),
    "mnlogit": lambda: smf.mnlogit("k ~ x + g", training()).fit(disp=False),
    "poisson": lambda: smf.poisson("count ~ x + g", training()).fit(disp=False),
    "negative-binomial": lambda: smf.negativebinomial("count ~ x", training()).fit(disp=False),
    "glm-text-target": glm("word ~ x + g", F.Binomial()),
    "glm-cloglog": glm("success ~ x + g", F.Binomial(L.CLogLog())),
    "glm-loglog": glm("success ~ x + g", F.Binomial(L.LogLog())),
    "glm-probit": glm("success ~ x", F.Binomial(L.Probit())),
    "glm-cauchy": glm("success ~ x", F.Binomial(L.Cauchy())),
    "glm-gamma": glm("positive ~ x", F.Gamma()),
    "glm-gamma-log": glm("positive ~ x + g", F.Gamma(L.Log())),
    "glm-inverse-gaussian": glm("inverse ~ x", F.InverseGaussian()),
    "glm-poisson-sqrt": glm("count ~ x", F.Poisson(L.Sqrt())),
    "glm-poisson-identity": glm("count ~ x", F.Poisson(L.Identity())),
    "glm-tweedie": glm("positive ~ x", F.Tweedie(L.Power(0.3))),
    "glm-negative-binomial": glm("count ~ x", F.NegativeBinomial()),
}
#: Those without a twin, and why.
NATIVE = {
    "comparisons": "I(x > 3)",
    "arithmetic": "maximum",
    "splines": "bs",
    "splines-of-kinds": "bs",
    "splines-constrained": "cr",
    "probit": "normal",
    "glm-probit": "normal",
    "glm-cauchy": "cauchy",
    "glm-tweedie": "power link 0.3",
}


@cache
def fitted(name: str) -> Any:
    return MODELS[name]()


def shares(fit: Any, frame: Any) -> np.ndarray[Any, Any]:
    """What the flavor answers, in the form of `results.predict`."""
    facts = FLAVOR.facts(fit)
    output = Output(task=facts.task, type="number", classes=facts.classes, probabilities=facts.probabilities)  # type: ignore[arg-type]
    answer = FLAVOR.predict(fit, frame, output)
    if answer.probabilities is None:
        return np.array(answer.prediction)
    found = np.array(answer.probabilities)
    return found[:, 1] if found.shape[1] == 2 else found


@pytest.mark.parametrize("name", sorted(MODELS))
def test_as_data_it_answers_as_results_predict(name: str) -> None:
    results = fitted(name)
    assert flavor_of(results).name == "statsmodels"
    fit = parse(FLAVOR.bundle(results, {}, table()).to_json())
    fresh = table(60, seed=9)
    inside = training()[["x", "z"]].agg(["min", "max"])
    fresh[["x", "z"]] = fresh[["x", "z"]].clip(inside.loc["min"], inside.loc["max"], axis=1)  # patsy's bs ends there
    expected = results.predict(fresh).to_numpy()
    np.testing.assert_allclose(shares(fit, fresh), expected, rtol=1e-9, atol=1e-9)
    if name in ("splines", "splines-constrained"):
        return
    alone = np.concatenate([np.atleast_1d(shares(fit, fresh.iloc[[row]])) for row in range(3)])
    np.testing.assert_allclose(alone.reshape(expected[:3].shape), expected[:3], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_the_twin_answers_the_same_or_says_why_there_is_none(name: str) -> None:
    fit = FLAVOR.bundle(fitted(name), {}, table())
    result = pipelines.compare(pipelines.Case(fit, table(60), table(60, seed=9), name), "statsmodels")
    assert result.found == []
    assert (result.verdict == "twin") is (name not in NATIVE), result.reason
    assert NATIVE.get(name, "") in result.reason


ARRAYS: dict[str, Callable[[pd.DataFrame], tuple[Any, Any]]] = {
    "frame-with-constant": lambda x: (sm.OLS(training()["y"], sm.add_constant(x)), x),
    "array-with-constant": lambda x: (sm.OLS(training()["y"].to_numpy(), sm.add_constant(x.to_numpy())), x.to_numpy()),
    "array-constant-given": lambda x: (
        sm.OLS(training()["y"].to_numpy(), sm.add_constant(x.to_numpy())),
        sm.add_constant(x.to_numpy()),
    ),
    "array-without-constant": lambda x: (sm.OLS(training()["y"].to_numpy(), x.to_numpy()), x.to_numpy()),
    "many-classes": lambda x: (sm.MNLogit(training()["g"], sm.add_constant(x)), x),
}


@pytest.mark.parametrize("name", sorted(ARRAYS))
def test_a_model_of_columns_needs_no_constant_of_its_caller(name: str) -> None:
    model, inputs = ARRAYS[name](training()[["x", "z"]])
    results = model.fit(disp=False) if name == "many-classes" else model.fit()
    fit = parse(FLAVOR.bundle(results, {}, inputs).to_json())
    facts = FLAVOR.facts(fit)
    assert facts.names == (("x", "z") if name in ("frame-with-constant", "many-classes") else None)
    assert facts.n_inputs == (3 if name == "array-constant-given" else 2)
    assert facts.classes == (("a", "b", "c") if name == "many-classes" else None)
    np.testing.assert_allclose(shares(fit, inputs), np.asarray(results.predict()), rtol=1e-9, atol=1e-9)


def test_remove_data_leaves_enough() -> None:
    results = smf.logit("success ~ x + g", training()).fit(disp=False)
    expected = results.predict(table(20, seed=3)).to_numpy()
    results.remove_data()
    fit = FLAVOR.bundle(results, {}, table())
    np.testing.assert_allclose(shares(fit, table(20, seed=3)), expected, rtol=1e-9)


def test_no_training_row_is_stored() -> None:
    fit = FLAVOR.bundle(fitted("terms"), {}, table())
    numbers = set(np.concatenate([training()["x"], training()["z"], training()["y"]]).tolist())
    assert not numbers & set(_numbers(json.loads(fit.to_json())))
    assert FLAVOR.facts(fit).training_rows_inside is None


def _numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for one in value for number in _numbers(one)]
    return [value] if isinstance(value, float) else []


def test_facts_tell_levels_and_classes() -> None:
    facts = FLAVOR.facts(FLAVOR.bundle(fitted("terms"), {}, table()))
    assert facts.inputs["g"].levels == ("a", "b", "c")
    assert facts.inputs["g"].unknown_level == "reject"
    assert facts.inputs["t"].levels is None, "a boolean needs no levels"
    assert facts.hyperparameters["formula"].startswith("y ~ x*g")
    assert FLAVOR.facts(FLAVOR.bundle(fitted("glm-text-target"), {}, table())).classes == ("yes", "no")
    assert FLAVOR.facts(FLAVOR.bundle(fitted("mnlogit"), {}, table())).classes == (1, 2, 3)


# -- offset and exposure --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["offset", "exposure"])
def test_an_offset_is_a_column_that_its_owner_names(name: str) -> None:
    frame = training()
    results = smf.glm("count ~ x", frame, family=F.Poisson(), **{name: frame["exposure"]}).fit()
    with pytest.raises(SaveRefusedError, match=f"pass {name}='its column'"):
        FLAVOR.bundle(results, {}, frame)
    fit = FLAVOR.bundle(results, {name: "exposure"}, frame)
    assert FLAVOR.facts(fit).names == ("x", "exposure")
    expected = results.predict(frame, **{name: frame["exposure"]}).to_numpy()
    np.testing.assert_allclose(shares(fit, frame), expected, rtol=1e-9)
    case = pipelines.Case(fit, frame[["x", "exposure"]], frame[["x", "exposure"]], name)
    assert pipelines.compare(case, "statsmodels").verdict == "twin"


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(UsageError, match="weights: expected an option of a statsmodels model: offset, exposure"):
        FLAVOR.bundle(fitted("logit"), {"weights": "z"}, None)


# -- refusals at save -----------------------------------------------------------------------------


def own(values: Any) -> Any:
    return values * 2


def mixed() -> Any:
    return smf.mixedlm("y ~ x", training(), groups=training()["g"]).fit()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        pytest.param(ols("y ~ own(x)"), r"own\(x\) computes 'own', which is code", id="own-function"),
        pytest.param(ols("y ~ x.abs()"), "computes 'x.abs'", id="method"),
        pytest.param(ols("y ~ np.round(x, 1)"), "computes 'np.round'", id="function-of-numpy-not-listed"),
        pytest.param(ols("y ~ te(cr(x, df=3), cr(z, df=3))"), "TE", id="tensor-product"),
        pytest.param(ols("y ~ np.clip(x, a_min=1, a_max=2)"), "np.clip", id="keywords"),
        pytest.param(ols("y ~ np.column_stack([x, z])"), "column_stack", id="several-columns"),
        pytest.param(ols("y ~ 1"), "reads no column", id="intercept-alone"),
        pytest.param(mixed, "MixedLM has no form as data", id="another-model"),
        pytest.param(lambda: smf.ols("y ~ x", training()), "not fitted", id="not-fitted"),
    ],
)
def test_what_has_no_form_as_data_is_refused(make: Callable[[], Any], says: str) -> None:
    with pytest.raises(SaveRefusedError, match=says):
        FLAVOR.bundle(make(), {}, table())


def test_an_array_from_outside_is_no_column() -> None:
    outside = training()["x"].to_numpy()
    results = smf.ols("y ~ outside", {"y": training()["y"], "outside": outside}).fit()
    results.model.data.frame = training()
    with pytest.raises(SaveRefusedError, match="'outside', which is no column of its table"):
        FLAVOR.bundle(results, {}, table())


# -- answers that there are none ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param({"x": np.nan}, "x: missing", id="missing-number"),
        pytest.param({"g": None}, "g: missing, or none of the levels", id="missing-level"),
        pytest.param({"g": "d"}, "g: missing, or none of the levels", id="unknown-level"),
        pytest.param({"x": np.inf}, "not a finite number", id="infinite"),
    ],
)
def test_a_row_without_an_answer_is_refused(change: dict[str, Any], says: str) -> None:
    fit = FLAVOR.bundle(fitted("terms"), {}, table())
    rows = table(3, seed=5).astype({"g": object}).assign(**change)
    with pytest.raises(ValueError, match=says):
        shares(fit, rows)


def test_beyond_its_knots_a_b_spline_has_no_answer() -> None:
    fit = FLAVOR.bundle(fitted("splines"), {}, table())
    with pytest.raises(ValueError, match="where the spline ends"):
        shares(fit, table(3, seed=5).assign(x=100.0))


# -- attacks ------------------------------------------------------------------------------------


def document(name: str = "terms") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FLAVOR.bundle(fitted(name), {}, table()).to_json())
    return found


def changed(path: list[Any], value: Any, name: str = "terms") -> dict[str, Any]:
    found = document(name)
    place: Any = found
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return found


def deep() -> dict[str, Any]:
    inner: Any = {"is": "column", "name": "x"}
    for _ in range(200):
        inner = {"is": "call", "function": "negative", "of": [inner]}
    return changed(["factors", 0, "expression"], inner)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        pytest.param(changed(["schema"], "cloche-statsmodels/9"), "schema", id="another-format"),
        pytest.param(changed(["link"], "os.system"), "link", id="unknown-link"),
        pytest.param(changed(["params"], [[1.0]]), "parameters for", id="too-few-parameters"),
        pytest.param(changed(["params", 0], [1.0, 2.0]), "lengths", id="ragged-parameters"),
        pytest.param(changed(["terms", 1, "factors"], [99]), "factor 99", id="factor-outside"),
        pytest.param(changed(["terms", 1, "factors"], [-1]), "factor -1", id="factor-below-zero"),
        pytest.param(changed(["terms", 1, "contrasts"], []), "contrasts", id="no-contrasts"),
        pytest.param(changed(["n_inputs"], "two"), "n_inputs", id="wrong-type"),
        pytest.param(changed(["names"], ["x"]), "not among the inputs", id="column-outside"),
        pytest.param(changed(["classes"], ["a", "b", "c"]), "classes", id="classes-without-parameters"),
        pytest.param(
            changed(["factors", 0, "expression"], {"is": "call", "function": "eval", "of": []}), "eval", id="function"
        ),
        pytest.param(changed(["factors", 0, "expression"], {"is": "lambda"}), "lambda", id="unknown-part"),
        pytest.param(changed(["extra"], 1), "extra", id="unknown-key"),
        pytest.param(
            changed(["factors", 0, "expression", "knots"], [3.0, 1.0], "splines"), "spline|knots", id="few-knots"
        ),
        pytest.param(deep(), "nested deeper", id="nested-too-deep"),
    ],
)
def test_a_document_that_does_not_fit_is_refused(raw: dict[str, Any], says: str) -> None:
    with pytest.raises(ArtifactError, match=says):
        parse(json.dumps(raw).encode())


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_one_value_is_changed_to_it_opens_or_is_refused(data: st.DataObject) -> None:
    found = document("splines")
    places = list(_places(found))
    path = data.draw(st.sampled_from(places))
    place: Any = found
    for key in path[:-1]:
        place = place[key]
    values = st.one_of(
        st.none(), st.integers(-3, 3), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=3)
    )
    place[path[-1]] = data.draw(values)
    try:
        fit = parse(json.dumps(found).encode())
        shares(fit, table(5, seed=4))
    except (ArtifactError, ValueError, KeyError):
        return


def _places(value: Any, path: tuple[Any, ...] = ()) -> Any:
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield (*path, key)
            yield from _places(value[key], (*path, key))
