"""The training script on record: its text, its place in git, its arguments without secrets."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from cloche.errors import SaveRefusedError, UsageError
from cloche.saving import provenance, script

TEXT = b"print('training')\n"


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    return subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A work tree with one commit, `code/train.py` in it; the working directory is `code`."""
    root = tmp_path / "tree"
    (root / "code").mkdir(parents=True)
    (root / "code" / "train.py").write_bytes(TEXT)
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    monkeypatch.chdir(root / "code")
    return root


def untouched(root: Path) -> None:
    pass


def staged(root: Path) -> None:
    (root / "other.py").write_text("x = 1\n")
    git(root, "add", "other.py")


@pytest.mark.parametrize(
    ("change", "clean"),
    [
        pytest.param(untouched, True, id="as-committed"),
        pytest.param(lambda root: (root / "data.csv").write_text("1"), True, id="an-untracked-file-is-no-change"),
        pytest.param(lambda root: (root / "code" / "train.py").write_text("x"), False, id="changed"),
        pytest.param(staged, False, id="something-else-is-staged"),
    ],
)
def test_the_commit_is_told_where_it_holds_what_ran(tree: Path, change: Callable[[Path], Any], clean: bool) -> None:
    change(tree)
    file = tree / "code" / "train.py"
    found = provenance.place(file, file.read_bytes())
    assert (found.path, found.folder) == ("code/train.py", "code")
    assert found.commit == (git(tree, "rev-parse", "HEAD") if clean else None)


def test_no_work_tree_no_place(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_bytes(TEXT)
    assert provenance.place(tmp_path / "train.py", TEXT) == provenance.Place()


def test_run_elsewhere_the_folder_is_not_told(tree: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert provenance.place(tree / "code" / "train.py", TEXT).folder is None


def test_a_named_script(tree: Path, tmp_path: Path) -> None:
    found = script.record(tmp_path, "train.py")
    assert found is not None
    assert (found.name, found.path, found.arguments, found.file) == ("train.py", "code/train.py", (), None)
    assert found.sha256 == hashlib.sha256(TEXT).hexdigest()
    assert str(tree) not in repr(found)


def running(monkeypatch: pytest.MonkeyPatch, file: Path, *arguments: str, **more: Any) -> None:
    """As if *file* were the program of this process."""
    main = ModuleType("__main__")
    main.__file__ = str(file)
    main.__spec__ = None
    for name, value in more.items():
        setattr(main, name, value)
    monkeypatch.setitem(sys.modules, "__main__", main)
    monkeypatch.setattr(sys, "argv", [str(file), *arguments])


def test_the_running_script_with_its_arguments(tree: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    running(monkeypatch, tree / "code" / "train.py", "--depth", "3", "--password", "hunter2")
    found = script.record(tmp_path, None)
    assert found is not None
    assert (found.kind, found.path, found.module) == ("script", "code/train.py", None)
    assert found.arguments == ("--depth", "3", "--password", "***")


def test_a_copy(tree: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    running(monkeypatch, tree / "code" / "train.py")
    found = script.record(tmp_path, "copy")
    assert found is not None
    assert found.file == "training/train.py"
    assert (tmp_path / "training" / "train.py").read_bytes() == TEXT


@pytest.mark.parametrize("module", ["work.train", "work.train.__main__"])
def test_a_module(tree: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, module: str) -> None:
    running(monkeypatch, tree / "code" / "train.py", __spec__=SimpleNamespace(name=module))
    found = script.record(tmp_path, None)
    assert found is not None
    assert found.module == "work.train"


def test_a_notebook_that_tells_its_file(tree: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tree / "code" / "work.ipynb").write_text("{}")
    running(monkeypatch, tree / "x", __vsc_ipynb_file__=str(tree / "code" / "work.ipynb"))
    found = script.record(tmp_path, None)
    assert found is not None
    assert found.kind == "notebook"


@pytest.mark.parametrize(
    ("file", "more"),
    [
        pytest.param(Path(pytest.__file__), {}, id="an-installed-program"),
        pytest.param(Path(subprocess.__file__), {}, id="the-standard-library"),
        pytest.param(Path("missing.py"), {}, id="gone"),
        pytest.param(Path(__file__), {"__spec__": SimpleNamespace(name="cloche.__main__")}, id="our-own-command"),
    ],
)
def test_no_script_of_the_users(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: Path, more: dict[str, Any]
) -> None:
    running(monkeypatch, file, **more)
    assert script.record(tmp_path, None) is None
    with pytest.raises(SaveRefusedError, match="no file"):
        script.record(tmp_path, "copy")


def test_nothing_is_recorded_on_request(tmp_path: Path) -> None:
    assert script.record(tmp_path, False) is None


def test_a_script_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"script: gone\.py: no such file"):
        script.record(tmp_path, "gone.py")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        pytest.param(["--token=abc"], ["--token=***"], id="with-a-sign"),
        pytest.param(["--api-key", "abc", "x"], ["--api-key", "***", "x"], id="the-next-word"),
        pytest.param(["--db-password", "--verbose"], ["--db-password", "--verbose"], id="a-flag-follows"),
        pytest.param(["--secret", "a", "--secret", "b"], ["--secret", "***", "--secret", "***"], id="twice"),
        pytest.param(["data.csv", "--depth", "3"], ["data.csv", "--depth", "3"], id="nothing-secret"),
        pytest.param(["PASSWORD=x"], ["PASSWORD=***"], id="without-dashes"),
    ],
)
def test_secrets_among_the_arguments(given: list[str], kept: list[str]) -> None:
    assert list(script.hidden(given)) == kept
