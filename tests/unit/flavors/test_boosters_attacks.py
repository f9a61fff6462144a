"""
Files of boosters that somebody made: each is refused with its reason, and none ends the process that opens it.

What a bit flip leaves whole is a model with other numbers; the digest in the manifest is for that.
"""

from __future__ import annotations

import importlib
import json
import random
import re
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import boosted_models as models
from cloche.errors import ArtifactError, TamperedModelError, WrongFormatError
from cloche.flavors import boosted, flavor_of, flavor_of_file, get_flavor
from cloche.flavors.boosted import BoosterFlavor
from cloche.trust import DEFAULT

LIBRARIES = ("catboost", "lightgbm", "xgboost")
#: A model of each library with numbers and one with categories or another kind of tree.
FILES = {
    "catboost": ("catboost-three", "catboost-text", "catboost-lossguide"),
    "lightgbm": ("lightgbm-three", "lightgbm-linear"),
    "xgboost": ("xgboost-three", "xgboost-numbers", "xgboost-dart"),
}
SEEDS = 240

#: Opens every file that passes the checks and asks it; says where it is, so that a death is told from an error.
CHILD = """
import pickle, random, sys, warnings
import numpy as np
from cloche.errors import ArtifactError
from cloche.flavors import get_flavor
warnings.simplefilter("ignore")
flavor = get_flavor(sys.argv[1])
for path in sys.argv[3:]:
    whole = open(path, "rb").read()
    for seed in range(int(sys.argv[2])):
        draw, raw = random.Random(seed), bytearray(whole)
        if seed % 3 == 0:
            raw = raw[:draw.randrange(len(raw))]
        else:
            for _ in range(draw.choice([1, 1, 3, 20])):
                raw[draw.randrange(len(raw))] ^= 1 << draw.randrange(8)
        print(path, seed, flush=True)
        try:
            flavor.ask(flavor.opened(bytes(raw), "model"))
        except ArtifactError:
            pass
        except Exception as exc:
            print("asked:", type(exc).__name__, flush=True)
print("CANARY", flush=True)
"""


def whole(name: str, tmp_path: Path) -> tuple[BoosterFlavor, bytes]:
    """The flavor and the file of a fitted model."""
    model, _ = models.fitted(name)
    flavor = flavor_of(model)
    assert isinstance(flavor, BoosterFlavor)
    flavor.dump(model, tmp_path)
    return flavor, (tmp_path / flavor.file).read_bytes()


