"""The parent's side of the throw-away process: starts it, gives it little, believes it less, kills it."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from cloche import pipes
from cloche.errors import ImportRefusedError, SandboxMissingError, UntrustedTypeError
from cloche.threads import ONE_THREAD
from cloche.trust import TrustPolicy

#: Longer than the limit of CPU time would take on a machine that does nothing else.
TIMEOUT_S = 420.0
_MAX_ANSWER = 1 << 20
#: What a process needs to find its libraries; nothing else of the environment is handed over (keys, tokens).
_KEPT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "SYSTEMROOT")


class _Answer(msgspec.Struct):
    """What the process says."""

    kind: str
    message: str = ""
    foreign: list[str] = []
    broken: str | None = None
    asked: int = 0
    flavor: str = ""
    options: dict[str, Any] = {}
    versions: list[str] = []


#: Made at import: where two threads work a type out at once, msgspec crashes the process.
_TYPES = msgspec.json.Decoder(_Answer)


@dataclass(frozen=True, slots=True)
class Converted:
    """What the process wrote, by the flavor it names; foreign content, to be opened as such."""

    directory: Path
    flavor: str
    options: dict[str, Any]
    versions: tuple[str, ...]


def convert(file: Path, folder: Path, trust: TrustPolicy, *, isolate: bool, name: str) -> Converted:
    """
    Convert the pickle *file* in a throw-away process that can write to *folder* only; messages call the file *name*.

    Raises:
        SandboxMissingError: the process cannot be shut in here, and *isolate* asks for it.
        UntrustedTypeError: the file imports names that are not on the list; none of them was imported.
        ImportRefusedError: it cannot be read, or its model cannot be frozen.
    """
    work = folder / "sandbox"
    for one in (work, work / "home", work / "tmp"):
        one.mkdir(mode=0o700)
    job = {"file": str(file), "folder": str(work), "trust": trust.names_only().to_dict(), "isolate": isolate}
    answer = _ask(job, work, name)
    if answer.kind == "isolation":
        raise SandboxMissingError(
            f"{name}: a pickle runs code when it is opened, and this machine cannot shut the process in that opens it "
            f"({answer.message}); on a machine that holds nothing worth stealing say --no-sandbox"
        )
    if answer.kind == "names":
        raise _refused(answer, name)
    if answer.kind != "done":
        raise ImportRefusedError(f"{name}: could not be converted: {answer.message}")
    return Converted(work / "converted", answer.flavor, answer.options, tuple(answer.versions))


def _ask(job: dict[str, Any], work: Path, name: str) -> _Answer:
    kept = {key: os.environ[key] for key in _KEPT if key in os.environ}
    environment = kept | ONE_THREAD | {"HOME": str(work / "home"), "TMPDIR": str(work / "tmp"), "PYTHONHASHSEED": "0"}
    with (work / "said").open("w+b") as said:
        process = subprocess.Popen(
            [sys.executable, "-P", "-B", "-m", "cloche.importers.convert"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            cwd=work,
            env=environment,
            start_new_session=True,
            close_fds=True,
        )
        try:
            out, _ = process.communicate(pipes.message_bytes(job), timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise ImportRefusedError(f"{name}: could not be converted within {TIMEOUT_S:g} s; it was stopped") from None
        finally:
            _end(process)
        said.seek(0)
        return _read(out, name, process.returncode, said.read(4000).decode(errors="replace"))


def _read(out: bytes, name: str, status: int | None, said: str) -> _Answer:
    if not out:
        last = " ".join(said.strip().splitlines()[-1:])[:300]
        how = f"it was ended by signal {-status}" if status and status < 0 else f"it ended with status {status}"
        raise ImportRefusedError(f"{name}: could not be converted: {how} (a limit of CPU, memory or files?) {last}")
    try:
        if len(out) > _MAX_ANSWER:
            raise ValueError(f"an answer of {len(out)} bytes")
        return msgspec.convert(pipes.read(io.BytesIO(out)), _Answer)
    except (ValueError, EOFError, msgspec.MsgspecError) as exc:
        raise ImportRefusedError(f"{name}: the process that converted it gave no answer of its own: {exc}") from exc


def _end(process: subprocess.Popen[bytes]) -> None:
    """Whatever it started goes with it."""
    if process.poll() is None or os.name == "posix":
        try:
            if os.name == "posix":
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        except (ProcessLookupError, PermissionError):
            pass
    process.wait()


def _refused(answer: _Answer, name: str) -> Exception:
    shown = ", ".join(answer.foreign[:20]) + (
        f" and {len(answer.foreign) - 20} more" if len(answer.foreign) > 20 else ""
    )
    if not answer.foreign:
        return ImportRefusedError(f"{name}: the pickle is broken ({answer.broken}); nothing was imported")
    broken = f" (and it is broken: {answer.broken})" if answer.broken else ""
    return UntrustedTypeError(
        f"{name}: the pickle imports names that are not on the allow-list: {shown}{broken}; it was not opened. "
        f"{_way_out(answer.foreign)}"
    )


def _way_out(foreign: list[str]) -> str:
    """Nobody is told to allow `posix.system`: a class of somebody's own is never Python's."""
    pythons = [one for one in foreign if one.partition(".")[0] in sys.stdlib_module_names]
    if pythons:
        return (
            f"{pythons[0]} is Python's own, and not what fitted models are made of: this is an attack, or more than "
            "a model. Whoever made it can save the model itself: skops.io.dump(model, 'model.skops')"
        )
    return (
        "An operator who has read the code of its own classes, installed where the model runs, allows each: "
        f"cloche trust --type {foreign[0]}"
    )
