"""Both kernels of trees against a walk in plain Python, and against each other, bit for bit."""

from __future__ import annotations

import ctypes
import gc
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ensembles
from cloche.engines import trees
from cloche.engines.trees import probe
from cloche.engines.trees.library import Library
from cloche.engines.trees.sums import in_order
from cloche.graph.trees import CATEGORICAL, CATEGORIES, MISSING_LEFT, Ensemble, check
from conftest import needs

HERE = trees.library()


@pytest.fixture
def lightgbm() -> Library:
    needs(HERE, "needs lightgbm and libgomp")
    assert HERE is not None
    return HERE


SHAPES = [
    pytest.param({}, id="one-output"),
    pytest.param({"mean": True, "float32": True}, id="mean-of-float32"),
    pytest.param({"outputs": 3}, id="an-output-each-in-turn"),
    pytest.param({"outputs": 3, "width": 3, "mean": True}, id="leaves-for-three-outputs"),
    pytest.param({"outputs": 2, "width": 2, "float32": True}, id="leaves-for-two-outputs-of-float32"),
    pytest.param({"categories": True}, id="categories"),
    pytest.param({"categories": True, "outputs": 4, "width": 4}, id="categories-for-four-outputs"),
    pytest.param({"trees": 1, "depth": 0}, id="one-leaf"),
    pytest.param({"trees": 2, "depth": 0, "outputs": 2, "width": 2}, id="two-leaves-for-two-outputs"),
    pytest.param({"trees": 300, "depth": 3}, id="many-trees"),
    pytest.param({"trees": 9, "depth": 14, "features": 1}, id="deep-trees"),
]


def walk(one: Ensemble, row: list[float]) -> list[float]:
    """What `Ensemble` says in its docstring, a step at a time."""
    sums = [float(value) + 0.0 for value in one.base]
    for tree in range(one.trees):
        start, node = int(one.starts[tree]), 0 if one.starts[tree + 1] > one.starts[tree] else ~0
        while node >= 0:
            node = step(one, start + node, row)
        leaf = one.values[start + tree + ~node]
        for output in range(one.outputs) if one.shared else [tree % one.outputs]:
            sums[output] += float(leaf[output if one.shared else 0])
    return [value / one.trees for value in sums] if one.mean else sums


