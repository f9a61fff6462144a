"""`cloche reproduce`, `diff`, `show --lock`, `bom`: a version trained by a script in git, and trained again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

TRAIN = """
import sys
import numpy as np, pandas as pd
from sklearn.linear_model import LogisticRegression
import cloche

rows = np.random.default_rng(0).normal(size=(120, 2))
table = pd.DataFrame(rows, columns=["a", "b"])
table["b"] += float(open("shift.txt").read()) if len(sys.argv) == 1 else float(sys.argv[1])
labels = np.where(table.a > 0, "yes", "no")
cloche.save(LogisticRegression(C=1.0).fit(table, labels), "toy", inputs=table, targets=labels, seed=0, store="mine")
"""


class Project:
    """A repository with `train.py`, which has run once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        (root / "train.py").write_text(TRAIN)
        (root / "shift.txt").write_text("0.5")
        for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
            subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=root, check=True)
        self.python("train.py")

    def python(self, *words: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, *words], cwd=self.root, capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, env={**os.environ, "CLOCHE_STORE": str(self.root / "mine")},
        )  # fmt: skip
        assert done.returncode == status, done.stdout + done.stderr
        return done

    def cloche(self, *words: str, status: int = 0) -> str:
        done = self.python("-m", "cloche", *words, status=status)
        return done.stdout if status == 0 else done.stdout + done.stderr


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("reproduce") / "project")


def test_the_same_again(project: Project) -> None:
    said = project.cloche("reproduce", "toy", "--yes")
    assert "toy@1: reproduced from commit" in said
    assert "rows answered alike, within 1e-09" in said
    assert "training table: the same values in every column" in said
    versions = json.loads(project.cloche("list", "toy", "--json"))["versions"]
    assert [one["version"] for one in versions] == [1]  # although the script names the store


def test_other_data_gives_another_model(project: Project) -> None:
    document = json.loads(
        project.cloche("reproduce", "toy", "--yes", "--json", "--", "0.7", status=1).split("\n}")[0] + "}"
    )
    found = document["reproduction"]
    assert (found["verdict"], document["same_data"]) == ("different", False)
    assert found["columns"]["changed"] == ["b"]
    assert found["differences"]


def test_nothing_runs_unasked(project: Project) -> None:
    assert "say --yes" in project.cloche("reproduce", "toy", status=2)


def test_diff_names_the_column_that_changed(project: Project) -> None:
    project.python("train.py", "0.6")
    said = project.cloche("diff", "toy@1", "toy@2")
    assert "training table\n  b: other values\n" in said
    assert said == project.cloche("diff", "toy", "1", "2")
    assert "expected NAME OLD NEW" in project.cloche("diff", "toy@1", "other@2", status=2)


def test_show_tells_the_script_and_the_lock(project: Project) -> None:
    assert "script      train.py at " in project.cloche("show", "toy@1")
    lock = project.cloche("show", "toy@1", "--lock").splitlines()
    assert lock[0].startswith("# toy@1")
    assert any(line.startswith("scikit-learn==") for line in lock)
    assert all("==" in line for line in lock[2:])


def test_the_bill_of_materials(project: Project) -> None:
    project.cloche("bom", "toy@1", "-o", "bom.cdx.json")
    written = (project.root / "bom.cdx.json").read_text()
    assert written.strip() == project.cloche("bom", "toy@1").strip()
    assert json.loads(written)["specVersion"] == "1.6"