@pytest.mark.parametrize("library", LIBRARIES)
def test_no_truncation_and_no_bit_flip_ends_the_process(library: str, tmp_path: Path) -> None:
    paths = []
    for place, name in enumerate(FILES[library]):
        path = tmp_path / f"{place}"
        path.write_bytes(whole(name, tmp_path)[1])
        paths.append(str(path))
    command = [sys.executable, "-c", CHILD, library, str(SEEDS // len(paths)), *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, f"status {done.returncode} after {done.stdout.splitlines()[-3:]}: {done.stderr[-300:]}"
    assert done.stdout.splitlines()[-1] == "CANARY"


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    ("raw", "words"),
    [
        pytest.param(b"", "empty file", id="empty"),
        pytest.param(b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00]\x94.", "pickle", id="pickle"),
        pytest.param(b"PK\x03\x04" + bytes(40), "archive", id="zip"),
        pytest.param(b"\x1f\x8b" + bytes(40), "archive", id="gzip"),
        pytest.param(b"\x00" * 64, "expected", id="zeros"),
        pytest.param(b'{"learner": {}}', "expected|byte|not as", id="json"),
        pytest.param(b"tree\n", "expected|cut short", id="a-head-alone"),
        pytest.param(b"CBM1", "expected", id="magic-alone"),
        pytest.param(b"CBM1\xff\xff\xff\x7f" + bytes(64), "expected|cut short", id="a-lying-length"),
    ],
)
def test_what_is_no_model_is_told(library: str, raw: bytes, words: str, tmp_path: Path) -> None:
    models.library(library)
    flavor = get_flavor(library)
    assert isinstance(flavor, BoosterFlavor)
    path = tmp_path / flavor.file
    path.write_bytes(raw)
    with pytest.raises((WrongFormatError, TamperedModelError), match=words) as caught:
        flavor_of_file(path).open_file(path, DEFAULT)
    assert flavor.file in str(caught.value)


# -- LightGBM -------------------------------------------------------------------------------------


def _line(key: str, change: Callable[[list[str]], list[str]]) -> Callable[[str], str]:
    """Change the values of the first line *key* that has a few."""

    def changed(text: str) -> str:
        return re.sub(
            rf"^{key}=(.+ .+)$", lambda m: f"{key}={' '.join(change(m[1].split(' ')))}", text, count=1, flags=re.M
        )

    return changed


def _value(key: str, value: str) -> Callable[[str], str]:
    return lambda text: re.sub(rf"^{key}=.*$", f"{key}={value}", text, count=1, flags=re.M)


TEXTS = [
    pytest.param(_line("left_child", lambda v: ["0", *v[1:]]), "after its parent", id="a-circle"),
    pytest.param(_line("left_child", lambda v: ["99", *v[1:]]), "outside its tree", id="a-child-outside"),
    pytest.param(_line("right_child", lambda v: ["-99", *v[1:]]), "outside its tree", id="a-leaf-outside"),
    pytest.param(_line("split_feature", lambda v: ["4096", *v[1:]]), "reads column", id="a-column-outside"),
    pytest.param(_line("split_feature", lambda v: v[:-1]), "expected 5 numbers", id="too-few-numbers"),
    pytest.param(_line("leaf_value", lambda v: [*v, "1"]), "expected 6 numbers", id="too-many-numbers"),
    pytest.param(_line("leaf_value", lambda v: ["1_0", *v[1:]]), "expected numbers", id="a-number-of-python"),
    pytest.param(_line("leaf_value", lambda v: ["nan", *v[1:]]), "expected numbers", id="no-number"),
    pytest.param(_line("decision_type", lambda v: ["15", *v[1:]]), "kind of split", id="an-unknown-split"),
    pytest.param(_value("num_leaves", "1000000"), "expected|numbers", id="lying-leaves"),
    pytest.param(_value("num_leaves", "0"), "0 leaves", id="no-leaves"),
    pytest.param(_value("num_cat", "5"), "cat_boundaries|sets", id="lying-categories"),
    pytest.param(_value("cat_boundaries", "0 9999"), "bounds of its sets", id="categories-outside"),
    pytest.param(_value("num_class", "7"), "trees an iteration", id="lying-classes"),
    pytest.param(_value("objective", "multiclass num_class:9"), "outputs", id="lying-objective"),
    pytest.param(_value("objective", "regression"), "regression of 3 outputs", id="another-objective"),
    pytest.param(_value("max_feature_idx", "1"), "another number of features", id="lying-features"),
    pytest.param(_value("max_feature_idx", "999999999"), "features", id="a-billion-features"),
    pytest.param(_value("version", "v9"), "expected version", id="a-later-version"),
    pytest.param(lambda text: text.replace("Tree=1\n", "Tree=7\n"), "its number", id="trees-out-of-order"),
    pytest.param(lambda text: text.replace("end of trees", ""), "cut short", id="no-end"),
    pytest.param(lambda text: text.replace("leaf_weight", "leaf_value", 1), "twice", id="a-line-twice"),
    pytest.param(lambda text: text.replace("num_leaves", "num_leaves\x00", 1), "control character", id="a-nul"),
    pytest.param(lambda text: re.sub("pandas_categorical:.*", "pandas_categorical:[1", text), "JSON", id="bad-levels"),
]


@pytest.mark.parametrize(("change", "words"), TEXTS)
def test_a_lightgbm_text_that_lies_is_refused(change: Callable[[str], str], words: str, tmp_path: Path) -> None:
    flavor, raw = whole("lightgbm-three", tmp_path)
    changed = change(raw.decode())
    assert changed != raw.decode()
    with pytest.raises(ArtifactError, match=words):
        flavor.opened(changed.encode(), "model.txt")


def test_the_sizes_of_trees_are_not_believed(tmp_path: Path) -> None:
    flavor, raw = whole("lightgbm-three", tmp_path)
    lying = re.sub(rb"tree_sizes=.*", b"tree_sizes=" + b" ".join([b"999999999"] * 24), raw)
    model, table = models.fitted("lightgbm-three")
    assert (flavor.opened(lying, "model.txt").predict(table) == model.predict_proba(table)).all()


# -- XGBoost --------------------------------------------------------------------------------------


def _xgboost(change: Callable[[Any], None], tmp_path: Path, name: str = "xgboost-three") -> tuple[Any, bytes]:
    """The file of a model whose JSON was changed: XGBoost writes it in both forms, and we only the one."""
    model, _ = models.fitted(name)
    document = json.loads(model.get_booster().save_raw("json"))
    change(document["learner"])
    return get_flavor("xgboost"), ubjson(document)


def ubjson(value: Any) -> bytes:
    """*value* in Universal Binary JSON."""
    if isinstance(value, dict):
        return b"{" + b"".join(_text(key) + ubjson(one) for key, one in value.items()) + b"}"
    if isinstance(value, list):
        return b"[" + b"".join(map(ubjson, value)) + b"]"
    if isinstance(value, str):
        return b"S" + _text(value)
    return b"L" + struct.pack(">q", value) if isinstance(value, int) else b"D" + struct.pack(">d", value)


def _text(value: str) -> bytes:
    return b"L" + struct.pack(">q", len(value.encode())) + value.encode()


def _tree(key: str, place: int, value: Any) -> Callable[[Any], None]:
    def change(learner: Any) -> None:
        learner["gradient_booster"]["model"]["trees"][0][key][place] = value

    return change


def _set(*path: str | int, value: Any) -> Callable[[Any], None]:
    def change(learner: Any) -> None:
        for step in path[:-1]:
            learner = learner[step]
        learner[path[-1]] = value

    return change


_MODEL = ("gradient_booster", "model")
_CATS = (*_MODEL, "cats")
CHANGES = [
    pytest.param(_tree("left_children", 0, 0), "two parents", id="a-circle"),
    pytest.param(_tree("left_children", 0, 9999), "outside its tree", id="a-child-outside"),
    pytest.param(_tree("left_children", 0, -7), "outside its tree", id="a-child-below-zero"),
    pytest.param(_tree("parents", 1, 9999), "another parent", id="a-parent-outside"),
    pytest.param(_tree("split_indices", 0, 77), "column that is not there", id="a-column-outside"),
    pytest.param(_set(*_MODEL, "trees", 0, "split_conditions", value=[1.0]), "split_conditions", id="too-few-numbers"),
    pytest.param(_set(*_MODEL, "trees", 0, "tree_param", "num_nodes", value="99"), "expected 99", id="lying-nodes"),
    pytest.param(_set(*_MODEL, "trees", 0, "tree_param", "num_nodes", value="-1"), "num_nodes", id="nodes-below-zero"),
    pytest.param(_set(*_MODEL, "trees", 0, "categories_nodes", value=[0, 0]), "other splits", id="categories-twice"),
    pytest.param(_set(*_MODEL, "trees", 0, "split_type", value=[]), "kind of split", id="no-kinds"),
    pytest.param(_set(*_MODEL, "tree_info", value=[9] * 18), "output that is not there", id="an-output-outside"),
    pytest.param(_set(*_MODEL, "iteration_indptr", value=[0, 99]), "iterations", id="lying-iterations"),
    pytest.param(_set(*_MODEL, "gbtree_model_param", "num_trees", value="99"), "trees", id="lying-trees"),
    pytest.param(_set(*_CATS, "sorted_idx", value=[0, 1, 99]), "out of order", id="categories-out-of-order"),
    pytest.param(_set(*_CATS, "enc", 2, "offsets", value=[0, 999]), "lies elsewhere", id="a-category-outside"),
    pytest.param(_set(*_CATS, "feature_segments", value=[0, 9, 9, 9, 9]), "another number", id="lying-segments"),
    pytest.param(_set("learner_model_param", "num_feature", value="3"), "names or types", id="lying-features"),
    pytest.param(_set("learner_model_param", "num_class", value="9"), "base scores|number of classes", id="classes"),
    pytest.param(_set("learner_model_param", "base_score", value="[1,2]"), "base scores", id="lying-scores"),
    pytest.param(_set("objective", "softmax_multiclass_param", "num_class", value="9"), "classes", id="objective"),
    pytest.param(_set("attributes", value={"best_iteration": "99"}), "best iteration", id="lying-best-iteration"),
    pytest.param(_set("gradient_booster", "name", value="gbother"), "kind", id="an-unknown-booster"),
    pytest.param(_set("gradient_booster", "model", "trees", value={}), "trees", id="no-list-of-trees"),
]


@pytest.mark.parametrize(("change", "words"), CHANGES)
def test_an_xgboost_file_that_lies_is_refused(change: Callable[[Any], None], words: str, tmp_path: Path) -> None:
    models.library("xgboost")
    flavor, raw = _xgboost(change, tmp_path)
    with pytest.raises(TamperedModelError, match=words):
        flavor.opened(raw, "model.ubj")


def test_the_same_file_unchanged_is_opened(tmp_path: Path) -> None:
    models.library("xgboost")
    flavor, raw = _xgboost(lambda learner: None, tmp_path)
    assert flavor.opened(raw, "model.ubj").num_features() == 4


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        pytest.param(b"{i\x01a[" * 100, "levels", id="nested"),
        pytest.param(b"{i\x01a[$d#L" + struct.pack(">q", 1 << 40), "a length of", id="a-huge-array"),
        pytest.param(b"{i\x01a[$S#i\x01", "no number", id="an-array-of-text"),
        pytest.param(b"{i\x01aS" + b"L" + struct.pack(">q", -5), "a length of", id="a-length-below-zero"),
        pytest.param(b"{i\x01ai\x01i\x01ai\x02}", "twice", id="a-key-twice"),
        pytest.param(b"{}junk", "behind the end", id="bytes-behind"),
        pytest.param(b"{i\x01a?", "unknown type", id="an-unknown-type"),
    ],
)
def test_ubjson_that_is_none(raw: bytes, words: str) -> None:
    models.library("xgboost")
    flavor = get_flavor("xgboost")
    assert isinstance(flavor, BoosterFlavor)
    with pytest.raises(WrongFormatError, match=words):
        flavor.opened(raw, "model.ubj")


