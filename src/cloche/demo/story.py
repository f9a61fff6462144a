"""
The story of `cloche demo`, told with the real parts: it starts `cloche serve` as its own process, calls it over HTTP,
and changes routes while it answers. Nothing is simulated.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any

from cloche.api import publishing
from cloche.api.saving import save
from cloche.api.version import Version
from cloche.api.workplace import workplace
from cloche.client import Client
from cloche.demo.season import season
from cloche.demo.telling import await_, free, say, serve, show
from cloche.errors import InvalidInputError, MissingExtraError

_NAME = "penguins"
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
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cloche-demo-")))
        store = store or str(folder / ".cloche")
        train = _train_module()
        first = _save_first(train, store)
        port = free(port)
        say(f"3. Serve: cloche serve {_NAME} --port {port}")
        server = stack.enter_context(serve(_NAME, store, port))
        client = stack.enter_context(Client(server.url))
        _call(client, server.url)
        _renew(train, first, client, store)
        watched = stack.enter_context(season(train, store, folder, 9, go_on=not once))
        places = _urls(server.url, store, None if watched is None else watched.login)
        if tell_urls is not None:
            tell_urls(places)
        if not once:
            _until_interrupted(server.process)
    say("done")
    return 0


def _save_first(train: Any, store: str) -> Version:
    say("1. Fit: 344 Palmer penguins, mixed columns, missing values; a scikit-learn pipeline")
    fitted = train.fit()
    say("2. Save: cloche.save(model, 'penguins', inputs=X, targets=y, test=(X_test, y_test))")
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
    show(str(version))
    return version


def _call(client: Client, url: str) -> None:
    say("4. Call it with a good row")
    show(f"$ curl {url}/predict -d '{json.dumps(_GOOD)}'")
    show(json.dumps(client.predict(_GOOD).to_dict()))
    say("5. Call it with a bad one: refused at the door, and told why")
    bad = _GOOD | {"island": "Dreem", "body_mass_g": "heavy"}
    show(f"$ curl {url}/predict -d '{json.dumps(bad)}'")
    try:
        client.predict(bad)
    except InvalidInputError as exc:
        for problem in exc.problems:
            show(f"400 InvalidInput: {problem.text()}")


def _renew(train: Any, first: Version, client: Client, store: str) -> None:
    say("6. Retrain: a random forest becomes the next version; it inherits the contract and waits")
    fitted = train.fit(forest=True)
    second = save(
        fitted.model, _NAME, inputs=fitted.inputs, targets=fitted.targets, test=fitted.test, store=store, quiet=True
    )
    show(f"{second.reference} is saved; {first.reference} still answers")
    here = workplace(store)
    say(f"7. Promote: cloche promote {_NAME} {second.version}")
    publishing.promote(here, _NAME, second.version, why="demo: the retrained model")
    _await(client, second)
    say(f"8. Roll back: cloche rollback {_NAME}")
    publishing.rollback(here, _NAME, why="demo: undo")
    _await(client, first)


def _await(client: Client, version: Version) -> None:
    """Call until *version* answers; every call on the way must be answered too."""
    started, calls = time.monotonic(), 0

    def switched() -> bool:
        nonlocal calls
        calls += 1
        return client.predict(_GOOD).model_version == str(version.version)

    await_(switched, _SWITCH_S, f"{version.reference} to answer")
    show(f"{version.reference} answers after {time.monotonic() - started:.1f} s; {calls} calls, none failed")


def _urls(url: str, store: str, dashboard: str | None) -> dict[str, str]:
    say("14. Look around")
    places = {"docs and try-it form": f"{url}/docs", "predict": f"{url}/predict", "OpenAPI": f"{url}/openapi.json"}
    places |= {} if dashboard is None else {"dashboard (once)": dashboard}
    show("\n".join(f"{what:<22}{where}" for what, where in (places | {"store": store}).items()))
    found = {"url": url, "docs": f"{url}/docs", "predict": f"{url}/predict", "store": store}
    return found | ({} if dashboard is None else {"dashboard": dashboard})


def _until_interrupted(server: subprocess.Popen[bytes]) -> None:
    say("Serving; Ctrl-C ends it")
    try:
        server.wait()
    except KeyboardInterrupt:
        print(flush=True)


def _train_module() -> Any:
    try:
        return import_module("cloche.demo.train")
    except ModuleNotFoundError as exc:
        raise MissingExtraError("the demo", exc.name or "scikit-learn", "all") from exc
