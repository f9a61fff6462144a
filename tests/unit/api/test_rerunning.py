"""Finding the recorded script and running it: every reason why it cannot be, by name. No model is trained here."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

import handmade
from cloche.api.rerunning import Rerun, Where, prepared
from cloche.api.workplace import workplace
from cloche.errors import NotReproducibleError, UsageError
from cloche.manifest import MANIFEST, Manifest, Script, Training
from cloche.registry import VersionRecord
from cloche.saving.writing import seal, with_changes

TEXT = b"import os, sys; print('ran', sys.argv[1:], os.path.basename(os.getcwd()))\n"
SCRIPT = Script(name="train.py", sha256=hashlib.sha256(TEXT).hexdigest(), arguments=("--depth", "3"))


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    return subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


class Bench:
    """A work tree with the script in it, and a store."""

    def __init__(self, root: Path) -> None:
        self.root, self.tree = root, root / "tree"
        (self.tree / "code").mkdir(parents=True)
        (self.tree / "code" / "train.py").write_bytes(TEXT)
        git(self.tree, "init", "-q")
        git(self.tree, "add", ".")
        git(self.tree, "commit", "-qm", "first")
        self.commit = git(self.tree, "rev-parse", "HEAD")

    def committed(self, **changes: Any) -> Script:
        return msgspec.structs.replace(SCRIPT, path="code/train.py", commit=self.commit, folder="code", **changes)

    def publish(self, script: Script | None, copy: bytes | None = None) -> tuple[VersionRecord, Manifest]:
        folder = handmade.artifact(self.root / "artifact")
        if copy is not None:
            (folder / "training").mkdir()
            (folder / "training" / "train.py").write_bytes(copy)
        manifest = Manifest.from_json((folder / MANIFEST).read_bytes())
        manifest = seal(folder, with_changes(manifest, training=Training(script=script)))
        record = workplace().registry.publish(
            folder, name="penguins", contract=handmade.contract(), contract_number=1, by="ada"
        )
        return record, manifest


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = Bench(tmp_path)
    monkeypatch.setenv("CLOCHE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("CLOCHE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(made.tree / "code")
    return made


def run(bench: Bench, script: Script | None, where: Where = Where(), copy: bytes | None = None) -> Rerun:
    record, manifest = bench.publish(script, copy)
    with prepared(workplace(), record, manifest, where) as rerun:
        rerun.run(60)
    assert not rerun.store.parent.exists()
    return rerun


def test_from_a_checkout_of_the_commit(bench: Bench, capfd: pytest.CaptureFixture[str]) -> None:
    (bench.tree / "code" / "train.py").write_text("changed since")
    rerun = run(bench, bench.committed())
    assert rerun.source == f"commit {bench.commit[:12]}"
    assert capfd.readouterr().err == "ran ['--depth', '3'] code\n"
    assert git(bench.tree, "worktree", "list").count("\n") == 0


def test_no_hook_of_the_repository_runs(bench: Bench) -> None:
    hook = bench.tree / ".git" / "hooks" / "post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {bench.root}/canary\n")
    hook.chmod(0o755)
    run(bench, bench.committed())
    assert not (bench.root / "canary").exists()


def test_as_a_module(bench: Bench, capfd: pytest.CaptureFixture[str]) -> None:
    rerun = run(bench, bench.committed(module="train"))
    assert rerun.command[1:3] == ("-m", "train")
    assert "ran" in capfd.readouterr().err


def test_from_the_copy_in_the_artifact(bench: Bench, capfd: pytest.CaptureFixture[str]) -> None:
    rerun = run(bench, msgspec.structs.replace(SCRIPT, file="training/train.py"), copy=TEXT)
    assert rerun.source == "the copy in the artifact"
    assert capfd.readouterr().err == "ran ['--depth', '3'] code\n"  # where the operator is


def test_the_copy_stands_in_for_a_commit_that_is_not_here(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rerun = run(bench, bench.committed(file="training/train.py"), copy=TEXT)
    assert rerun.source == "the copy in the artifact"


def test_from_a_clone_that_is_named(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(bench, bench.committed(), Where(repository=bench.tree)).source.startswith("commit")


def test_the_operators_own_words(bench: Bench, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "mine.py").write_bytes(TEXT)
    where = Where(
        script=tmp_path / "mine.py", folder=tmp_path / "elsewhere", python=sys.executable, arguments=("--depth", "4")
    )
    rerun = run(bench, SCRIPT, where)
    assert rerun.folder == tmp_path / "elsewhere"
    assert capfd.readouterr().err == "ran ['--depth', '4'] elsewhere\n"


def test_it_saves_into_a_store_of_its_own_whatever_it_names(bench: Bench, capfd: pytest.CaptureFixture[str]) -> None:
    text = b"from cloche.api.workplace import workplace\nprint(workplace('s3://production').store.describe())\n"
    script = msgspec.structs.replace(
        SCRIPT, sha256=hashlib.sha256(text).hexdigest(), file="training/train.py", hash_seed="0"
    )
    rerun = run(bench, script, copy=text)
    assert capfd.readouterr().err.strip() == str(rerun.store)
    assert rerun.environment["PYTHONHASHSEED"] == "0"


def test_nothing_is_copied_out_of_the_only_store(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOCHE_ONLY_STORE", str(bench.root / "only"))
    here = workplace("s3://production")
    assert here.store.describe() == str(bench.root / "only")
    with pytest.raises(Exception, match="only_store is set"):
        here.other_store("s3://production")


@pytest.mark.parametrize(
    ("script", "where", "said"),
    [
        pytest.param(None, Where(), "no training script was recorded", id="none-recorded"),
        pytest.param(
            Script(name="w.ipynb", sha256="0" * 64, kind="notebook"), Where(), "saved from a notebook", id="notebook"
        ),
        pytest.param(SCRIPT, Where(), "not saved from a clean commit.*holds no copy", id="dirty-and-no-copy"),
        pytest.param(
            msgspec.structs.replace(SCRIPT, path="code/train.py", commit="f" * 40), Where(),
            "commit ffffffffffff is in no repository", id="unknown-commit",
        ),
        pytest.param(
            msgspec.structs.replace(SCRIPT, arguments=("--token", "***")), Where(),
            "an argument named a secret", id="hidden-argument",
        ),
        pytest.param(
            SCRIPT, Where(script=Path("other.py")), "not the script that was recorded", id="another-script",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_run_again(bench: Bench, script: Script | None, where: Where, said: str) -> None:
    (bench.tree / "code" / "other.py").write_text("pass")
    record, manifest = bench.publish(script)
    with pytest.raises(NotReproducibleError, match=said), prepared(workplace(), record, manifest, where):
        pass


@pytest.mark.parametrize(
    ("where", "said"),
    [
        pytest.param(Where(script=Path("gone.py")), "gone.py: No such file", id="script"),
        pytest.param(Where(script=Path("train.py"), folder=Path("gone")), "gone: no such folder", id="folder"),
    ],
)
def test_called_wrongly(bench: Bench, where: Where, said: str) -> None:
    record, manifest = bench.publish(SCRIPT)
    with pytest.raises(UsageError, match=said), prepared(workplace(), record, manifest, where):
        pass


def test_a_copy_that_is_not_what_was_recorded(bench: Bench) -> None:
    record, manifest = bench.publish(msgspec.structs.replace(SCRIPT, file="training/train.py"), copy=b"something else")
    with (
        pytest.raises(NotReproducibleError, match="not the script that was recorded"),
        prepared(workplace(), record, manifest, Where()),
    ):
        pass


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(lambda r: replace(r, command=("/no/python",)), "/no/python: cannot be started", id="no-python"),
        pytest.param(lambda r: replace(r, command=_python("raise SystemExit(3)")), "status 3", id="exit-status"),
        pytest.param(
            lambda r: replace(r, command=_python("open('data.csv')")), "No such file.*'data.csv'", id="missing-data"
        ),
    ],
)
def test_a_run_that_fails(tmp_path: Path, change: Callable[[Rerun], Rerun], said: str) -> None:
    rerun = change(Rerun((), tmp_path, "a test", tmp_path / "store", {}))
    with pytest.raises(NotReproducibleError, match=said):
        rerun.run()


def test_a_run_that_does_not_end_is_killed_with_what_it_started(tmp_path: Path) -> None:
    text = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"
    rerun = Rerun(_python(text), tmp_path, "a test", tmp_path / "store", {})
    with pytest.raises(NotReproducibleError, match=r"did not end within 0\.2 s"):
        rerun.run(0.2)


def _python(text: str) -> tuple[str, ...]:
    return (sys.executable, "-S", "-c", text)