# -- CatBoost -------------------------------------------------------------------------------------


def _ints(raw: bytes, values: list[int]) -> int:
    """Where the one vector of int32 *values* lies in a file."""
    packed = struct.pack(f"<I{len(values)}i", len(values), *values)
    assert raw.count(packed) >= 1
    return raw.index(packed)


@pytest.mark.parametrize(
    ("what", "place", "value", "words"),
    [
        pytest.param("splits", 0, 99_999, "a split asks", id="a-split-outside"),
        pytest.param("splits", 3, -1, "a split asks", id="a-split-below-zero"),
        pytest.param("sizes", 0, 17, "trees", id="a-tree-too-deep"),
        pytest.param("sizes", 0, -3, "trees of no size", id="a-size-below-zero"),
        pytest.param("starts", 1, 2, "follow each other", id="trees-that-overlap"),
    ],
)
def test_a_catboost_file_that_lies_is_refused(what: str, place: int, value: int, words: str, tmp_path: Path) -> None:
    flavor, raw = whole("catboost-three", tmp_path)
    told = importlib.import_module("cloche.flavors.catboost.cbm").parse(raw, "model.cbm")
    at = _ints(raw, getattr(told, what).tolist()) + 4 * (1 + place)
    changed = raw[:at] + struct.pack("<i", value) + raw[at + 4 :]
    with pytest.raises(TamperedModelError, match=words):
        flavor.opened(changed, "model.cbm")


