"""
The recorded training script once more: found, put into a folder of its own, run in a new process.

It runs as the user, with everything the user may do; only the store is another one. `Rerun.command` and `Rerun.folder`
say beforehand what would run and where.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cloche.api.workplace import Workplace
from cloche.errors import NotReproducibleError, UsageError
from cloche.manifest import Manifest, Script
from cloche.registry import VersionRecord
from cloche.saving.script import HIDDEN

_GIT_TIMEOUT_S = 120.0
#: What is told of the last line of the script's output where it fails.
_LINE_CHARS = 500


@dataclass(frozen=True, slots=True)
class Where:
    """What the operator says of the run: all None is what was recorded, under this Python."""

    script: Path | None = None
    repository: Path | None = None
    folder: Path | None = None
    python: str | None = None
    arguments: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Rerun:
    """A run that is ready to start; `source` says in words where the script comes from, `store` is thrown away."""

    command: tuple[str, ...]
    folder: Path
    source: str
    store: Path
    environment: dict[str, str]

    def run(self, timeout_s: float | None = None) -> None:
        """
        Run it; what it prints goes to standard error, as it comes.

        Raises:
            NotReproducibleError: it cannot be started, fails, or takes longer than *timeout_s*.
        """
        try:
            process = subprocess.Popen(
                self.command, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        except OSError as exc:
            raise NotReproducibleError(f"{self.command[0]}: cannot be started: {exc.strerror}") from exc
        alarm = threading.Timer(threading.TIMEOUT_MAX if timeout_s is None else timeout_s, _kill, (process,))
        alarm.start()
        try:
            last = _shown(process)
            status = process.wait()
        except BaseException:
            _kill(process)
            raise
        finally:
            late = not alarm.is_alive()
            alarm.cancel()
        if late:
            raise NotReproducibleError(f"the training script did not end within {timeout_s:g} s")
        if status:
            raise NotReproducibleError(f"the training script failed (status {status}) in {self.folder}: {last}")


def _shown(process: subprocess.Popen[bytes]) -> str:
    """Pass on what the script prints; the last line that says something."""
    last = "it said nothing"
    for raw in process.stdout or ():
        line = raw.decode(errors="replace").rstrip()
        print(line, file=sys.stderr, flush=True)
        last = line.strip()[:_LINE_CHARS] or last
    return last


def _kill(process: subprocess.Popen[bytes]) -> None:
    """The script and what it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def prepared(here: Workplace, record: VersionRecord, manifest: Manifest, where: Where) -> Iterator[Rerun]:
    """
    Everything in place for the run; the folders are taken away at the end.

    Raises:
        NotReproducibleError: no script was recorded, or it is nowhere to be had.
        UsageError: what *where* names is not there.
    """
    script = manifest.training.script
    if script is None:
        raise NotReproducibleError(
            f"{record.name}@{record.version}: no training script was recorded; cloche.save records the running script "
            'by itself, script="train.py" names another one'
        )
    if script.kind != "script":
        raise NotReproducibleError(
            f"{record.name}@{record.version}: it was saved from a {script.kind} ({script.name}), which is not run "
            "here; export it as a script, and save with that"
        )
    arguments = _arguments(script, where)
    with tempfile.TemporaryDirectory(prefix="cloche-reproduce-") as root:
        base = Path(root)
        target, folder, source = _in_place(here, record, script, where, base)
        command = (where.python or sys.executable, *target, *arguments)
        if where.folder is not None:
            folder = where.folder
        if not folder.is_dir():
            raise UsageError(f"--in: {folder}: no such folder")
        yield Rerun(command, folder, source, base / "store", _environment(script, base))


def _arguments(script: Script, where: Where) -> tuple[str, ...]:
    if where.arguments is not None:
        return where.arguments
    if any(HIDDEN in one for one in script.arguments):
        shown = " ".join(script.arguments)
        raise NotReproducibleError(
            f"{script.name}: an argument named a secret and was not recorded ({shown}); give all of them after --"
        )
    return script.arguments


def _environment(script: Script, base: Path) -> dict[str, str]:
    seed = {} if script.hash_seed is None else {"PYTHONHASHSEED": script.hash_seed}
    own = {"CLOCHE_ONLY_STORE": str(base / "store"), "CLOCHE_SPOOL": str(base / "spool")}
    return {**os.environ, **seed, **own}


# -- where the script comes from -------------------------------------------------------------------


def _in_place(
    here: Workplace, record: VersionRecord, script: Script, where: Where, base: Path
) -> tuple[tuple[str, ...], Path, str]:
    """The words after the interpreter, the folder to run in, and where the script comes from."""
    if where.script is not None:
        return (str(_same(where.script, script)),), Path.cwd(), f"{where.script}, which is what was recorded"
    missing = ["it was not saved from a clean commit"]
    if script.commit is not None and script.path is not None:
        repository = where.repository or Path.cwd()
        problem = _check_out(repository, script.commit, base / "checkout")
        if problem is None:
            return _checked_out(script, base / "checkout")
        missing = [problem]
    if script.file is not None and script.module is None:
        folder = here.registry.fetch(record, here.settings.cache, here.trust)
        (base / "copy").mkdir()
        copy = base / "copy" / script.name
        copy.write_bytes((folder / script.file).read_bytes())
        return (str(_same(copy, script)),), Path.cwd(), "the copy in the artifact"
    missing.append('the artifact holds no copy (script="copy" keeps one)')
    raise NotReproducibleError(
        f"{record.name}@{record.version}: the script {script.path or script.name} is not to be had: "
        f"{'; '.join(missing)}. --script FILE names it where you have it"
    )


def _checked_out(script: Script, checkout: Path) -> tuple[tuple[str, ...], Path, str]:
    file = _same(checkout / (script.path or script.name), script)
    folder = checkout / (script.folder or ".")
    source = f"commit {str(script.commit)[:12]}"
    if script.module is not None:
        return ("-m", script.module), folder, source
    return (str(file),), folder, source


def _same(file: Path, script: Script) -> Path:
    """*file*, if it is the recorded script to the byte."""
    try:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as exc:
        raise UsageError(f"--script: {file}: {exc.strerror}") from exc
    if digest != script.sha256:
        raise NotReproducibleError(
            f"{file}: not the script that was recorded: expected sha256 {script.sha256[:12]}…, got {digest[:12]}…"
        )
    return file.resolve()


def _check_out(repository: Path, commit: str, target: Path) -> str | None:
    """Put the commit of *repository* into *target*; why that was not possible, or None. No hook of it runs."""
    done, said = _git(repository, "cat-file", "-e", f"{commit}^{{commit}}")
    if not done:
        return f"commit {commit[:12]} is in no repository at {repository} (--repo names a clone)"
    done, said = _git(repository, "rev-parse", "--git-common-dir")  # of a linked work tree too, and of a bare one
    if done:
        done, said = _git(
            repository, "clone", "--quiet", "--shared", "--no-checkout", str(repository / said), str(target)
        )
    if done:
        done, said = _git(target, "-c", "core.hooksPath=/dev/null", "checkout", "--quiet", "--detach", commit)
    return None if done else said


def _git(folder: Path, *arguments: str) -> tuple[bool, str]:
    """Run git there; whether it did what it was asked for, and what it said."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=_GIT_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        return False, f"git {arguments[0]}: {exc}"
    if done.returncode:
        return False, f"git {arguments[0]}: {done.stderr.strip() or 'failed'}"
    return True, done.stdout.strip()
