"""
Defects planted in good graphs: the guard must catch every one.

A defect leaves the graph valid, so that nothing but the comparison of answers can find it. Those of trees stand in
`tests/tree_defects.py`.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import VotingClassifier
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    KBinsDiscretizer,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    StandardScaler,
    TargetEncoder,
)

from cloche import tables
from cloche.contract.compiled import compile_contract
from cloche.contract.infer import infer, output_of
from cloche.engines import guard
from cloche.engines.twin import TwinEngine
from cloche.flavors import get_flavor
from cloche.graph.weights import open_graph, to_bytes
from cloche.manifest import Tolerance
from cloche.saving.material import gather
from cloche.saving.request import SaveRequest

N = 120
RNG = np.random.default_rng(4)


# -- models -------------------------------------------------------------------------------------


def numbers(gaps=False):
    rng = np.random.default_rng(2)
    table = pd.DataFrame({"a": rng.normal(size=N), "b": rng.normal(size=N) * 5 + 2, "c": rng.lognormal(size=N)})
    if gaps:
        table[rng.random(table.shape) < 0.15] = np.nan
    return table


def categories():
    rng = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "u": rng.choice(["x", "y", "z", "s", "t"], N, p=[0.4, 0.3, 0.2, 0.05, 0.05]),
            "v": rng.choice(np.array(["k", "l", None], dtype=object), N),
        }
    )


def words():
    rng = np.random.default_rng(4)
    pool = ["Cold", "warm", "dry", "été", "a", "fog", "the"]
    return pd.DataFrame({"t": [" ".join(rng.choice(pool, rng.integers(2, 8))) for _ in range(N)]})


def classes(table, count=3):
    rank = np.argsort(np.argsort(table.iloc[:, 0].fillna(0).map(lambda x: hash(x) % 97 if isinstance(x, str) else x)))
    return np.array(["no", "yes", "perhaps"])[(rank * count // N + RNG.integers(0, 2, N)) % count]


def on(column_step, columns, model):
    return make_pipeline(ColumnTransformer([("s", column_step, columns)]), model)


def exact_logistic(table, y):
    """A decision that is exactly the field `a`, so that rows with 0 are ties."""
    model = LogisticRegression().fit(table, y)
    model.coef_, model.intercept_ = np.array([[1.0, 0.0, 0.0]]), np.array([0.0])
    return model


_VOTERS = [("a", LogisticRegression()), ("b", GaussianNB()), ("c", SGDClassifier(random_state=0, loss="log_loss"))]
MODELS = {
    "linear": (
        lambda: make_pipeline(
            SimpleImputer(strategy="median", add_indicator=True), StandardScaler(), LogisticRegression()
        ),
        lambda: numbers(True),
        3,
    ),
    "tie": (lambda: None, numbers, 2),
    "clip": (lambda: make_pipeline(MinMaxScaler(clip=True), LogisticRegression()), numbers, 3),
    "bins": (
        lambda: make_pipeline(KBinsDiscretizer(4, encode="ordinal", strategy="uniform"), LogisticRegression()),
        numbers,
        3,
    ),
    "binary": (lambda: make_pipeline(Binarizer(threshold=0.3), LogisticRegression()), numbers, 2),
    "polynomial": (lambda: make_pipeline(StandardScaler(), PolynomialFeatures(2), LogisticRegression()), numbers, 3),
    "power": (lambda: make_pipeline(PowerTransformer(), LogisticRegression()), numbers, 2),
    "quantile": (lambda: make_pipeline(QuantileTransformer(n_quantiles=20), LogisticRegression()), numbers, 2),
    "norm": (lambda: make_pipeline(Normalizer(), LogisticRegression()), numbers, 2),
    "select": (lambda: make_pipeline(StandardScaler(), SelectKBest(k=2), LogisticRegression()), numbers, 3),
    "onehot": (
        lambda: on(
            OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=0.1), ["u", "v"], LogisticRegression()
        ),
        categories,
        3,
    ),
    "drop": (
        lambda: on(OneHotEncoder(drop="first", handle_unknown="ignore"), ["u", "v"], LogisticRegression()),
        categories,
        3,
    ),
    "ordinal": (
        lambda: on(
            OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2),
            ["u", "v"],
            LogisticRegression(),
        ),
        categories,
        3,
    ),
    "target": (lambda: on(TargetEncoder(random_state=0), ["u", "v"], LogisticRegression()), categories, 2),
    "gaussian": (GaussianNB, numbers, 3),
    "network": (
        lambda: make_pipeline(StandardScaler(), MLPClassifier((6,), activation="tanh", max_iter=60, random_state=0)),
        numbers,
        3,
    ),
    "relu": (lambda: make_pipeline(StandardScaler(), MLPClassifier((6,), max_iter=60, random_state=0)), numbers, 2),
    "votes": (lambda: VotingClassifier(_VOTERS, weights=[1, 2, 3]), numbers, 3),
    "means": (lambda: VotingClassifier(_VOTERS, weights=[1, 2, 3], voting="soft"), numbers, 3),
    "calibrated": (lambda: CalibratedClassifierCV(GaussianNB(), cv=2, method="isotonic"), numbers, 2),
    "sigmoid": (lambda: CalibratedClassifierCV(LogisticRegression(), cv=2), numbers, 3),
    "clusters": (lambda: make_pipeline(StandardScaler(), KMeans(3, n_init=1, random_state=0)), numbers, 0),
    "log": (lambda: TransformedTargetRegressor(Ridge(), func=np.log1p, inverse_func=np.expm1), numbers, 1),
    "tfidf": (
        lambda: on(
            TfidfVectorizer(sublinear_tf=True, stop_words=["the"], ngram_range=(1, 2), strip_accents="unicode"),
            "t",
            LogisticRegression(),
        ),
        words,
        2,
    ),
    "count": (lambda: on(CountVectorizer(binary=True), "t", LogisticRegression()), words, 2),
    "hashed": (lambda: on(HashingVectorizer(n_features=16), "t", LogisticRegression()), words, 2),
}


@dataclass
class Guarded:
    """A good graph as document and arrays, and the rows and answers that the guard compares it with."""

    document: dict[str, Any]
    arrays: dict[str, Any]
    columns: Any
    expected: Any
    output: Any


@cache
def guarded(name):
    make, table, count = MODELS[name]
    table = table()
    y = None if count == 0 else table.iloc[:, 0].rank().to_numpy() if count == 1 else classes(table, count)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = exact_logistic(table, y) if name == "tie" else make().fit(table, y)
    flavor = get_flavor("sklearn")
    facts = flavor.facts(model)
    material = gather(SaveRequest(inputs=table), facts)
    output = output_of(facts, None)

    def native(columns, n):
        return flavor.predict(model, tables.to_frame(columns, material.frame, n), output)

    contract = infer(material.table, facts, answers=native).contract
    lowered = flavor.lower(model, material.frame, contract)
    opened = open_graph(lowered.graph.to_json(), to_bytes(lowered.weights.to_dict()))
    reference = tables.to_wire(material.table, contract)
    rows = [*reference, *guard.boundary_rows(contract, reference, guard.thresholds(opened))]
    compiled = compile_contract(contract)
    kept = [row for row in rows if takes(compiled, row)]
    columns = compiled.validate(kept, single=False).columns()
    return Guarded(
        json.loads(lowered.graph.to_json()), lowered.weights.to_dict(), columns, native(columns, len(kept)), output
    )


def takes(compiled, row):
    try:
        compiled.validate([row], single=True)
    except Exception:
        return False
    return True


def judged(given, document, arrays):
    """What the guard says of a graph."""
    graph = open_graph(json.dumps(document).encode(), to_bytes(arrays))
    return guard.mismatches(TwinEngine(graph, given.output), given.columns, given.expected, Tolerance())[0]


# -- defects ------------------------------------------------------------------------------------


def nodes(document, op):
    return [one for one in document["nodes"] if one["op"] == op]


def sets(op, nth=0, /, **values):
    def plant(document, arrays):
        node = nodes(document, op)[nth]
        node.update(values)
        for name in [name for name, value in values.items() if value is None]:
            del node[name]

    return plant


def drops(op, parameter):
    """A parameter forgotten, and the array that it named."""

    def plant(document, arrays):
        del arrays[nodes(document, op)[0].pop(parameter)]

    return plant


def array(op, parameter, change, nth=0):
    def plant(document, arrays):
        name = nodes(document, op)[nth][parameter]
        name = name[0] if isinstance(name, list) else name
        arrays[name] = np.ascontiguousarray(change(arrays[name].copy()))

    return plant


def levels(change, column=0):
    def plant(document, arrays):
        change(nodes(document, "encode")[0]["columns"][column], arrays)

    return plant


def after(op, node, nth=0):
    """A node put in after another: everything that read that reads the new one."""

    def plant(document, arrays):
        place = document["nodes"].index(nodes(document, op)[nth])
        for one in document["nodes"]:
            one["of"] = [old + (old >= place) for old in one.get("of", [])]
            if not one["of"]:
                del one["of"]
        document["nodes"].insert(place + 1, {**node, "of": [place]})
        for key in ("prediction", "probabilities"):
            document["answers"][key] = [old + (old >= place) for old in document["answers"].get(key, [])]

    return plant


def put(index, value):
    def change(found):
        found[index] = value
        return found

    return change


def swap(found):
    """The first two, changed over."""
    found[[0, 1]] = found[[1, 0]]
    return found


def moved(found):
    """One number, by one unit in the last place."""
    found.flat[1] = np.nextafter(found.flat[1], np.inf)
    return found


def first_code(value):
    return lambda column, arrays: arrays.update({column["values_array"]: put(0, value)(arrays[column["values_array"]])})


def between(found):
    """One quantile, halfway to the one below."""
    return put((9, 0), (found[8, 0] + found[9, 0]) / 2)(found)


def encoding_off(column, arrays):
    arrays[column["values_array"]] += 1e-6


def swapped_levels(column, arrays):
    column["levels"][2], column["levels"][3] = column["levels"][3], column["levels"][2]


DEFECTS = {
    # linear models and what stands before them
    "filler-of-another-column": ("linear", array("fill", "values_array", swap)),
    "filler-a-little-off": ("linear", array("fill", "values_array", lambda a: a * 1.0001)),
    "indicator-inverted": ("linear", after("missing", {"op": "binarize", "threshold": -1.0})),
    "indicator-of-filled-columns": ("linear", sets("missing", of=[1])),
    "no-centering": ("linear", drops("scale", "subtract_array")),
    "no-scaling": ("linear", drops("scale", "divide_array")),
    "scales-swapped": ("linear", array("scale", "divide_array", swap)),
    "scale-a-little-off": ("linear", array("scale", "divide_array", lambda a: a * (1 + 1e-7))),
    "columns-swapped": ("linear", sets("numbers", fields=[1, 0, 2])),
    "column-read-twice": ("linear", sets("numbers", fields=[0, 1, 1])),
    "rounded-to-float32": ("linear", after("numbers", {"op": "function", "name": "float32"})),
    "rounded-after-scaling": ("linear", after("scale", {"op": "function", "name": "float32"})),
    "parts-in-another-order": ("linear", lambda d, a: nodes(d, "concat")[0]["of"].reverse()),
    "sign-of-a-coefficient": ("linear", array("linear", "coef_array", lambda a: put((0, 0), -a[0, 0])(a))),
    "coefficient-a-little-off": ("linear", array("linear", "coef_array", lambda a: put((1, 1), a[1, 1] + 1e-7)(a))),
    "no-intercept": ("linear", array("linear", "intercept_array", lambda a: a * 0)),
    "intercepts-swapped": ("linear", array("linear", "intercept_array", swap)),
    "coefficients-of-another-class": ("linear", array("linear", "coef_array", lambda a: a[:, ::-1])),
    "smallest-for-largest": ("linear", sets("argmax", smallest=True)),
    "shares-of-a-sigmoid": ("linear", sets("softmax", op="function", name="sigmoid")),
    "at-for-above-the-threshold": ("tie", sets("above", equal=True)),
    "threshold-of-one-half": ("tie", sets("above", threshold=0.5)),
    "probabilities-swapped": ("tie", after("function", {"op": "function", "name": "negative"})),
    # scalers, bins, curves
    "no-clip": ("clip", sets("scale", low=None, high=None)),
    "clip-at-one-end": ("clip", sets("scale", low=None)),
    "added-before-multiplied": ("clip", array("scale", "add_array", lambda a: a * 0.5)),
    "edge-one-bit-off": ("bins", array("bin", "edges_arrays", moved)),
    "edge-lost": ("bins", array("bin", "edges_arrays", lambda a: a[:-1])),
    "edges-of-another-column": ("bins", lambda d, a: nodes(d, "bin")[0]["edges_arrays"].reverse()),
    "threshold-of-a-binarizer": ("binary", sets("binarize", threshold=0.30000001)),
    "another-product": ("polynomial", array("polynomial", "pairs_array", put((0, 1), 1))),
    "products-swapped": ("polynomial", array("polynomial", "columns_array", lambda a: swap(a[::-1])[::-1])),
    "bias-for-a-column": ("polynomial", array("polynomial", "columns_array", put(1, -1))),
    "lambda-a-little-off": ("power", array("power", "lambdas_array", lambda a: a + 1e-6)),
    "lambdas-swapped": ("power", array("power", "lambdas_array", swap)),
    "quantiles-as-of-the-normal-law": ("quantile", sets("quantile", normal=True)),
    "quantile-moved": ("quantile", array("quantile", "quantiles_array", between)),
    "another-norm": ("norm", sets("normalize", norm="l1")),
    "norm-of-the-largest": ("norm", sets("normalize", norm="max")),
    "selected-columns-swapped": ("select", array("select", "columns_array", lambda a: a[::-1])),
    "another-column-selected": ("select", array("select", "columns_array", lambda a: (a + 1) % 3)),
    # categories
    "levels-swapped": ("onehot", levels(swapped_levels)),
    "level-lost": ("onehot", levels(lambda c, a: c["levels"].__setitem__(2, "nowhere"))),
    "unknown-level-lost": ("onehot", levels(lambda c, a: c.update(unknown=-1.0))),
    "unknown-level-as-the-first": ("onehot", levels(lambda c, a: c.update(unknown=0.0))),
    "missing-as-unknown": ("onehot", levels(lambda c, a: c.update(missing=-1.0), 1)),
    "unknown-level-refused": ("onehot", levels(lambda c, a: c.update(rejects=["unknown"]))),
    "infrequent-level-on-its-own": ("onehot", levels(first_code(1.0))),
    "dropped-level-kept": ("drop", levels(first_code(0.0))),
    "unknown-as-a-level": ("drop", levels(lambda c, a: c.update(unknown=1.0))),
    "unknown-code": ("ordinal", levels(lambda c, a: c.update(unknown=0.0))),
    "missing-code": ("ordinal", levels(lambda c, a: c.update(missing=-1.0), 1)),
    "code-by-one": ("ordinal", levels(first_code(1.0))),
    "encoding-a-little-off": ("target", levels(encoding_off)),
    "mean-for-the-unknown": ("target", levels(lambda c, a: c.update(unknown=0.0))),
    # other estimators
    "mean-of-another-class": ("gaussian", array("gaussian", "mean_array", swap)),
    "variance-a-little-off": ("gaussian", array("gaussian", "variance_array", lambda a: a * (1 + 1e-6))),
    "no-prior": ("gaussian", array("gaussian", "prior_array", lambda a: a * 0)),
    "another-activation": ("network", sets("function", name="sigmoid")),
    "activation-lost": ("relu", sets("function", name="abs")),
    "hidden-bias-lost": ("network", array("linear", "intercept_array", lambda a: a * 0)),
    "votes-not-weighted": ("votes", drops("vote", "weights_array")),
    "voters-in-another-order": ("votes", lambda d, a: nodes(d, "vote")[0]["of"].reverse()),
    "weights-in-another-order": ("means", array("mean", "weights_array", lambda a: a[::-1])),
    "mean-by-their-number": ("means", sets("mean", total=3.0)),
    "calibration-point-moved": ("calibrated", array("interpolate", "y_array", lambda a: a * 0.999)),
    "calibration-slope": ("sigmoid", array("scale", "multiply_array", lambda a: a * 1.001)),
    "not-made-to-sum-to-one": ("sigmoid", sets("share", op="function", name="abs")),
    "centre-moved": ("clusters", array("distances", "centers_array", lambda a: put((0, 0), a[0, 0] + 0.4)(a))),
    "farthest-centre": ("clusters", sets("argmax", smallest=None)),
    "clusters-renumbered": ("clusters", array("distances", "centers_array", swap)),
    "exp-for-expm1": ("log", sets("function", name="exp")),
    # text
    "case-kept": ("tfidf", sets("terms", lowercase=False)),
    "accents-kept": ("tfidf", sets("terms", accents="keep")),
    "stop-words-lost": ("tfidf", sets("terms", stop_words=None)),
    "only-single-words": ("tfidf", sets("terms", ngrams=[1, 1])),
    "terms-swapped": ("tfidf", lambda d, a: nodes(d, "terms")[0]["vocabulary"].reverse()),
    "weights-of-another-term": ("tfidf", array("scale", "multiply_array", lambda a: a[::-1])),
    "tfidf-of-another-norm": ("tfidf", sets("normalize", norm="l1")),
    "counts-not-damped": ("tfidf", sets("sublinear", op="binarize")),
    "counts-for-presence": ("count", sets("terms", binary=False)),
    "hashes-without-sign": ("hashed", sets("hashed_terms", signed=False)),
    "hashed-short-words": ("hashed", sets("hashed_terms", words="short")),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_good_graph_passes(name):
    given = guarded(name)
    assert judged(given, given.document, given.arrays) == []


@pytest.mark.parametrize("defect", sorted(DEFECTS))
def test_the_guard_catches(defect):
    name, plant = DEFECTS[defect]
    given = guarded(name)
    document = json.loads(json.dumps(given.document))
    arrays = {one: value.copy() for one, value in given.arrays.items()}
    plant(document, arrays)
    used = {one for node in document["nodes"] for one in named(node)}
    assert judged(given, document, {one: value for one, value in arrays.items() if one in used}) != []


def named(value):
    """Every text in a node: the names of its arrays are among them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for one in value.values() if isinstance(value, dict) else value:
            yield from named(one)


def test_there_are_enough_defects():
    assert len(DEFECTS) >= 50