def test_a_bucket_of_statistics_that_points_outside_is_refused(tmp_path: Path) -> None:
    flavor, raw = whole("catboost-text", tmp_path)
    size = struct.unpack_from("<I", raw, 4)[0]
    found = set()
    for seed in range(400):
        draw, changed = random.Random(seed), bytearray(raw)
        at = draw.randrange(8 + size, len(raw))
        changed[at] = 0xFF
        try:
            flavor.check(bytes(changed), "model.cbm")
        except TamperedModelError as exc:
            found.add(str(exc).removeprefix("model.cbm: "))
    assert any("points at counts" in one for one in found)
    assert any("without its table" in one or "cut short" in one for one in found)


# -- the trial in another process -----------------------------------------------------------------


def test_the_trial_tells_what_it_met(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flavor, raw = whole("lightgbm-booster", tmp_path)
    lying = re.sub(rb"^split_feature=\d+", b"split_feature=123456", raw, count=1, flags=re.M)
    path = tmp_path / "foreign.txt"
    path.write_bytes(lying)
    monkeypatch.setattr(type(flavor), "check", lambda self, raw, name: None)  # the child checks again, and says so
    with pytest.raises(TamperedModelError, match="lightgbm does not open it: .*reads column"):
        flavor.open_file(path, DEFAULT)


@pytest.mark.parametrize(
    ("does", "within_s", "words"),
    [
        pytest.param("kill -SEGV $$", 60.0, "ended by signal 11", id="signal"),
        pytest.param("exec sleep 60", 0.2, "did not open it within", id="endless"),
    ],
)
def test_what_kills_the_trial_does_not_kill_us(
    does: str, within_s: float, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "python"
    script.write_text(f"#!/bin/sh\n{does}\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    monkeypatch.setattr(boosted, "TRIAL_TIMEOUT_S", within_s)
    with pytest.raises(TamperedModelError, match=words):
        boosted.tried("lightgbm", tmp_path / "model.txt")