def step(one: Ensemble, split: int, row: list[float]) -> int:
    with np.errstate(over="ignore"):
        x = float(np.float32(row[one.feature[split]])) if one.float32 else row[one.feature[split]]
    threshold = float(one.threshold[split])
    if one.flags[split] == CATEGORICAL:
        code = int(x) if -1 < x < CATEGORIES else -1
        left = code >= 0 and bool(one.sets[int(threshold)][code // 32] >> (code % 32) & 1)
    else:
        left = bool(one.flags[split] == MISSING_LEFT) if math.isnan(x) else x <= threshold
    return int(one.left[split] if left else one.right[split])


def kernels(one: Ensemble) -> list[Any]:
    found: list[Any] = [trees.Walker(one)]
    return [*found, trees.Booster(one, HERE)] if HERE is not None else found


def bits(values: Any) -> list[int]:
    """Numbers as they lie in memory: -0.0 is not 0.0."""
    found: list[int] = np.asarray(values, dtype=np.float64).view(np.uint64).tolist()
    return found


@pytest.mark.parametrize("shape", SHAPES)
def test_a_row_is_answered_as_the_trees_say_alone_and_among_others(shape: dict[str, Any]) -> None:
    one = ensembles.ensemble(7, **shape)
    check(one)
    table = ensembles.rows(8, 80, one.features, one.threshold[:40])
    expected = [bits(walk(one, row)) for row in table.tolist()]
    for kernel in kernels(one):
        assert bits(kernel.columns(table)) == expected, kernel.name
        assert [bits(kernel.row(row)) for row in table.tolist()] == expected, kernel.name
        for n in (0, 1, 2, 3, 4, 7):
            assert bits(kernel.columns(table[:n])) == expected[:n], (kernel.name, n)


@given(seed=st.integers(0, 10**6), outputs=st.integers(1, 3), shared=st.booleans(), float32=st.booleans())
@settings(max_examples=40, deadline=None)
def test_kernels_agree_on_any_trees(seed: int, outputs: int, shared: bool, float32: bool) -> None:
    width = outputs if shared else 1
    one = ensembles.ensemble(
        seed, trees=outputs * 4, outputs=outputs, width=width, categories=bool(seed % 2), float32=float32
    )
    table = ensembles.rows(seed, 30, one.features, one.threshold)
    answers = [bits(kernel.columns(table)) for kernel in kernels(one)]
    assert answers.count(answers[0]) == len(answers)
    assert answers[0] == [bits(walk(one, row)) for row in table.tolist()]


def test_more_rows_than_are_gathered_at_once_are_answered_in_their_order() -> None:
    for shape in ({"outputs": 3, "width": 3}, {}):
        one = ensembles.ensemble(3, trees=300, depth=2, **shape)
        table = ensembles.rows(3, 700, one.features)
        for kernel in kernels(one):
            whole = kernel.columns(table)
            assert bits(whole[::97]) == [bits(kernel.row(row)) for row in table[::97].tolist()]


def test_the_table_that_was_asked_stays_as_it_was() -> None:
    one = replace(ensembles.ensemble(5, depth=3), threshold=np.zeros(len(ensembles.ensemble(5, depth=3).threshold)))
    table = np.full((9, one.features), 1e-40)
    for kernel in kernels(one):
        kernel.columns(table)
        assert (table == 1e-40).all()


@pytest.mark.parametrize("n", [1, 2, 3, 8, 100])
@pytest.mark.parametrize("k", [1, 2, 5])
def test_sums_run_in_order_whatever_the_shape(n: int, k: int) -> None:
    terms = np.random.default_rng(n * k).normal(size=(1000, n, k)) * 1e8
    expected = np.zeros((n, k))
    for term in terms:
        expected = expected + term
    assert (in_order(terms) == expected).all()


# -- LightGBM ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("threshold", "taken"),
    [
        pytest.param(0.0, True, id="zero"),
        pytest.param(-0.0, True, id="minus-zero"),
        pytest.param(1e-36, False, id="below-its-zero"),
        pytest.param(-1e-36, False, id="above-its-minus-zero"),
        pytest.param(5e-324, False, id="denormal"),
        pytest.param(float(np.float32(1e-35)), True, id="its-zero"),
        pytest.param(-float(np.float32(1e-35)), False, id="its-minus-zero"),
        pytest.param(math.nextafter(-float(np.float32(1e-35)), -1.0), True, id="below-its-minus-zero"),
        pytest.param(1.5e-35, True, id="where-positive-numbers-are-moved-to"),
        pytest.param(1e-34, True, id="large-enough"),
        pytest.param(math.inf, True, id="infinite"),
        pytest.param(1.7976931348623157e308, True, id="largest"),
    ],
)
@pytest.mark.parametrize("float32", [False, True])
def test_splits_next_to_zero_are_exact(lightgbm: Library, threshold: float, taken: bool, float32: bool) -> None:
    one = stump(threshold, float32=float32)
    assert trees.representable(one) is taken
    kernel = trees.kernel(one)
    assert kernel.name == ("lightgbm" if taken else "numpy")
    for x in ensembles.neighbours([threshold, *(value for value in ensembles.ODD if not math.isnan(value))]):
        assert kernel.row([x]) == walk(one, [x]), x
        assert kernel.columns(np.full((64, 1), x))[5].tolist() == walk(one, [x]), x


def test_numbers_are_not_moved_past_another_split_of_their_column(lightgbm: Library) -> None:
    zero, near = stump(0.0), stump(1.5e-35)
    both = replace(
        zero,
        starts=np.array([0, 1, 2], dtype=np.int64),
        **{
            name: np.concatenate([getattr(zero, name), getattr(near, name)])
            for name in ("feature", "threshold", "left", "right", "flags", "values")
        },
    )
    assert not trees.representable(both)
    apart = replace(both, features=2, feature=np.array([0, 1], dtype=np.int32))
    assert trees.representable(apart)
    kernel = trees.kernel(apart)
    for x in (0.0, 1e-36, 1e-35, 1.5e-35, 2e-35, -1e-36):
        assert kernel.row([x, x]) == walk(apart, [x, x]), x


def stump(threshold: float, **options: Any) -> Ensemble:
    one = ensembles.ensemble(0, trees=1, depth=0, features=1, **options)
    return replace(
        one,
        starts=np.array([0, 1], dtype=np.int64),
        feature=np.array([0], dtype=np.int32),
        threshold=np.array([threshold]),
        left=np.array([-1], dtype=np.int32),
        right=np.array([-2], dtype=np.int32),
        flags=np.array([0], dtype=np.uint8),
        values=np.array([[1.0], [2.0]]),
        base=np.array([0.0]),
    )


def test_any_float64_is_read_back_from_the_model_text(lightgbm: Library) -> None:
    rng = np.random.default_rng(0)
    found = rng.integers(0, 2**64, 4000, dtype=np.uint64).view(np.float64)
    found = np.concatenate([found[np.isfinite(found)], rng.integers(0, 2**52, 300, dtype=np.uint64).view(np.float64)])
    lone = ensembles.ensemble(0, trees=len(found), depth=0, outputs=len(found))
    one = replace(lone, values=found[:, None].copy(), base=np.zeros(len(found)))
    assert trees.Booster(one, lightgbm).row([0.0] * one.features) == [value + 0.0 for value in found.tolist()]


def test_a_forked_child_answers_the_same_and_no_thread_is_started(lightgbm: Library) -> None:
    script = """
import os, sys, ensembles
from cloche.engines import trees
def threads(): return len(os.listdir("/proc/self/task"))
before = threads()
one = ensembles.ensemble(1, trees=60, outputs=3, width=3)
two = ensembles.ensemble(2, trees=60)
table = ensembles.rows(1, 300, one.features)
kernels = [trees.Booster(part, trees.library()) for part in (one, two)]
def answers(): return [kernel.columns(table).tobytes() for kernel in kernels] + [kernels[1].row(table[0].tolist())]
expected = answers()
assert threads() == before
for _ in range(3):
    child = os.fork()
    if child == 0:
        os._exit(0 if answers() == expected and threads() == 1 else 1)
    assert os.waitpid(child, 0)[1] == 0
assert answers() == expected
assert not {"lightgbm", "scipy", "sklearn"} & set(sys.modules)
"""
    paths = [str(ensembles.__file__).rsplit("/", 1)[0], *sys.path]
    environment = {key: value for key, value in os.environ.items() if not key.endswith("_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env={**environment, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_kernel_gives_its_model_back(lightgbm: Library) -> None:
    freed: list[str] = []

    class Counting:
        def __init__(self, library: Library) -> None:
            self._library = library

        def __getattr__(self, name: str) -> Any:
            if name in ("free", "row_free"):
                freed.append(name)
            return getattr(self._library, name)

    kernel = trees.Booster(ensembles.ensemble(1), Counting(lightgbm))  # type: ignore[arg-type]
    kernel.row([0.0] * 4)
    assert not freed
    del kernel
    gc.collect()
    assert freed == ["row_free", "free"]


def test_a_model_that_lightgbm_refuses_is_an_error_with_its_reason(lightgbm: Library) -> None:
    kernel = trees.Booster(ensembles.ensemble(1), lightgbm)
    with pytest.raises(RuntimeError, match="LightGBM: Model file"):
        kernel._open(b"no model")


def test_the_probe_holds_every_kind_of_split(lightgbm: Library) -> None:
    one = probe._ensemble(probe._SINGLE)
    check(one)
    rows = probe._ROWS.tolist()
    assert [bits(row) for row in trees.Walker(one).columns(probe._ROWS)] == [bits(walk(one, row)) for row in rows]
    taken = {(split, bool(way)) for row in rows for split, way in ways(one, row)}
    assert taken == {(split, way) for split in range(one.splits) for way in (True, False)}
    assert trees.works(lightgbm)


def ways(one: Ensemble, row: list[float]) -> Iterator[tuple[int, bool]]:
    for tree in range(one.trees):
        start, node = int(one.starts[tree]), 0 if one.starts[tree + 1] > one.starts[tree] else ~0
        while node >= 0:
            split = start + node
            node = step(one, split, row)
            yield split, node == one.left[split]


@pytest.mark.parametrize("name", ["row", "rows"])
def test_another_lightgbm_that_answers_differently_is_not_used(
    lightgbm: Library, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Other:
        def __getattr__(self, wanted: str) -> Any:
            own = getattr(lightgbm, wanted)
            return (lambda *given: own(*given) or spoil(given)) if wanted == name else own

    def spoil(given: tuple[Any, ...]) -> int:
        out = given[-1]
        ctypes.c_double.from_address(out if isinstance(out, int) else ctypes.addressof(out)).value += 1
        return 0

    monkeypatch.setattr(trees, "library", Other)
    assert trees.kernel(ensembles.ensemble(1)).name == "numpy"


def test_threads_may_share_a_kernel() -> None:
    for shape in ({}, {"outputs": 3, "width": 3}):
        one = ensembles.ensemble(4, trees=30, **shape)
        table = ensembles.rows(4, 200, one.features)
        for kernel in kernels(one):
            expected = kernel.columns(table).tolist()
            with ThreadPoolExecutor(4) as pool:
                alone = list(pool.map(kernel.row, table.tolist()))
                whole = [part.tolist() for part in pool.map(kernel.columns, [table] * 8)]
            assert alone == expected
            assert whole == [expected] * 8


@pytest.mark.parametrize("spec", [None, "elsewhere"], ids=["not-installed", "without-its-library"])
def test_without_lightgbm_numpy_answers(spec: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "lightgbm", raising=False)
    if spec is not None:
        (tmp_path / "lightgbm" / "lib").mkdir(parents=True)
        (tmp_path / "lightgbm" / "__init__.py").write_text("raise RuntimeError('was run')")
        (tmp_path / "lightgbm" / "lib" / "lib_lightgbm.so").write_bytes(b"no library")
    trees.library.cache_clear()
    try:
        assert trees.library() is None
        assert trees.kernel(ensembles.ensemble(1)).name == "numpy"
    finally:
        trees.library.cache_clear()
