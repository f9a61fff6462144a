"""
Writes docs/reference/estimators.md: every scikit-learn estimator, what answers for it, or why it is refused.

From a run; takes minutes:

    python docs/estimators.py
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections import Counter
from datetime import date
from pathlib import Path

import sklearn

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)]

from tests import estimators, pipelines  # noqa: E402

from cloche.errors import ClocheError  # noqa: E402
from cloche.flavors import get_flavor  # noqa: E402
from cloche.trust import DEFAULT  # noqa: E402

PAGE = ROOT / "docs" / "reference" / "estimators.md"


def verdict(name: str) -> tuple[str, str, str]:
    """(task, what answers, why not the twin or why it is not storable) of one estimator."""
    flavor = get_flavor("sklearn")
    model, table, _ = estimators.fitted(name)
    try:
        task = flavor.facts(model).task
        with tempfile.TemporaryDirectory() as folder:
            flavor.load(Path(folder), flavor.dump(model, Path(folder)), DEFAULT)
    except ClocheError as exc:
        return "", "not storable", _cell(str(exc))
    try:
        result = pipelines.compare(pipelines.Case(model, table, table, name))
    except ClocheError as exc:
        return task, "native", _cell(str(exc))
    return task, "twin" if result.verdict == "twin" else "native", _cell(result.reason)


def _cell(text: str) -> str:
    return text.splitlines()[0].replace("|", "\\|") if text else ""


def main() -> None:
    """Run every estimator and write the page."""
    warnings.simplefilter("ignore")
    rows = [(name, *verdict(name)) for name in estimators.NAMES]
    counts = Counter(said for _, _, said, _ in rows)
    stored, twins, native = len(rows) - counts["not storable"], counts["twin"], counts["native"]
    lines = [
        "# scikit-learn estimators",
        "",
        f"From a run of `python docs/estimators.py` on {date.today()} with scikit-learn {sklearn.__version__}:",
        f"{stored} of {len(rows)} estimators are stored in a data format and open without any code of the file; the",
        f"others are refused, with the reason. For {twins} of them the [exact twin](twin.md) answers: on the rows they",
        f"were fitted on and at the boundaries its answers are the model's own. For the other {native}",
        "scikit-learn itself answers. Classifiers and regressors are also saved, served and compared with the",
        "model's own answers over HTTP by `tests/e2e/test_every_estimator.py`.",
        "XGBoost, LightGBM and CatBoost inside them: [boosters](../how-to/save-boosters.md).",
        "",
        "| estimator | task | twin / native / not storable | why |",
        "|---|---|---|---|",
        *(f"| `{name}` | {task} | {said} | {why} |" for name, task, said, why in rows),
        "",
    ]
    PAGE.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
