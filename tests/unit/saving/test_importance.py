"""How much an input matters: what the model does not read has 0, what it cannot bear costs no save."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cloche.contract.compiled import compile_contract
from cloche.contract.model import Contract, Field, Output
from cloche.errors import EngineError
from cloche.records import Outputs
from cloche.saving.importance import importance

RNG = np.random.default_rng(1)
ROWS = [{"a": float(a), "b": float(b), "c": float(c)} for a, b, c in RNG.normal(0, 1, (300, 3))]
FIELDS = tuple(Field(name=name, type="number") for name in "abc")
NUMBER, CLASS = (
    Output(task="regression", type="number"),
    Output(task="classification", type="string", classes=("no", "yes"), probabilities=True),
)


class Model:
    """Reads `a` three times as much as `b`, and `c` not at all."""

    def __init__(self, output: Output, *, raises: bool = False, takes_s: float = 0.0) -> None:
        self.output, self.raises, self.takes_s = output, raises, takes_s
        self.now = 0.0
        self.rows = 0

    def answer(self, columns: Any, n: int, output: Output) -> Outputs:
        if self.raises:
            raise EngineError("no")
        self.now += self.takes_s * n
        self.rows += n
        score = 3 * np.array(columns["a"]) + np.array(columns["b"])
        if output.task == "regression":
            return Outputs(score.tolist())
        chance = 1 / (1 + np.exp(-score))
        return Outputs(["yes" if one > 0.5 else "no" for one in chance], [[1 - one, one] for one in chance])


def found(model: Model, truth: list[Any] | None = None) -> dict[str, float] | None:
    known = (
        model.answer({name: [row[name] for row in ROWS] for name in "abc"}, 300, model.output)
        if not model.raises
        else None
    )
    truths = truth if truth is not None else known.prediction if known else ["no"] * 300
    compiled = compile_contract(Contract(fields=FIELDS, output=model.output))
    return importance(model, compiled, ROWS, truths, clock=lambda: model.now)


@pytest.mark.parametrize("output", [NUMBER, CLASS], ids=["number", "class"])
def test_inputs_are_ordered_by_what_they_do(output: Output) -> None:
    told = found(Model(output))
    assert told is not None
    assert told["a"] > told["b"] > told["c"] == 0.0
    assert sum(told.values()) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("model", "truth"),
    [
        pytest.param(Model(NUMBER, raises=True), None, id="the-model-raises"),
        pytest.param(Model(NUMBER, takes_s=1.0), None, id="too-slow"),
        pytest.param(Model(NUMBER), [1.0] * 49 + [None] * 251, id="few-truths"),
        pytest.param(Model(NUMBER), [float("inf")] * 300, id="no-loss"),
        pytest.param(Model(Output(task="clustering", type="integer")), None, id="another-task"),
    ],
)
def test_where_nothing_is_told(model: Model, truth: list[Any] | None) -> None:
    assert found(model, truth) is None


def test_a_slow_model_is_asked_about_fewer_rows() -> None:
    model = Model(NUMBER, takes_s=0.006)
    told = found(model)
    assert told is not None
    assert 300 + 300 + 3 * 50 <= model.rows < 300 + 300 + 3 * 300
