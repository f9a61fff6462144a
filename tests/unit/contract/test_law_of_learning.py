"""
The promise of a learnt contract, for every scikit-learn classifier and regressor that can be fitted.

Every training row is accepted, and every row drawn from the contract (bounds, levels, nulls, extremes, in any
mixture) is answered.
"""

from __future__ import annotations

import json
import random
import warnings
from typing import Any

import numpy as np
import pytest
from tests.estimators import CLASSIFIERS, REGRESSORS, fitted
from tests.unit.contract.learning import Fitted

from cloche import tables
from cloche.contract.ask import allowed
from cloche.contract.compiled import compile_contract
from cloche.contract.model import Contract, Field
from cloche.contract.probe import budget

ROWS = 60
#: What these take has no shape that bounds could say: a row far from every training row raises. The owner is told.
NOT_A_BOX = {"RadiusNeighborsClassifier"}


def drawn(contract: Contract) -> dict[str, list[Any]]:
    """Rows of edges and of values in between, every field on its own."""
    rng = random.Random(7)
    return {field.name: [_value(field, rng) for _ in range(ROWS)] for field in contract.inputs}


def _value(field: Field, rng: random.Random) -> Any:
    if field.type == "number" and rng.random() < 0.5:
        low = -1e308 if field.minimum is None else field.minimum
        high = 1e308 if field.maximum is None else field.maximum
        return min(max(rng.choice((low / 2 + high / 2, rng.uniform(-3, 3), 10.0 ** rng.randint(-300, 300))), low), high)
    return rng.choice(allowed(field))


@pytest.mark.parametrize("name", sorted({*CLASSIFIERS, *REGRESSORS}))
def test_rows_of_the_contract_are_answered(name: str) -> None:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        model, X, _ = fitted(name)
        one = Fitted(model, X)
        learnt = one.learn()
        contract = learnt.contract
        assert one.calls <= budget(len(contract.inputs))
        sent = json.dumps(tables.to_wire(one.table, contract)).encode()
        assert len(compile_contract(contract).decode_json(sent)) == one.table.rows
        if name in NOT_A_BOX:
            assert any("raised on some mixtures" in note for note in learnt.notes)
        else:
            assert len(one.answers(drawn(contract), ROWS)) == ROWS
