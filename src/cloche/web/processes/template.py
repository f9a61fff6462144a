"""
`python -m cloche.web.processes.template RUN --id ID --lifeline FD`: one opened artifact, forked for each engine.

With `--id-fd FD` instead of `--id` it is told over a pipe which one it is, once that is known.

Opens the artifact from the cache (checks, golden rows, warm-up), freezes what the collector would otherwise touch,
then serves every connection to `RUN/ID.sock` by a forked process. A library that is not fork-safe, by what its
flavor says or because it has started threads, is never loaded here: each forked process opens the artifact itself.
No store, no network, no threads.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NoReturn

import msgspec

from cloche import pipes
from cloche.artifact import chosen, open_artifact
from cloche.engines import FORK_SAFE
from cloche.errors import ClocheError, EngineError
from cloche.flavors import get_flavor
from cloche.integrity import read_plain
from cloche.logs import configure
from cloche.manifest import MANIFEST, Manifest
from cloche.serving.engine_child import ChildEngine
from cloche.web.processes import lifeline, server_file
from cloche.web.processes.folder import RunFolder, write_json
from cloche.web.processes.wanted import Failure, TemplateSpec, template_of

_log = logging.getLogger("cloche.engine")
_BACKLOG = 256
#: What a template says that has opened nothing itself.
_EACH_ITS_OWN = "native"
_MAX_MANIFEST = 16 << 20
_LONGEST_ID = 4096
Open = Callable[[], ChildEngine]


def main(arguments: list[str]) -> int:
    """Fork engines until killed; 1 where the artifact is refused."""
    given = _parse(arguments)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the supervisor alone decides; it kills
        signal.signal(number, signal.SIG_IGN)
    lifeline.hold(os.dup(given.lifeline))
    run = RunFolder(given.run)
    configure(server_file.server_of(run).config.log_format)
    os.dup2(2, 1)  # what a model prints is no answer of ours
    identifier = given.id or _told(given.id_fd)
    spec = template_of(run, identifier) if identifier else None
    if spec is None:
        return 0
    try:
        cold = given.cold or not _fork_safe(spec)
        make, engine = (_opened_by_each(spec), _EACH_ITS_OWN) if cold else _opened_once(spec)
    except Exception as exc:  # noqa: BLE001  an artifact may break any library on its way in
        if not isinstance(exc, ClocheError | _ColdRefusal):
            _log.exception("the artifact could not be opened")
        server_file.write(run.refused(spec.id), exc.failure if isinstance(exc, _ColdRefusal) else Failure.of(exc))
        return 1
    if _threads() > 1 and not given.cold:
        _log.info("%s: its library has started threads; each engine opens the artifact by itself", spec.id)
        _again_cold(given, spec.id)
    with _listen(run.socket(spec.id)) as listener:
        write_json(run.ready(spec.id), {"pid": os.getpid(), "engine": engine})
        _log.info("%s: ready to fork engines (template process %d)", spec.id, os.getpid())
        _accept(listener, make)
    return 0


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--id")
    which.add_argument("--id-fd", type=int)
    parser.add_argument("--lifeline", type=int, required=True)
    parser.add_argument("--cold", action="store_true")
    return parser.parse_args(arguments)


def _told(descriptor: int) -> str:
    """The id that comes over the pipe; nothing where it closes first."""
    with os.fdopen(descriptor, "rb") as pipe:
        return os.read(pipe.fileno(), _LONGEST_ID).decode()


def _again_cold(given: argparse.Namespace, identifier: str) -> NoReturn:
    """Become a template that opens nothing itself."""
    command = [sys.executable, "-P", "-m", "cloche.web.processes.template", str(given.run), "--id", identifier]
    os.execv(sys.executable, [*command, "--lifeline", str(given.lifeline), "--cold"])  # noqa: S606


# -- the artifact -----------------------------------------------------------------------------------


def _open(spec: TemplateSpec) -> ChildEngine:
    return ChildEngine(open_artifact(Path(spec.directory), spec.trust, engine=spec.engine, device=spec.device))


def _opened_once(spec: TemplateSpec) -> tuple[Open, str]:
    """Open it here, what is forked has it; and which engine answers."""
    engine = _open(spec)
    gc.collect()
    gc.freeze()
    return lambda: engine, engine.name


def _opened_by_each(spec: TemplateSpec) -> Open:
    """Open it in a process that ends again, to learn whether it opens."""
    source, sink = os.pipe()
    if (pid := os.fork()) == 0:
        _answer_and_end(lambda: os.write(sink, _attempt(spec)))
    os.close(sink)
    with os.fdopen(source, "rb") as told:
        raw = told.read()
    os.waitpid(pid, 0)
    if not raw:
        raise EngineError("the process that opened the artifact died")
    failure = msgspec.json.decode(raw, type=Failure | None)
    if failure is not None:
        raise _ColdRefusal(failure)
    return lambda: _open(spec)


class _ColdRefusal(Exception):
    """What the process that tried to open the artifact said."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def _attempt(spec: TemplateSpec) -> bytes:
    try:
        _open(spec)
    except Exception as exc:  # noqa: BLE001  as in `main`
        return msgspec.json.encode(Failure.of(exc))
    return b"null"


