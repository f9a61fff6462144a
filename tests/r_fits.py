"""Fits that R made, once a test session, and what R itself answers for them."""

from __future__ import annotations

import csv
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cloche.flavors.r.source import client_source
from conftest import needs

SCRIPTS = Path(__file__).parent / "r"
PACKAGES = ("e1071", "gbm", "glmnet", "jsonlite", "plumber", "randomForest", "ranger")


def need_r() -> None:
    """Skip, or fail in CI, where R or a package is missing."""
    needs(shutil.which("Rscript"), "needs R (apt-get install r-base-core)")
    quoted = ", ".join(f'"{name}"' for name in PACKAGES)
    missing = rscript("-e", f"cat(setdiff(c({quoted}), rownames(installed.packages())))").stdout.split()
    needs(not missing, f"needs the R packages {', '.join(missing)} (apt-get install r-cran-…)")


def rscript(*arguments: str | Path, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run R; fails with what it printed."""
    command = ["env", *(f"{name}={value}" for name, value in environment.items()), "Rscript", "--vanilla"]
    done = subprocess.run([*command, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done


def write_client(folder: Path) -> Path:
    """`cloche r > cloche.R` in *folder*."""
    path = folder / "cloche.R"
    path.write_text(client_source(), encoding="utf-8")
    return path


def answers(path: Path) -> tuple[list[str], list[list[float]]]:
    """What `fits.R` wrote beside a fit: predictions, and probabilities where there are any."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t"))
    return [row[0] for row in rows], [[float(cell) for cell in row[1:]] for row in rows]


def rows_of(columns: dict[str, Sequence[Any]], start: int, stop: int) -> dict[str, list[Any]]:
    """Some rows of a table of columns."""
    return {name: list(values[start:stop]) for name, values in columns.items()}
