"""
Random pipelines over random tables, by seed: what people build, and what hides rounding, missing values and ties.

`case(seed)` gives a fitted model, its table and fresh rows of the same kind; `compare(case)` lowers it, runs the guard
and then compares twin and model on the fresh rows. Used by a test (a few) and by `bench/parity.py` (thousands).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from sklearn import linear_model as lm
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import BernoulliNB, GaussianNB
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from cloche import tables
from cloche.contract.compiled import compile_contract
from cloche.contract.infer import infer, output_of
from cloche.engines import differences, guard
from cloche.engines.twin import TwinEngine
from cloche.errors import InvalidInputError, NotLoweredError
from cloche.flavors import get_flavor
from cloche.graph import weights as files
from cloche.manifest import Tolerance
from cloche.records import Outputs
from cloche.saving.material import gather
from cloche.saving.request import SaveRequest

Rng = np.random.Generator
_WORDS = "cold warm mild dry wet windy sunny Rain snow Fog hail storm calm bright dark grey".split()


# -- tables -------------------------------------------------------------------------------------

_NUMBERS: dict[str, Callable[[Rng, int], Any]] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "rounded": lambda rng, n: rng.normal(size=n).round(1),
    "whole": lambda rng, n: rng.integers(0, 100, n).astype(float),
    "integer": lambda rng, n: rng.integers(0, 12, n),
    "positive": lambda rng, n: rng.lognormal(2, 1, n),
    "seconds": lambda rng, n: 1.6e9 + rng.integers(0, 10_000_000, n).astype(float),
    "ids": lambda rng, n: rng.integers(0, 2**31, n).astype(float),
    "degrees": lambda rng, n: 48.1 + rng.normal(size=n) / 1000,
    "tiny": lambda rng, n: rng.normal(size=n) * 1e-8,
    "few": lambda rng, n: rng.choice([0.0, 0.5, 1.0], n),
}


def _number(rng: Rng, kind: str, n: int, gaps: bool) -> Any:
    values = _NUMBERS[kind](rng, n)
    if gaps:
        values = np.asarray(values, dtype=float).copy()
        values[rng.random(n) < 0.1] = np.nan
    return values


def _category(rng: Rng, levels: list[Any], n: int, gaps: bool) -> Any:
    shares = rng.dirichlet(np.ones(len(levels)))
    values = np.array(levels, dtype=object)[rng.choice(len(levels), n, p=shares)]
    if gaps:
        values[rng.random(n) < 0.1] = None
    return values


@dataclass
class Case:
    """A fitted model, the table it was fitted on, fresh rows, and how it was made."""

    model: Any
    table: pd.DataFrame
    fresh: pd.DataFrame
    what: str


@dataclass
class Plan:
    """The columns of a table, by what they hold."""

    numbers: dict[str, str] = field(default_factory=dict)
    categories: dict[str, list[Any]] = field(default_factory=dict)
    text: bool = False
    gaps: bool = False
    dtype: str = "str"  # of the categories

    def draw(self, rng: Rng, n: int) -> pd.DataFrame:
        columns = {name: _number(rng, kind, n, self.gaps and kind != "integer") for name, kind in self.numbers.items()}
        columns |= {name: _category(rng, levels, n, self.gaps) for name, levels in self.categories.items()}
        if self.text:
            columns["words"] = [" ".join(rng.choice(_WORDS, rng.integers(1, 7))) for _ in range(n)]
        table = pd.DataFrame(columns).astype(dict.fromkeys(self.categories, self.dtype))
        if self.dtype == "object":
            table = table.astype(object).where(table.notna(), None).astype(table.dtypes.to_dict())
        return table


def _plan(rng: Rng) -> Plan:
    kinds = list(_NUMBERS)
    numbers = {f"n{i}": str(rng.choice(kinds)) for i in range(rng.integers(1, 6))}
    pool = ["a", "b", "c", "d", "e", "ä", "", "long name"]
    categories = {f"c{i}": pool[: rng.integers(2, len(pool) + 1)] for i in range(rng.integers(0, 4))}
    return Plan(
        numbers,
        categories,
        bool(rng.random() < 0.15),
        bool(rng.random() < 0.5),
        str(rng.choice(["str", "object", "category"])),
    )


# -- steps --------------------------------------------------------------------------------------


def _pick(rng: Rng, *options: Callable[[], Any]) -> Any:
    return options[rng.integers(len(options))]()


def _scalers(rng: Rng, rows: int) -> list[Callable[[], Any]]:
    return [
        StandardScaler,
        StandardScaler,
        MinMaxScaler,
        lambda: MinMaxScaler(clip=True),
        MaxAbsScaler,
        RobustScaler,
        Normalizer,
        PowerTransformer,
        lambda: PowerTransformer(standardize=False),
        lambda: QuantileTransformer(n_quantiles=min(20, rows)),
        lambda: QuantileTransformer(n_quantiles=min(20, rows), output_distribution="normal"),
        lambda: PolynomialFeatures(degree=2, include_bias=bool(rng.random() < 0.5)),
        lambda: PolynomialFeatures(degree=3, interaction_only=True),
        lambda: KBinsDiscretizer(n_bins=4, encode="ordinal", quantile_method="averaged_inverted_cdf"),
        lambda: KBinsDiscretizer(n_bins=3, encode="onehot-dense", quantile_method="averaged_inverted_cdf"),
        lambda: FunctionTransformer(np.abs),
        lambda: FunctionTransformer(np.arctan if rng.random() < 0.1 else np.tanh),
        lambda: PCA(n_components=1),
        VarianceThreshold,
        lambda: FeatureUnion([("a", StandardScaler()), ("b", MinMaxScaler())]),
    ]


def _numeric_steps(rng: Rng, plan: Plan, rows: int) -> Any:
    steps: list[Any] = []
    if plan.gaps:
        strategy = str(rng.choice(["mean", "median", "most_frequent", "constant"]))
        steps.append(SimpleImputer(strategy=strategy, add_indicator=bool(rng.random() < 0.3)))
    steps += [_pick(rng, *_scalers(rng, rows)) for _ in range(rng.integers(0, 3))]
    return make_pipeline(*steps) if steps else "passthrough"


def _category_steps(rng: Rng, plan: Plan) -> Any:
    steps: list[Any] = []
    if plan.gaps and rng.random() < 0.6:
        gap = None if plan.dtype == "object" else np.nan
        steps.append(
            _pick(
                rng,
                lambda: SimpleImputer(strategy="most_frequent", missing_values=gap),
                lambda: SimpleImputer(strategy="constant", fill_value="gap", missing_values=gap),
            )
        )
    steps.append(
        _pick(
            rng,
            lambda: OneHotEncoder(handle_unknown="ignore"),
            lambda: OneHotEncoder(handle_unknown="ignore", sparse_output=False),
            lambda: OneHotEncoder(drop="first", handle_unknown="ignore"),
            lambda: OneHotEncoder(drop="if_binary"),
            lambda: OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=0.1),
            lambda: OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=3, drop="first"),
            lambda: OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2),
            lambda: TargetEncoder(random_state=0),
        )
    )
    return make_pipeline(*steps)


def _text_step(rng: Rng) -> Any:
    return _pick(
        rng,
        CountVectorizer,
        lambda: CountVectorizer(binary=True, ngram_range=(1, 2)),
        lambda: TfidfVectorizer(sublinear_tf=bool(rng.random() < 0.5), stop_words=["cold"]),
        lambda: TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 3), strip_accents="unicode"),
        lambda: HashingVectorizer(n_features=64),
    )


def _columns(rng: Rng, plan: Plan, rows: int) -> Any:
    parts = [("numbers", _numeric_steps(rng, plan, rows), list(plan.numbers))]
    if plan.categories:
        parts.append(("categories", _category_steps(rng, plan), list(plan.categories)))
    if plan.text:
        parts.append(("words", _text_step(rng), "words"))
    rng.shuffle(parts)
    return ColumnTransformer(parts, remainder="drop", sparse_threshold=float(rng.choice([0.0, 0.3])))


# -- estimators ---------------------------------------------------------------------------------


def _classifiers(rng: Rng) -> list[Callable[[], Any]]:
    few: dict[str, Any] = {"n_estimators": 7, "random_state": 0}
    return [
        lm.LogisticRegression,
        lambda: lm.LogisticRegression(C=0.01),
        lambda: lm.SGDClassifier(loss="log_loss", random_state=0, max_iter=20),
        lambda: lm.SGDClassifier(loss="modified_huber", random_state=0, max_iter=20),
        lm.RidgeClassifier,
        lambda: LinearSVC(max_iter=200),
        lambda: lm.Perceptron(max_iter=20),
        GaussianNB,
        BernoulliNB,
        lambda: MLPClassifier(
            (5,), max_iter=20, activation=str(rng.choice(["relu", "tanh", "logistic"])), random_state=0
        ),
        lambda: DecisionTreeClassifier(max_depth=4, random_state=0),
        lambda: RandomForestClassifier(**few),
        lambda: RandomForestClassifier(n_estimators=4, max_depth=3, random_state=0),
        lambda: ExtraTreesClassifier(**few),
        lambda: GradientBoostingClassifier(**few),
        lambda: HistGradientBoostingClassifier(max_iter=7, min_samples_leaf=5),
        lambda: AdaBoostClassifier(**few),
        lambda: BaggingClassifier(n_estimators=3, random_state=0),
        lambda: CalibratedClassifierCV(lm.LogisticRegression(), cv=2, method=str(rng.choice(["sigmoid", "isotonic"]))),
        lambda: OneVsRestClassifier(lm.LogisticRegression()),
        lambda: VotingClassifier(
            [("a", lm.LogisticRegression()), ("b", GaussianNB())],
            voting=str(rng.choice(["soft", "hard"])),
            weights=[2, 1],
        ),
        lambda: StackingClassifier([("a", lm.LogisticRegression()), ("b", lm.RidgeClassifier())], cv=2),
        lambda: make_pipeline(SelectKBest(k=1), lm.LogisticRegression()),
    ]


def _regressors(rng: Rng) -> list[Callable[[], Any]]:
    few: dict[str, Any] = {"n_estimators": 7, "random_state": 0}
    return [
        lm.LinearRegression,
        lm.Ridge,
        lambda: lm.Lasso(alpha=0.1),
        lambda: lm.ElasticNet(alpha=0.1),
        lm.HuberRegressor,
        lm.BayesianRidge,
        lambda: lm.SGDRegressor(max_iter=20, random_state=0),
        lambda: MLPRegressor((5,), max_iter=20, random_state=0),
        lambda: DecisionTreeRegressor(max_depth=5, random_state=0),
        lambda: RandomForestRegressor(**few),
        lambda: ExtraTreesRegressor(**few),
        lambda: GradientBoostingRegressor(**few),
        lambda: HistGradientBoostingRegressor(max_iter=7, min_samples_leaf=5),
        lambda: AdaBoostRegressor(**few),
        lambda: VotingRegressor([("a", lm.Ridge()), ("b", lm.LinearRegression())]),
        lambda: StackingRegressor([("a", lm.Ridge()), ("b", lm.LinearRegression())], cv=2),
        lambda: TransformedTargetRegressor(lm.Ridge(), func=np.log1p, inverse_func=np.expm1),
        lambda: TransformedTargetRegressor(lm.Ridge(), transformer=StandardScaler()),
        lambda: make_pipeline(TruncatedSVD(1), lm.Ridge()),
        lambda: lm.PoissonRegressor(max_iter=50),
        lambda: lm.TweedieRegressor(power=0, max_iter=50),
    ]


def _others() -> list[Callable[[], Any]]:
    return [lambda: KMeans(3, n_init=1, random_state=0), lambda: IsolationForest(n_estimators=7, random_state=0)]


def _target(rng: Rng, table: pd.DataFrame, task: str) -> Any:
    signal = table.iloc[:, 0].rank(pct=True).fillna(0.5).to_numpy() + 0.3 * rng.random(len(table))
    if task == "regression":
        return signal
    count = int(rng.choice([2, 2, 3]))
    return np.array(["no", "yes", "perhaps"])[np.clip((signal / 1.3 * count).astype(int), 0, count - 1)]


def case(seed: int, rows: int = 90) -> Case | None:
    """The case of *seed*; None where scikit-learn cannot fit what was drawn."""
    rng = np.random.default_rng(seed)
    plan = _plan(rng)
    table = plan.draw(rng, rows)
    task = str(rng.choice(["classification", "classification", "regression", "other"], p=[0.3, 0.2, 0.4, 0.1]))
    options = {"classification": _classifiers(rng), "regression": _regressors(rng), "other": _others()}[task]
    estimator = options[rng.integers(len(options))]()
    model = Pipeline([("columns", _columns(rng, plan, rows)), ("model", estimator)])
    target = None if task == "other" else _target(rng, table, task)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model.fit(table, target)
            model.predict(table)
        except Exception:
            return None
    return Case(model, table, plan.draw(rng, 200), " ".join(repr(model).split()))


# -- the comparison -----------------------------------------------------------------------------


@dataclass
class Result:
    """
    What came of one case: `verdict` is "twin", "native" (a step has no twin), "guard" (the guard found a difference).

    `found` are differences on fresh rows, which the guard had not seen: there must be none.
    """

    verdict: str
    reason: str = ""
    guarded: int = 0
    fresh: int = 0
    found: list[str] = field(default_factory=list)
    worst: float = 0.0


def compare(one: Case, name: str = "sklearn") -> Result:
    """Lower, guard, and compare on fresh rows; the model is asked in this process."""
    flavor = get_flavor(name)
    facts = flavor.facts(one.model)
    material = gather(SaveRequest(inputs=one.table), facts)
    output = output_of(facts, None)

    def native(columns: Any, n: int) -> Outputs:
        return flavor.predict(one.model, tables.to_frame(columns, material.frame, n), output)

    contract = infer(material.table, facts, answers=native).contract
    compiled = compile_contract(contract)
    try:
        lowered = flavor.lower(one.model, material.frame, contract)
    except NotLoweredError as exc:
        return Result("native", str(exc))
    raw = files.to_bytes(lowered.weights.to_dict())
    opened = files.open_graph(lowered.graph.to_json(), raw)
    twin = TwinEngine(opened, contract.output)
    reference = tables.to_wire(material.table, contract)
    rows = [*reference, *guard.boundary_rows(contract, reference, guard.thresholds(opened))]
    guarded, found, worst = _differences(twin, native, compiled, rows)
    if found:
        return Result("guard", found[0], guarded)
    fresh = tables.to_wire(tables.read(one.fresh), contract)
    count, found, worse = _differences(twin, native, compiled, fresh)
    return Result("twin", "", guarded, count, found, max(worst, worse))


def _differences(twin: TwinEngine, native: Any, compiled: Any, rows: list[Any]) -> tuple[int, list[str], float]:
    valid = [row for row in rows if _takes(compiled, row)]
    answered, refused, outputs = _answered(native, compiled, valid)
    for row in refused:
        if not guard.refuses(twin, compiled.validate([row], single=True).columns()):
            return len(answered), [f"the model refuses a row that the twin answers: {row}"], 0.0
    if not answered:
        return 0, [], 0.0
    columns = compiled.validate(answered, single=False).columns()
    found, worst = guard.mismatches(twin, columns, outputs, Tolerance())
    return len(answered), found, worst


def _takes(compiled: Any, row: Any) -> bool:
    try:
        compiled.validate([row], single=True)
    except InvalidInputError:
        return False
    return True


def _answered(native: Any, compiled: Any, rows: list[Any]) -> tuple[list[Any], list[Any], Outputs]:
    """Rows with the model's answers, and rows it refuses; halves where it raises."""
    if not rows:
        return [], [], Outputs([])
    columns = compiled.validate(rows, single=False).columns()
    try:
        return rows, [], native(columns, len(rows))
    except Exception:
        if len(rows) == 1:
            return [], rows, Outputs([])
    half = len(rows) // 2
    one, other = _answered(native, compiled, rows[:half]), _answered(native, compiled, rows[half:])
    return [*one[0], *other[0]], [*one[1], *other[1]], _joined((one[2], other[2]))


def _joined(parts: Iterable[Outputs]) -> Outputs:
    kept = [part for part in parts if len(part)]
    if not kept:
        return Outputs([])
    return Outputs(
        [answer for part in kept for answer in part.prediction],
        None if kept[0].probabilities is None else [answer for part in kept for answer in part.probabilities or []],
        None if kept[0].score is None else [answer for part in kept for answer in part.score or []],
    )


def same_answers(one: Outputs, other: Outputs) -> bool:
    """Whether both are equal to the last bit."""
    return not differences(one, other, Tolerance(absolute=0.0, relative=0.0))
