"""The attacks on an artifact, each opened in a process of its own kind, which must neither die nor run a payload."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from cloche import pipes
from cloche.testing.example import CheckError
from cloche.testing.subject import Subject
from cloche.testing.tamper import Attack, attacks
from cloche.trust import TrustPolicy

_SHOWN = 5


class _Child:
    """The process that opens; a new one after each death."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, directory: Path, trust: TrustPolicy) -> dict[str, Any]:
        """What became of it, or `{"died": status}`."""
        if self._process is None:
            command = [sys.executable, "-P", "-m", "cloche.testing.child"]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        process = self._process
        if process.stdin is None or process.stdout is None:
            raise CheckError("the process that opens artifacts has no pipes")
        try:
            pipes.write(process.stdin, {"directory": str(directory), "trust": trust.to_dict()})
            return pipes.read(process.stdout)
        except (EOFError, OSError):
            return {"died": self.close()}

    def close(self) -> int | None:
        """End it; its exit status."""
        process, self._process = self._process, None
        if process is None:
            return None
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            return process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


def refusals(subject: Subject) -> dict[str, str]:
    """
    Try every attack; what each ended in, by the attack's name.

    Raises:
        CheckError: one opened that must not, raised what is no ArtifactError, killed the process, or ran its payload.
    """
    canary = subject.folder / "canary"
    options = dict(subject.staged.manifest.options)
    child, found, wrong = _Child(), {}, []
    try:
        for attack in attacks(subject.model_files, options, canary):
            outcome, complaint = _tried(subject, attack, child)
            found[attack.name] = outcome
            if canary.exists():
                canary.unlink()
                complaint = "its payload ran"
            wrong += [f"{attack.name}: {complaint}"] if complaint else []
    finally:
        child.close()
    if wrong:
        more = f" (and {len(wrong) - _SHOWN} more)" if len(wrong) > _SHOWN else ""
        raise CheckError("; ".join(wrong[:_SHOWN]) + more)
    return found


def _tried(subject: Subject, attack: Attack, child: _Child) -> tuple[str, str | None]:
    directory = subject.copy("attacked")
    try:
        attack.do(directory)
        said = child.ask(directory, subject.trust)
    finally:
        shutil.rmtree(directory)
        directory.with_name(f"{directory.name}-elsewhere").unlink(missing_ok=True)
    if "died" in said:
        return "died", f"the process that opened it ended with status {said['died']}"
    if "raised" in said:
        return said["raised"], f"expected an ArtifactError, got {said['raised']}: {said['message'][:200]}"
    if "opened" in said:
        return "opened", None if attack.may_open else "it was opened"
    return str(said["refused"]), None
