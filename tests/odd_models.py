"""A model that sleeps, holds the GIL, raises, prints, hangs or dies, each at one exact value of `x`."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

SLEEP, HOLD, RAISE, DIE, HANG, PRINT = 4242.0, 4343.0, 4444.0, 4545.0, 4646.0, 4747.0


class OddClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """`yes` where x > 0."""

    def fit(self, X: Any, y: Any) -> OddClassifier:
        self.classes_ = np.unique(y)
        self.n_features_in_ = X.shape[1]
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        return self

    def predict(self, X: Any) -> Any:
        return self.classes_[(np.asarray(X)[:, 0] > 0).astype(int)]

    def predict_proba(self, X: Any) -> Any:
        values = np.asarray(X, dtype=float)[:, 0]
        for value in values:
            _misbehave(value)
        yes = np.where(values > 0, 0.75, 0.25)
        return np.column_stack([1 - yes, yes])


def _misbehave(value: float) -> None:
    if value == SLEEP:
        time.sleep(2)
    elif value == HOLD:
        end = time.monotonic() + 2
        while time.monotonic() < end:
            sum(range(20_000_000))  # one call of C that never gives the GIL back
    elif value == RAISE:
        raise ValueError("a secret of the model")
    elif value == DIE:
        os._exit(7)
    elif value == HANG:
        time.sleep(600)
    elif value == PRINT:
        print("what the model prints", flush=True)
        os.write(1, b"and what it writes to descriptor 1\n")
