"""A store with the penguins, made once a test session: saving takes seconds."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import cloche
import warm
from cloche.demo import train


def _save(fitted: train.Fitted, store: str) -> None:
    with warm.saves():
        cloche.save(
            fitted.model,
            "penguins",
            inputs=fitted.inputs,
            targets=fitted.targets,
            test=fitted.test,
            store=store,
            quiet=True,
        )


@pytest.fixture(scope="session")
def penguins_store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store that holds penguins@1; nobody may write to it."""
    store = str(tmp_path_factory.mktemp("penguins") / "store")
    fitted = train.fit()
    _save(fitted, store)
    return store


@pytest.fixture(scope="session")
def _penguins_2(penguins_store: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store that holds penguins@1 (live) and penguins@2; nobody may write to it."""
    store = tmp_path_factory.mktemp("penguins") / "store"
    shutil.copytree(penguins_store, store)
    fitted = train.fit(forest=True)
    _save(fitted, str(store))
    return str(store)


@pytest.fixture
def penguins_store_2(_penguins_2: str, tmp_path: Path) -> str:
    """The same, of the test's own."""
    return str(shutil.copytree(_penguins_2, tmp_path / "store"))


@pytest.fixture(scope="session")
def _lines(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store that holds lines@1 (live) and lines@2; nobody may write to it."""
    place = str(tmp_path_factory.mktemp("lines") / "store")
    draws = np.random.default_rng(0)
    table = pd.DataFrame({"a": draws.normal(size=300), "b": draws.normal(size=300)})
    labels = np.where(table.a + table.b > 0, "yes", "no")
    with warm.saves():
        for strength in (1.0, 0.1):
            model = LogisticRegression(C=strength).fit(table, labels)
            cloche.save(model, "lines", inputs=table, targets=labels, store=place, engine="native", quiet=True)
    return place


@pytest.fixture(scope="session")
def lines_store(_lines: str) -> str:
    """A store that holds a small fast model, lines@1 (live) and lines@2; nobody may write to it."""
    return _lines


@pytest.fixture
def lines_store_2(_lines: str, tmp_path: Path) -> str:
    """The same, of the test's own."""
    store = tmp_path / "store"
    shutil.copytree(_lines, store)
    return str(store)
