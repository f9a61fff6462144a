"""
Writes docs/reference/ecosystem.md: what of imbalanced-learn, skrub, category_encoders and feature-engine is stored.

From a run; takes minutes:

    python docs/ecosystem.py
"""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
import warnings
from collections import Counter
from datetime import date
from importlib import metadata
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from tests import ecosystem, pipelines  # noqa: E402

from cloche.errors import ClocheError  # noqa: E402
from cloche.flavors import get_flavor  # noqa: E402
from cloche.flavors.sklearn.ecosystem import PACKAGES  # noqa: E402
from cloche.trust import DEFAULT  # noqa: E402

PAGE = ROOT / "docs" / "reference" / "ecosystem.md"
_ROWS = "looks at other rows than the one it answers"
_DROPS = "drops rows when it answers"
#: Why a type is not on the list although it might be stored.
REASONS = {
    "HashingEncoder": "starts processes of its own when it answers",
    "DropMissingData": _DROPS,
    "OutlierTrimmer": _DROPS,
    "ExpandingWindowFeatures": _ROWS,
    "LagFeatures": _ROWS,
    "WindowFeatures": _ROWS,
    "SessionEncoder": _ROWS,
    "RandomSampleImputer": "draws at random from training rows it keeps",
    "DropSimilar": "keeps a table of its training columns",
    "AggJoiner": "keeps a whole table to join",
    "AggTarget": "keeps a whole table to join",
    "InterpolationJoiner": "keeps a whole table to join",
    "Joiner": "keeps a whole table to join",
    "MultiAggJoiner": "keeps a whole table to join",
    "TextEncoder": "fetches a language model",
    "LLMEncoder": "calls a language model over the network",
    "CatEncoder": "wraps encoders of its own choice; use one of the listed",
    "MinHashEncoder": "keeps a cache of a class of its own",
    "NestedCVWrapper": "keeps the training table",
    "PolynomialWrapper": "keeps encoders in a form of its own; encode each class by itself",
}


#: Not fitted by themselves.
PARTS = {
    "CleanCategories": "as a part of TableVectorizer and Cleaner",
    "DurationToFloat": "as a part of TableVectorizer",
}


def verdict(name: str) -> tuple[str, str]:
    """(what answers, why not the twin or why it is not stored) of one type."""
    short = name.rpartition(".")[2]
    try:
        model, table = ecosystem.fitted(name)
    except Exception as exc:  # noqa: BLE001  a package raises what it likes
        if short in PARTS:
            return "native", PARTS[short]
        return ("not storable", REASONS[short]) if short in REASONS else ("not tried", _cell(str(exc)))
    flavor = get_flavor("sklearn")
    try:
        plain = flavor.bundle(model, {}, table)
        with tempfile.TemporaryDirectory() as folder:
            again = flavor.load(Path(folder), flavor.dump(plain, Path(folder)), DEFAULT)
        if not np.allclose(again.predict(table), model.predict(table), rtol=1e-12, atol=0.0):
            return "not storable", "it answers differently once it is stored"
        result = pipelines.compare(pipelines.Case(plain, table, table, name))
    except ClocheError as exc:
        return "not storable", REASONS.get(short) or _cell(str(exc))
    except Exception as exc:  # noqa: BLE001  as above
        return "not storable", REASONS.get(short) or _cell(f"{type(exc).__name__}: {exc}")
    sampler = "a sampler: left out of what is stored" if hasattr(model, "steps") and plain is not model else ""
    return "twin" if result.verdict == "twin" else "native", _cell(result.reason) or sampler


def _cell(text: str) -> str:
    line = text.splitlines()[0] if text else ""
    return line.replace("|", "\\|")[:160]


def main() -> None:
    """Run every type and write the page."""
    warnings.simplefilter("ignore")
    with contextlib.redirect_stdout(io.StringIO()):
        rows = [(name, *verdict(name)) for name in ecosystem.names()]
    counts = Counter(said for _, said, _ in rows)
    stored = counts["twin"] + counts["native"]
    listed = ", ".join(f"{one.distribution} {metadata.version(one.distribution)}" for one in PACKAGES)
    lines = [
        "# Steps of other packages in a pipeline",
        "",
        f"From a run of `python docs/ecosystem.py` on {date.today()} with {listed}",
        f"and scikit-learn {metadata.version('scikit-learn')}: of {len(rows)} transformers, samplers and estimators,",
        f"each fitted in a pipeline, {stored} are stored, open without any code of the file, and answer as before. For",
        f"{counts['twin']} of those pipelines the [exact twin](twin.md) answers, and the package need not be installed",
        "where they are served; for the others it has to be, and the error of a server without it names the extra.",
        "The types are allowed one by one, never a module. What is not stored here is refused like any other type,",
        "until an operator allows it (`trust.allowed_types`).",
        "",
        "A pipeline of imbalanced-learn is stored as one of scikit-learn: its samplers work while fitting only, and",
        "are left out together with the training rows they keep.",
        "",
        "| package | type | what answers | why |",
        "|---|---|---|---|",
        *(f"| {name.partition('.')[0]} | `{name.rpartition('.')[2]}` | {said} | {why} |" for name, said, why in rows),
        "",
    ]
    PAGE.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
