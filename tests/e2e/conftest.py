"""A store with the penguins, made once a test session: saving takes seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import cloche
import warm
from cloche.demo import train
from stores import copied


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
    copied(penguins_store, store)
    fitted = train.fit(forest=True)
    _save(fitted, str(store))
    return str(store)


@pytest.fixture
def penguins_store_2(_penguins_2: str, tmp_path: Path) -> str:
    """The same, of the test's own."""
    return copied(_penguins_2, tmp_path / "store")


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
    copied(_lines, store)
    return str(store)


@pytest.fixture(scope="session")
def visits_store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """
    A store whose models have private fields, keys and a context; nobody may write to it.

    `visits` keeps inputs, `bins` reduces them, `nothing` leaves them out.
    """
    place = str(tmp_path_factory.mktemp("visits") / "store")
    draws = np.random.default_rng(0)
    inputs = pd.DataFrame({"pages": draws.normal(10, 3, size=300), "age": draws.normal(40, 9, size=300)})
    aside = pd.DataFrame(
        {
            "customer": [f"c{number}" for number in range(300)],
            "shop": draws.choice(["north", "south"], size=300),
            "day": pd.Timestamp("2026-11-01") + pd.to_timedelta(draws.integers(0, 30, size=300), unit="D"),
        }
    )
    labels = np.where(inputs.pages > 10, "buys", "leaves")
    model = LogisticRegression().fit(inputs, labels)
    for name, kept in (("visits", "keep"), ("bins", "summary"), ("nothing", "none")):
        cloche.save(
            model,
            name,
            inputs=pd.concat([inputs, aside], axis=1),
            targets=labels,
            keys=["customer", "shop"],
            context=["day"],
            private=["age", "customer"],
            log_inputs=kept,
            store=place,
            quiet=True,
        )
    return place
