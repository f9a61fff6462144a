"""Our unpickler: what it lists, what it reads, what it never imports."""

from __future__ import annotations

import bz2
import gzip
import importlib
import importlib.util
import io
import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

import artifacts
import ecosystem
import foreign
from cloche.errors import ImportRefusedError, UntrustedTypeError
from cloche.flavors import get_flavor
from cloche.flavors.sklearn.pickled import allowed_names
from cloche.importers import pickles, sandbox
from cloche.trust import DEFAULT
from conftest import needs

_ALLOWED = allowed_names()
_DRAWS = np.random.default_rng(0)
X = _DRAWS.normal(size=(60, 3))
Y = np.where(X[:, 0] > 0, "big", "small")


def _joblib(model: Any, **how: Any) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(model, buffer, **how)
    return buffer.getvalue()


_MODELS: dict[str, Callable[[], Any]] = {
    "pipeline": lambda: make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y),
    "forest": lambda: RandomForestClassifier(3, random_state=0).fit(X, Y),
    "gradient-boosting": lambda: GradientBoostingClassifier(n_estimators=2).fit(X, Y),
    "hist-gradient-boosting": lambda: HistGradientBoostingClassifier(max_iter=2).fit(X, Y),
    "neighbours": lambda: KNeighborsClassifier().fit(X, Y),
    "svc": lambda: SVC().fit(X, Y),
    "sgd": lambda: SGDClassifier(random_state=0).fit(X, Y),
    "mlp": lambda: MLPClassifier((4,), max_iter=5, random_state=np.random.RandomState(0)).fit(X, Y),
    "k-means": lambda: KMeans(2, n_init=1, random_state=0).fit(X),
    "ufunc": lambda: FunctionTransformer(np.log1p).fit(X),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", _MODELS)
@pytest.mark.parametrize(
    "dump", [pytest.param(pickle.dumps, id="pickle"), pytest.param(partial(_joblib, compress=3), id="joblib")]
)
def test_a_fitted_model_is_read_and_answers_as_before(name: str, dump: Callable[[Any], bytes]) -> None:
    model = _MODELS[name]()
    raw = pickles.content(dump(model))
    asked, broken = pickles.names(raw)
    assert broken is None
    assert not [one for one in asked if one not in _ALLOWED]
    ask = "predict" if hasattr(model, "predict") else "transform"
    np.testing.assert_array_equal(getattr(pickles.load(raw, _ALLOWED), ask)(X), getattr(model, ask)(X))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name",
    [
        "category_encoders.TargetEncoder",
        "category_encoders.OneHotEncoder",
        "feature_engine.encoding.OrdinalEncoder",
        "skrub.TableVectorizer",
    ],
)
def test_steps_of_other_packages_are_read(name: str) -> None:
    module, _, kind = name.rpartition(".")
    needs(importlib.util.find_spec(module.partition(".")[0]), f"needs {module}")
    table = pd.DataFrame({"a": X[:, 0], "b": np.where(X[:, 1] > 0, "up", "down")})
    step = getattr(importlib.import_module(module), kind)()
    model = make_pipeline(step, RandomForestClassifier(3, random_state=0)).fit(table, Y == "big")
    raw = pickle.dumps(model)
    asked, broken = pickles.names(raw)
    assert (broken, [one for one in asked if one not in _ALLOWED]) == (None, [])
    np.testing.assert_array_equal(pickles.load(raw, _ALLOWED).predict(table), model.predict(table))


def test_a_pipeline_of_imbalanced_learn_is_converted_without_its_sampler(tmp_path: Path) -> None:
    needs(importlib.util.find_spec("imblearn"), "needs imblearn")
    model, table = ecosystem.imblearn_pipeline()
    (tmp_path / "model").write_bytes(pickle.dumps(model))
    made = sandbox.convert(tmp_path / "model", tmp_path, DEFAULT, isolate=False, name="model")
    opened = get_flavor(made.flavor).load(made.directory, made.options, DEFAULT)
    assert type(opened).__module__.startswith("sklearn.")
    np.testing.assert_array_equal(opened.predict(table), model.predict(table))


@pytest.mark.parametrize(
    "array",
    [
        pytest.param(np.arange(12.0).reshape(3, 4), id="c-order"),
        pytest.param(np.asfortranarray(np.arange(12.0).reshape(3, 4)), id="fortran-order"),
        pytest.param(np.zeros((0, 3)), id="empty"),
        pytest.param(np.array(7.5), id="no-dimension"),
        pytest.param(np.array(["a", None, 1.5], dtype=object), id="objects"),
        pytest.param(np.array(["a", "bcd"]), id="text"),
        pytest.param(np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]), id="a-record"),
    ],
)
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_arrays_of_joblib(array: Any, protocol: int) -> None:
    raw = _joblib({"a": array, "after": [1, 2]}, protocol=protocol)
    found = pickles.load(raw, _ALLOWED)
    assert found["after"] == [1, 2]
    assert found["a"].dtype == array.dtype
    assert found["a"].tolist() == array.tolist()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("posix", "system"),
        ("builtins", "eval"),
        ("builtins", "exec"),
        ("builtins", "getattr"),
        ("builtins", "__import__"),
        ("builtins", "map"),
        ("subprocess", "Popen"),
        ("runpy", "run_path"),
        ("runpy", "_run_code"),
        ("importlib", "import_module"),
        ("timeit", "timeit"),
        ("pty", "spawn"),
        ("code", "InteractiveInterpreter"),
        ("operator", "attrgetter"),
        ("functools", "reduce"),
        ("pickle", "loads"),
        ("joblib", "load"),
        ("joblib.numpy_pickle", "load"),
        ("numpy", "load"),
        ("numpy.testing._private.utils", "runstring"),
        ("numpy.f2py.crackfortran", "myeval"),
        ("numpy._core", "_ufunc_reconstruct"),
        ("pandas", "read_pickle"),
        ("pandas.core.computation.eval", "eval"),
        ("sklearn.utils._testing", "assert_run_python_script_without_output"),
        ("sklearn.datasets", "fetch_openml"),
        ("cloudpickle.cloudpickle", "_make_function"),
        ("ctypes", "CDLL"),
        ("webbrowser", "open"),
    ],
)
def test_no_gadget_is_imported(module: str, name: str, tmp_path: Path) -> None:
    raw = foreign.named(module, name, f"open({str(tmp_path / 'canary')!r}, 'w')")
    assert pickles.names(raw)[0] == (f"{module}.{name}",)
    with pytest.raises(UntrustedTypeError, match="is not on the allow-list"):
        pickles.load(raw, _ALLOWED)
    assert not list(tmp_path.iterdir())