def _fork_safe(spec: TemplateSpec) -> bool:
    """What the flavor says, whose library twin and ONNX do without; where none is there, opening will say why."""
    directory = Path(spec.directory)
    try:
        manifest = Manifest.from_json(read_plain(directory / MANIFEST, limit=_MAX_MANIFEST))
        engine = chosen(manifest, spec.engine, spec.device)
        return FORK_SAFE[engine] if engine in FORK_SAFE else get_flavor(manifest.flavor, spec.trust.flavors).fork_safe
    except ClocheError:
        return True


def _threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


# -- the socket -------------------------------------------------------------------------------------


def _listen(path: Path) -> socket.socket:
    """Bound beside and moved there: who finds the socket can connect."""
    beside = path.with_name(f".{os.getpid()}.sock")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(beside))
    listener.listen(_BACKLOG)
    beside.rename(path)
    return listener


def _accept(listener: socket.socket, make: Open) -> None:
    signal.signal(signal.SIGCHLD, _reap)
    while True:
        connection, _ = listener.accept()
        with connection:
            try:
                pid = os.fork()
            except OSError as exc:
                _log.error("no engine could be forked: %s", exc)  # the worker sees its connection close
                continue
            if pid == 0:
                listener.close()
                _answer_and_end(partial(_serve, connection, make))


def _reap(_number: int, _frame: object) -> None:
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            status = os.waitstatus_to_exitcode(found[1])
            if status:
                _log.error("engine process %d ended (exit status %d)", found[0], status)


def _answer_and_end(work: Callable[[], object]) -> NoReturn:
    """Do *work* in a forked process; nothing of the parent's loop is ever returned to."""
    status = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        work()
        status = 0
    except (EOFError, ConnectionError):  # the worker has gone, or closed us
        status = 0
    except BaseException:  # noqa: BLE001
        _log.exception("the engine failed")
    finally:
        sys.stderr.flush()
        os._exit(status)


def _serve(connection: socket.socket, make: Open) -> None:
    """Be an engine: say what is held, then answer calls until the worker closes."""
    _, readers, _, _ = socket.recv_fds(connection, 1, 1)
    if not readers:
        return
    lifeline.hold(readers[0])
    calls, answers = connection.makefile("rb"), connection.makefile("wb")
    try:
        engine = make()
    except Exception as exc:  # noqa: BLE001  as in `main`
        pipes.write(answers, {"refused": f"{type(exc).__name__}: {exc}"})
        return
    pipes.write(answers, engine.facts() | {"pid": os.getpid()})
    while True:
        pipes.write(answers, engine.answer(pipes.read(calls)))


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(status)  # taking the libraries down can last seconds
