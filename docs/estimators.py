"""
Writes docs/reference/estimators.md: every scikit-learn estimator, saved, or refused and why. From a run; takes minutes.

    python docs/estimators.py
"""

from __future__ import annotations

import sys
import tempfile
from datetime import date
from pathlib import Path

import sklearn

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)]

from tests import estimators  # noqa: E402

from cloche.errors import ClocheError  # noqa: E402
from cloche.flavors import get_flavor  # noqa: E402
from cloche.trust import DEFAULT  # noqa: E402

PAGE = ROOT / "docs" / "reference" / "estimators.md"


def verdict(name: str) -> tuple[str, str]:
    """(task, "stored" or the reason why not) of one estimator."""
    flavor = get_flavor("sklearn")
    model, _, _ = estimators.fitted(name)
    try:
        task = flavor.facts(model).task
        with tempfile.TemporaryDirectory() as folder:
            flavor.load(Path(folder), flavor.dump(model, Path(folder)), DEFAULT)
    except ClocheError as exc:
        return "", "refused: " + str(exc).splitlines()[0].replace("|", "\\|")
    return task, "stored"


def main() -> None:
    """Run every estimator and write the page."""
    rows = [(name, *verdict(name)) for name in estimators.NAMES]
    stored = sum(said == "stored" for _, _, said in rows)
    lines = [
        "# scikit-learn estimators",
        "",
        f"From a run of `python docs/estimators.py` on {date.today()} with scikit-learn {sklearn.__version__}:",
        f"{stored} of {len(rows)} estimators are stored in a data format and open without any code of the file; the",
        "others are refused, with the reason. Classifiers and regressors are also saved, served and compared with the",
        "model's own answers over HTTP by `tests/e2e/test_every_estimator.py`.",
        "",
        "| estimator | task | verdict |",
        "|---|---|---|",
        *(f"| `{name}` | {task} | {said} |" for name, task, said in rows),
        "",
    ]
    PAGE.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
