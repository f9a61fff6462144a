"""
The story of `cloche demo`, told with the real parts: it starts `cloche serve` as its own process, calls it over HTTP,
and changes routes while it answers. Nothing is simulated.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from cloche.api import publishing
from cloche.api.saving import save
from cloche.api.version import Version
from cloche.api.workplace import workplace
from cloche.client import Client
from cloche.errors import InvalidInputError, MissingExtraError, ServingError

_NAME = "penguins"
_READY_S = 60.0
_SWITCH_S = 30.0
_GOOD = {
    "island": "Torgersen",
    "bill_length_mm": 39.1,
    "bill_depth_mm": 18.7,
    "flipper_length_mm": 181,
    "body_mass_g": 3750,
    "sex": None,
}


def tell(*, once: bool, port: int, store: str | None, tell_urls: Callable[[dict[str, str]], None] | None = None) -> int:
    """
    Tell the story; with *once* end when it is told, else keep serving until Ctrl-C. Returns the exit status.

    What there is to look at in the end is handed to *tell_urls* too.
    """
    with ExitStack() as stack:
        if store is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="cloche-demo-"))
            store = str(Path(folder) / ".cloche")
        train = _train_module()
        first = _save_first(train, store)
        port = _free(port)
        server = stack.enter_context(_serve(store, port))
        url = f"http://127.0.0.1:{port}"
        client = stack.enter_context(Client(url))
        _call(client, url)
        _renew(train, first, client, store)
        places = _urls(url, store)
        if tell_urls is not None:
            tell_urls(places)
        if not once:
            _until_interrupted(server)
    _say("done")
    return 0


def _save_first(train: Any, store: str) -> Version:
    _say("1. Fit: 344 Palmer penguins, mixed columns, missing values; a scikit-learn pipeline")
    fitted = train.fit()
    _say("2. Save: cloche.save(model, 'penguins', inputs=X, targets=y, test=(X_test, y_test))")
    version = save(
        fitted.model,
        _NAME,
        inputs=fitted.inputs,
        targets=fitted.targets,
        test=fitted.test,
        store=store,
        promote=True,
        quiet=True,
    )
    _show(str(version))
    return version


def _call(client: Client, url: str) -> None:
    _say("4. Call it with a good row")
    _show(f"$ curl {url}/predict -d '{json.dumps(_GOOD)}'")
    _show(json.dumps(client.predict(_GOOD).to_dict()))
    _say("5. Call it with a bad one: refused at the door, and told why")
    bad = _GOOD | {"island": "Dreem", "body_mass_g": "heavy"}
    _show(f"$ curl {url}/predict -d '{json.dumps(bad)}'")
    try:
        client.predict(bad)
    except InvalidInputError as exc:
        for problem in exc.problems:
            _show(f"400 InvalidInput: {problem.text()}")


def _renew(train: Any, first: Version, client: Client, store: str) -> None:
    _say("6. Retrain: a random forest becomes the next version; it inherits the contract and waits")
    fitted = train.fit(forest=True)
    second = save(
        fitted.model, _NAME, inputs=fitted.inputs, targets=fitted.targets, test=fitted.test, store=store, quiet=True
    )
    _show(f"{second.reference} is saved; {first.reference} still answers")
    here = workplace(store)
    _say(f"7. Promote: cloche promote {_NAME} {second.version}")
    publishing.promote(here, _NAME, second.version, why="demo: the retrained model")
    _await(client, second)
    _say(f"8. Roll back: cloche rollback {_NAME}")
    publishing.rollback(here, _NAME, why="demo: undo")
    _await(client, first)


def _await(client: Client, version: Version) -> None:
    """Call until *version* answers; every call on the way must be answered too."""
    started, calls = time.monotonic(), 0

    def switched() -> bool:
        nonlocal calls
        calls += 1
        return client.predict(_GOOD).model_version == str(version.version)

    _wait(switched, _SWITCH_S, f"{version.reference} to answer")
    _show(f"{version.reference} answers after {time.monotonic() - started:.1f} s; {calls} calls, none failed")


def _urls(url: str, store: str) -> dict[str, str]:
    _say("9. Look around")
    places = {"docs and try-it form": f"{url}/docs", "predict": f"{url}/predict", "OpenAPI": f"{url}/openapi.json"}
    _show("\n".join(f"{what:<22}{where}" for what, where in (places | {"store": store}).items()))
    return {"url": url, "docs": places["docs and try-it form"], "predict": places["predict"], "store": store}


@contextmanager
def _serve(store: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    _say(f"3. Serve: cloche serve {_NAME} --port {port}")
    command = [sys.executable, "-m", "cloche", "serve", _NAME, "--store", store, "--port", str(port)]
    with tempfile.TemporaryFile() as said:
        server = subprocess.Popen(command, stdout=said, stderr=said, start_new_session=True)
        try:
            with Client(f"http://127.0.0.1:{port}", retries=0) as probe:
                _wait(lambda: _ready(server, probe, said), _READY_S, "the server")
            _show(f"ready at http://127.0.0.1:{port}")
            yield server
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()


def _ready(server: subprocess.Popen[bytes], probe: Client, said: IO[bytes]) -> bool:
    if server.poll() is not None:
        said.seek(0)
        raise ServingError(f"the server ended with status {server.returncode}: {said.read().decode(errors='replace')}")
    return probe.ready()


def _until_interrupted(server: subprocess.Popen[bytes]) -> None:
    _say("Serving; Ctrl-C ends it")
    try:
        server.wait()
    except KeyboardInterrupt:
        print(flush=True)


def _wait(condition: Callable[[], bool], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise ServingError(f"waited {seconds:g} s for {what}")
        time.sleep(0.05)


def _free(port: int) -> int:
    """*port*, or a free one where somebody listens there already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            probe.bind(("127.0.0.1", 0))
            _say(f"(port {port} is taken; using another)")
        found: int = probe.getsockname()[1]
        return found


def _train_module() -> Any:
    try:
        return import_module("cloche.demo.train")
    except ModuleNotFoundError as exc:
        raise MissingExtraError("the demo", exc.name or "scikit-learn", "all") from exc


def _say(line: str) -> None:
    print(f"\n\N{BLACK RIGHT-POINTING POINTER} {line}", flush=True)


def _show(text: str) -> None:
    print("\n".join(f"  {line}" for line in text.splitlines()), flush=True)
