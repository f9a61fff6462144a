"""A row's answer is the same to the last bit alone, among eight, and among sixty-four: operator by operator."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cloche.contract.model import Output
from cloche.engines.twin import TwinEngine
from cloche.engines.twin.evaluator import pairwise
from cloche.graph import Answers, Builder, Input
from cloche.graph.operators import columns, encode, heads, inputs, numeric, text

N, K = 64, 5
RNG = np.random.default_rng(5)
_SPECIAL = [0.0, -0.0, 1e-300, -1e-12, 1e12, 2.0**53 + 2, -3.5, 1 / 3, 709.5, -745.2]
TABLE = np.where(RNG.random((N, K)) < 0.25, RNG.choice(_SPECIAL, (N, K)), RNG.normal(size=(N, K)) * 3)
GAPS = np.where(RNG.random((N, K)) < 0.2, np.nan, TABLE)
TEXTS = [
    " ".join(RNG.choice(["Cold", "warm", "été", "dry", "a", "wet,wet", "x_1"], RNG.integers(0, 9))) for _ in range(N)
]


def floats(b, *shape):
    return b.floats(RNG.normal(size=shape))


def linear(b, x, m):
    return heads.Linear(of=(x.node,), coef_array=floats(b, x.width, m), intercept_array=floats(b, m))


def wide(b, x):
    """Forty columns, so that numpy would sum in blocks."""
    return b.add(columns.Concat(of=(x.node,) * 8))


def shares(b, x):
    return b.add(heads.Softmax(of=(x.node,)))


def words(b):
    return b.add(inputs.Objects(fields=(K,)))


def terms(b, **options):
    vocabulary = ("cold", "warm", "été", "dry", "wet", "x_1", "cold warm", "ete", "a")
    return b.add(text.Terms(of=(words(b).node,), vocabulary=vocabulary, **options))


def hashed(b):
    return b.add(text.HashedTerms(of=(words(b).node,), width=32))


def codes(b):
    levels = encode.Levels(levels=("", "Cold", "warm"), missing=1.0, unknown=-1.0)
    return b.add(encode.Encode(of=(words(b).node,), columns=(levels,)))


FINITE = {
    "abs": lambda b, x: numeric.Function(of=(x.node,), name="abs"),
    **{
        f"function-{name}": lambda b, x, name=name: numeric.Function(of=(x.node,), name=name)
        for name in numeric.FUNCTIONS
    },
    "linear-one": lambda b, x: linear(b, x, 1),
    "linear-few": lambda b, x: linear(b, x, 3),
    "linear-wide": lambda b, x: linear(b, wide(b, x), 1),
    "linear-wide-many": lambda b, x: linear(b, wide(b, x), 17),
    "linear-sparse": lambda b, x: linear(b, hashed(b), 1),
    "linear-sparse-many": lambda b, x: linear(b, hashed(b), 4),
    "softmax": lambda b, x: heads.Softmax(of=(x.node,)),
    "softmax-log": lambda b, x: heads.Softmax(of=(x.node,), log_sum=True),
    "share": lambda b, x: heads.Share(of=(shares(b, x).node,)),
    "argmax": lambda b, x: heads.Argmax(of=(x.node,)),
    "argmin": lambda b, x: heads.Argmax(of=(x.node,), smallest=True),
    "above": lambda b, x: heads.Above(of=(x.node,), threshold=0.0),
    "above-equal": lambda b, x: heads.Above(of=(x.node,), threshold=0.0, equal=True),
    "gaussian": lambda b, x: heads.Gaussian(
        of=(x.node,),
        mean_array=floats(b, 3, K),
        variance_array=b.floats(RNG.random((3, K)) + 0.1),
        constant_array=floats(b, 3),
        prior_array=floats(b, 3),
    ),
    "gaussian-wide": lambda b, x: heads.Gaussian(
        of=(wide(b, x).node,),
        mean_array=floats(b, 2, 8 * K),
        variance_array=b.floats(RNG.random((2, 8 * K)) + 0.1),
        constant_array=floats(b, 2),
        prior_array=floats(b, 2),
    ),
    "distances": lambda b, x: heads.Distances(of=(x.node,), centers_array=floats(b, 4, K), root=True),
    "mean": lambda b, x: heads.Mean(of=(x.node, shares(b, x).node, x.node)),
    "mean-weighted": lambda b, x: heads.Mean(of=(x.node, shares(b, x).node), weights_array=floats(b, 2), total=0.7),
    "normalize-l1": lambda b, x: numeric.Normalize(of=(x.node,), norm="l1"),
    "normalize-l2": lambda b, x: numeric.Normalize(of=(wide(b, x).node,), norm="l2"),
    "normalize-max": lambda b, x: numeric.Normalize(of=(x.node,), norm="max"),
    "polynomial": lambda b, x: numeric.Polynomial(
        of=(x.node,), pairs_array=b.ints([[0, 0], [1, 2], [5, 0], [7, 3]]), columns_array=b.ints([-1, 5, 6, 7, 8, 0])
    ),
    "bin": lambda b, x: numeric.Bin(of=(x.node,), edges_arrays=tuple(b.floats(sorted(_SPECIAL)) for _ in range(K))),
    "binarize": lambda b, x: numeric.Binarize(of=(x.node,), threshold=0.1),
    "select": lambda b, x: columns.Select(of=(x.node,), columns_array=b.ints([3, 3, 0])),
    "check": lambda b, x: columns.Check(of=(x.node,)),
    "dense": lambda b, x: columns.Dense(of=(hashed(b).node,)),
    "tfidf": lambda b, x: columns.Dense(
        of=(b.add(numeric.Normalize(of=(b.add(text.Sublinear(of=(terms(b).node,))).node,))).node,)
    ),
    "terms-bigrams": lambda b, x: columns.Dense(of=(terms(b, ngrams=(1, 2), accents="unicode", binary=True).node,)),
    "terms-characters": lambda b, x: columns.Dense(of=(terms(b, analyzer="char", ngrams=(1, 4)).node,)),
    "terms-within-words": lambda b, x: columns.Dense(of=(terms(b, analyzer="char_wb", ngrams=(1, 9)).node,)),
    "terms-ascii-stop": lambda b, x: columns.Dense(
        of=(terms(b, accents="ascii", stop_words=("cold",), words="short", lowercase=False).node,)
    ),
    "sparse-and-dense": lambda b, x: columns.Dense(of=(b.add(columns.Concat(of=(hashed(b).node, x.node))).node,)),
    "encode": lambda b, x: heads.Above(of=(codes(b).node,), threshold=0.5),
    "expand": lambda b, x: encode.Expand(of=(codes(b).node,), widths=(2,)),
    "expand-sparse": lambda b, x: columns.Dense(
        of=(b.add(encode.Expand(of=(codes(b).node,), widths=(3,), sparse=True)).node,)
    ),
    "missing-text": lambda b, x: columns.Missing(of=(words(b).node,)),
    "vote": lambda b, x: heads.Vote(
        of=tuple(
            b.add(heads.Argmax(of=(part,))).node for part in (x.node, shares(b, x).node, b.add(linear(b, x, 5)).node)
        ),
        classes=5,
        weights_array=b.floats([1.0, 0.4, 0.7]),
    ),
    "complement": lambda b, x: heads.Complement(
        of=(b.add(numeric.Function(of=(b.add(linear(b, x, 1)).node,), name="sigmoid")).node,)
    ),
    "interpolate": lambda b, x: numeric.Interpolate(
        of=(b.add(linear(b, x, 1)).node,), x_array=b.floats([-1.0, 0.0, 2.0]), y_array=b.floats([0.0, 0.3, 1.0])
    ),
}
WITH_GAPS = {
    "fill": lambda b, x: columns.Fill(of=(x.node,), values_array=floats(b, K)),
    "missing": lambda b, x: columns.Missing(of=(x.node,)),
    "scale": lambda b, x: numeric.Scale(
        of=(x.node,), subtract_array=floats(b, K), divide_array=floats(b, K), multiply_array=floats(b, K),
        add_array=floats(b, K), low=-1.0, high=1.0,
    ),
    "scale-standard": lambda b, x: numeric.Scale(of=(x.node,), subtract_array=floats(b, K), divide_array=floats(b, K)),
    "yeo-johnson": lambda b, x: numeric.Power(
        of=(x.node,), method="yeo-johnson", lambdas_array=b.floats([0.0, 2.0, 1.0, 0.5, -0.7])
    ),
    "quantile": lambda b, x: numeric.Quantile(
        of=(x.node,), quantiles_array=b.floats(np.sort(RNG.normal(size=(9, K)), axis=0)),
        references_array=b.floats(np.linspace(0, 1, 9)),
    ),
    "quantile-normal": lambda b, x: numeric.Quantile(
        of=(x.node,), quantiles_array=b.floats(np.sort(RNG.normal(size=(9, K)), axis=0)),
        references_array=b.floats(np.linspace(0, 1, 9)), normal=True,
    ),
    "encode-numbers": lambda b, x: encode.Encode(
        of=(x.node,),
        columns=tuple(encode.Levels(levels=(0.0, -3.5, 1), values_array=floats(b, 3), unknown=-1.0) for _ in range(K)),
    ),
}  # fmt: skip


def engine(make):
    b = Builder([*(Input(name=f"x{i}") for i in range(K)), Input(name="text")])
    value = b.add(make(b, b.add(inputs.Numbers(fields=tuple(range(K))))))
    return TwinEngine(
        b.finish(Answers(task="embedding", prediction=(value.node,))), Output(task="embedding", type="number")
    )


def fields(table):
    found = {f"x{i}": [None if math.isnan(x) else x for x in table[:, i].tolist()] for i in range(K)}
    return {**found, "text": TEXTS}


def bits(rows):
    """The bytes of all numbers, every NaN alike."""
    found = np.array(rows, dtype=np.float64)
    found[np.isnan(found)] = np.nan
    return found.tobytes()


@pytest.mark.parametrize(
    ("make", "table"),
    [
        *(pytest.param(make, TABLE, id=name) for name, make in FINITE.items()),
        *(pytest.param(make, GAPS, id=name) for name, make in WITH_GAPS.items()),
    ],
)
def test_a_row_has_the_same_bits_in_any_company(make, table):
    twin, given = engine(make), fields(table)
    together = twin.predict(given, N).prediction
    for size in (1, 8):
        apart = []
        for start in range(0, N, size):
            apart += twin.predict(
                {name: column[start : start + size] for name, column in given.items()}, size
            ).prediction
        assert bits(apart) == bits(together), f"rows answered {size} at a time"


@pytest.mark.parametrize("name", ["exp", "log1p", "tanh", "expm1", "cbrt", "sin"])
def test_a_numpy_function_does_not_depend_on_the_length_of_its_array(name):
    """What the row path relies on: numpy's vector code gives a number the same bits at any place of any array."""
    function = getattr(np, name)
    values = np.abs(np.random.default_rng(0).normal(size=4_001)) * 30
    alone = [function(np.array([x]))[0] for x in values.tolist()]
    assert function(values).tolist() == alone


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 16, 63, 128, 129, 300])
def test_pairwise_adds_in_the_order_of_numpy(n):
    terms = (np.random.default_rng(n).normal(size=n) * 10.0 ** np.arange(n)[::-1] ** 0.5).tolist()
    assert pairwise(terms) == np.sum(np.array([terms, terms]), axis=1)[1]


def test_what_the_model_does_not_take_is_refused_in_both_ways():
    twin = engine(lambda b, x: linear(b, x, 1))
    given = fields(np.zeros((N, K)))
    given["x1"] = [None] * N
    for n in (1, N):
        with pytest.raises(ValueError, match="missing or infinite"):
            twin.predict({name: column[:n] for name, column in given.items()}, n)
