"""
The normative table of answers: what each key holds, by task.

`docs/reference/answers.md` is made from it, and `tests/golden/answers/` holds the bytes of every task; a change
there is a change of the promise.
"""

from __future__ import annotations

from dataclasses import dataclass

from cloche.contract.model import Task


@dataclass(frozen=True, slots=True)
class TaskAnswer:
    """The keys of one task's answer for one row; many rows hold lists of the same. `case` is the golden file."""

    case: str
    task: Task
    title: str
    prediction: str
    others: dict[str, str]


ANSWERS: tuple[TaskAnswer, ...] = (
    TaskAnswer(
        "classification",
        "classification",
        "classification with probabilities",
        "the class, in its own JSON type",
        {"confidence": "the largest probability", "probabilities": "an object from class to probability"},
    ),
    TaskAnswer(
        "classification-plain", "classification", "classification without probabilities", "the class, as above", {}
    ),
    TaskAnswer("regression", "regression", "regression", "a number", {}),
    TaskAnswer(
        "multioutput-classification",
        "multioutput_classification",
        "several classifications",
        "an object from output to class",
        {
            "confidence": "an object from output to its largest probability",
            "probabilities": "an object from output to an object from class to probability",
        },
    ),
    TaskAnswer(
        "multioutput-regression", "multioutput_regression", "several numbers", "an object from output to number", {}
    ),
    TaskAnswer(
        "multilabel",
        "multilabel",
        "several labels at once",
        "a list of the labels that apply",
        {"probabilities": "an object from label to its own probability; they do not add up to 1"},
    ),
    TaskAnswer(
        "anomaly",
        "anomaly",
        "anomalies",
        '`"inlier"` or `"outlier"`',
        {"score": "how usual the row is on the model's own scale; lower is more unusual"},
    ),
    TaskAnswer("clustering", "clustering", "clusters", "the number of the cluster; -1 is noise", {}),
    TaskAnswer("embedding", "embedding", "embeddings", "a list of numbers", {}),
)
#: Keys that no model gives yet, kept free for what they will mean.
RESERVED: dict[str, str] = {
    "interval": 'a prediction interval of a regression: `{"low": …, "high": …, "level": 0.9}`',
    "quantiles": "quantiles of a regression: an object from level to number",
}
