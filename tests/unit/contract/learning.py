"""A fitted model as `contract.infer` meets it: its facts, its table, and the function that answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cloche import tables
from cloche.contract.infer import Learnt, infer, output_of
from cloche.flavors.sklearn import SklearnFlavor
from cloche.records import Columns, ModelFacts, Outputs

FLAVOR = SklearnFlavor()


class Fitted:
    """A fitted scikit-learn model with the table it was fitted on; counts how often it is asked."""

    def __init__(self, model: Any, data: Any, **changes: Any) -> None:
        self.model = model
        self.table = tables.read(data)
        self.facts: ModelFacts = FLAVOR.facts(model)
        self.output = output_of(self.facts)
        names = self.facts.names or tuple(self.table.columns)
        self.spec = tables.frame_spec(tables.select(self.table, [one for one in names if one in self.table.columns]))
        self.calls = 0

    def answers(self, columns: Columns, n: int) -> Outputs:
        self.calls += 1
        return FLAVOR.predict(self.model, tables.to_frame(columns, self.spec, n), self.output)

    def learn(self, **options: Any) -> Learnt:
        return infer(self.table, self.facts, answers=self.answers, **options)


def function(answer: Callable[[dict[str, Any]], Any]) -> Callable[[Columns, int], Outputs]:
    """A model that is a function of one row."""

    def answers(columns: Columns, n: int) -> Outputs:
        rows = [{name: values[row] for name, values in columns.items()} for row in range(n)]
        return Outputs([answer(row) for row in rows])

    return answers