def _behind_an_array(canary: Path) -> bytes:
    """joblib's own reader opens an array of objects with the plain unpickler."""
    return _joblib({"a": np.array([foreign.Calls(exec, f"open({str(canary)!r}, 'w')")], dtype=object)})


@pytest.mark.parametrize(
    ("make", "asks"),
    [
        pytest.param(foreign.gadget, "posix.system", id="system"),
        pytest.param(lambda c: foreign.gadget(c)[:-2], "posix.system", id="truncated"),
        pytest.param(lambda c: foreign.gadget(c)[:-1] + b"\xff", "posix.system", id="a-wrong-end"),
        pytest.param(lambda c: gzip.compress(foreign.gadget(c)), "posix.system", id="gzip"),
        pytest.param(lambda c: bz2.compress(foreign.gadget(c)), "posix.system", id="bzip2"),
        pytest.param(lambda c: _joblib(foreign.Calls(eval, "1"), compress=3), "builtins.eval", id="compressed-joblib"),
        pytest.param(_behind_an_array, "builtins.exec", id="inside-an-array-of-objects"),
        pytest.param(
            lambda c: pickle.dumps([artifacts.linear(), foreign.Calls(exec, "1")]), "builtins.exec", id="after-a-model"
        ),
        pytest.param(
            lambda c: pickle.dumps({"os.system": foreign.Calls(exec, "1")}, protocol=0),
            "__builtin__.exec",
            id="protocol-0",
        ),
    ],
)
def test_what_a_hostile_file_would_import_is_listed_and_not_imported(
    make: Callable[[Path], bytes], asks: str, tmp_path: Path
) -> None:
    raw = pickles.content(make(tmp_path / "canary"))
    asked, _ = pickles.names(raw)
    assert asks.replace("__builtin__", "builtins") in asked
    with pytest.raises(UntrustedTypeError):
        pickles.load(raw, _ALLOWED)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        pytest.param(b"\x80\x04\x95", "", id="no-end"),
        pytest.param(b"\x80\x04\x82\x01.", "", id="an-extension-code"),
        pytest.param(b"\x80\x04\x8c\x01aQ.", "persistent id", id="a-persistent-id"),
        pytest.param(b"\x80\x05\x97.", "", id="an-out-of-band-buffer"),
        pytest.param(b"\x80\x63.", "", id="a-protocol-of-the-future"),
        pytest.param(b"\x80\x04]\x94h\x09.", "", id="a-memo-that-is-not-there"),
        pytest.param(b"\x80\x04" + b"(" * 100 + b".", "", id="marks"),
    ],
)
def test_a_broken_pickle_is_told(raw: bytes, says: str) -> None:
    asked, broken = pickles.names(raw)
    assert (asked, broken is not None) == ((), True)
    assert says in str(broken)


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        pytest.param((10**9,), "of which", id="more-than-there-is"),
        pytest.param((-1,), "shape that no array has", id="negative"),
        pytest.param((1 << 40, 1 << 40), "shape that no array has", id="beyond-everything"),
        pytest.param("shape", "without a dtype or a shape", id="text"),
    ],
)
def test_an_array_that_lies_about_its_shape(shape: Any, says: str) -> None:
    array = pickles._Array()
    array.shape, array.dtype = shape, np.dtype("float64")
    with pytest.raises(ImportRefusedError, match=says):
        array.read(io.BytesIO(b"\x00" * 64), lambda _name: None)


def test_a_broken_stream_is_told() -> None:
    with pytest.raises(ImportRefusedError, match="the compressed stream is broken"):
        pickles.content(gzip.compress(b"abc" * 100)[:-20] + b"\x00" * 12)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 3), st.lists(st.tuples(st.integers(0, 100_000), st.integers(0, 255)), min_size=1, max_size=4))
def test_whatever_is_changed_in_a_file_nothing_beyond_the_list_is_imported(
    kind: int, changes: list[tuple[int, int]]
) -> None:
    raw = bytearray(_SEEDS[kind])
    for place, value in changes:
        raw[place % len(raw)] = value
    asked, broken = pickles.names(bytes(raw))
    if broken is None and all(one in _ALLOWED for one in asked):
        return
    with pytest.raises(Exception):  # noqa: B017  whatever it is, it is raised before an import
        pickles.load(bytes(raw), frozenset())


_SEEDS = [
    foreign.pickled(),
    _joblib(artifacts.linear()),
    foreign.named("os", "system", "true"),
    pickle.dumps({"a": 1}, protocol=0),
]
