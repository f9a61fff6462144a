"""
The chapter of the monitor: the world shifts, somebody is told, labels say what it cost, and a rollback ends it.

It has a store of its own, so that its settings may be short: a window is a minute, not an hour. Its penguins are real
ones, 1.2 kg heavier: Adelies of Biscoe after a good season.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cloche.api import copying, publishing
from cloche.api.saving import save
from cloche.api.workplace import Workplace, workplace
from cloche.client import Client
from cloche.demo.telling import Serving, await_, free, say, serve, show
from cloche.errors import ClocheError, MissingExtraError, ServingError
from cloche.keys import KeyRing
from cloche.monitoring import shelf
from cloche.monitoring.documents import ModelDocument
from cloche.prediction_log import homes

_NAME = "penguins"
_SOON_S = 60.0
_BIRDS_S = 5.0
_RULES = """\
[alerts]
defaults = false
[[alert]]
name = "too-many-gentoo"
when = "share(prediction='Gentoo') > 80%"
over = "5m"
severity = "critical"
[sinks.here]
kind = "webhook"
url = "{url}"
[models.penguins]
owner = "Ornithology"
runbook = "https://wiki.example.org/penguins"
"""
#: Short, so that it can be told in a minute: `[monitor]` and `[log]` of `config.toml`.
_SHORT = {
    "CLOCHE_SERVER_MONITOR": "true",
    "CLOCHE_LOG_SEGMENT_AGE_S": "0.2",
    "CLOCHE_MONITOR_WINDOW_MINUTES": "1",
    "CLOCHE_MONITOR_WINDOW_ROWS": "100",
    "CLOCHE_MONITOR_PERSIST": "1",
}


@dataclass(frozen=True, slots=True)
class Season:
    """The server of the chapter, and who may do what there."""

    server: Serving
    here: Workplace
    login: str
    key: str
    told: list[dict[str, Any]]

    @property
    def management(self) -> str:
        """The address of the management port."""
        return self.login.partition("/login")[0]

    def document(self) -> ModelDocument | None:
        """What the dashboard shows of the last hour."""
        return shelf.read(self.here.store, _NAME, "1h")

    def change(self, what: str, **body: Any) -> dict[str, Any]:
        """What the buttons of the dashboard do, with a key."""
        headers = {"content-type": "application/json", "authorization": f"Bearer {self.key}"}
        connection = http.client.HTTPConnection(urlsplit(self.management).netloc, timeout=_SOON_S)
        try:
            connection.request("POST", f"/models/{_NAME}/{what}", json.dumps(body), headers)
            found: dict[str, Any] = json.load(connection.getresponse())
        finally:
            connection.close()
        if "error" in found:
            raise ServingError(f"{what}: {found['message']}")
        return found


@contextmanager
def season(train: Any, store: str, folder: Path, number: int, *, go_on: bool) -> Iterator[Season | None]:
    """
    Tell the chapter from step *number* on, and go on serving inside the block; None without the extra `monitor`.

    With *go_on* birds go on coming inside the block, so that there is something to look at.
    """
    try:
        homes.check("scipy")
    except MissingExtraError as exc:
        say(f"{number}. Watch: left out, {exc}")
        yield None
        return
    with ExitStack() as stack:
        told, url = stack.enter_context(_listening())
        fields = folder / ".cloche-season"
        here = _two_versions(train, store, fields, number)
        rules = folder / "season.toml"
        rules.write_text(_RULES.format(url=url), "utf-8")
        _, key = KeyRing.open(None, here.store, folder).create(scopes=("manage",), name="the story")
        flags = ("--rules", str(rules))
        say(f"{number + 1}. Serve it, watched: rules of alerts in a file, a webhook on this machine")
        port = free(0)
        server = stack.enter_context(
            serve(_NAME, str(fields), port, flags, CLOCHE_SPOOL=str(folder / "spool"), **_SHORT)
        )
        login = await_(lambda: re.search(r"manage +(\S+)", server.said()), _SOON_S, "the management port")[1]
        found = Season(server, here, login, key, told)
        with Client(server.url) as client:
            _tell(found, client, train, number + 2)
        if go_on:
            stack.enter_context(_more_birds(server.url, train))
        yield found


@contextmanager
def _more_birds(url: str, train: Any) -> Iterator[None]:
    """Some heavy Adelies every five seconds, labelled, until the block ends."""
    stop = threading.Event()
    rows, truths = train.heavy(44)

    def ask() -> None:
        with Client(url) as client:
            while not stop.wait(_BIRDS_S):
                with contextlib.suppress(ClocheError):  # the server ends before we do
                    _label(client, client.predict(rows).to_dict(), truths)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _label(client: Client, answer: dict[str, Any], truths: list[str]) -> None:
    client.label([{"request_id": answer["request_id"], "row": row, "label": one} for row, one in enumerate(truths)])


def _two_versions(train: Any, store: str, fields: Path, number: int) -> Workplace:
    say(f"{number}. A leaner model: mass, island and sex only, nothing to measure at the bill; in a store of its own")
    copying.copy(workplace(store), f"{_NAME}@1", str(fields))
    lean = train.fit(lean=True)
    version = save(
        lean.model, _NAME, inputs=lean.inputs, targets=lean.targets, test=lean.test, store=str(fields), quiet=True
    )
    here = workplace(str(fields))
    publishing.promote(here, _NAME, version.version, why="demo: cheaper to measure", preflight=False)
    show(f"{version.reference} is live, {_NAME}@1 is the one before")
    return here


def _tell(found: Season, client: Client, train: Any, number: int) -> None:
    say(f"{number}. The traffic shifts: Adelies of Biscoe, 1.2 kg heavier after a good season")
    rows, truths = train.heavy()
    answer = _ask(client, rows)
    document = await_(lambda: _seen(found, "Gentoo"), _SOON_S, "the monitor to see the answers")
    show(f"the dashboard: {_shares(document)}; before, on the test set, a third was Gentoo")
    alert = await_(lambda: _told(found, "firing"), _SOON_S, "the webhook")
    show(f"the webhook was told: [{alert['status'].upper()}] {alert['rule']}: {alert['value_text']} ({alert['owner']})")
    say(f"{number + 1}. Labels arrive: what the birds really were, by the request's id")
    _label(client, answer, truths)
    accuracy = await_(lambda: _accuracy(found), _SOON_S, "the live accuracy")
    show(f"the dashboard: accuracy {accuracy[0]:.2f} by labels; {accuracy[1]:.2f} when it was saved")
    say(
        f"{number + 2}. Roll back, as the button on the dashboard does: POST {found.management}/models/{_NAME}/rollback"
    )
    changed = found.change("rollback", why="demo: heavy Adelies are no Gentoos")
    show(f"{changed['change']}, by {changed['by']}")
    await_(lambda: client.predict(rows[0]).model_version == "1", _SOON_S, "version 1 to answer")
    again = _ask(client, rows)
    right = sum(one == truth for one, truth in zip(again["prediction"], truths, strict=True)) / len(truths)
    alert = await_(lambda: _told(found, "resolved"), _SOON_S, "the webhook")
    show(
        f"version 1 is right {right:.0%} of the time; the webhook was told: [{alert['status'].upper()}] {alert['rule']}"
    )


def _ask(client: Client, rows: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = client.predict(rows).to_dict()
    show(f"{len(rows)} rows, answered by version {found['model_version']}")
    return found


def _seen(found: Season, name: str) -> ModelDocument | None:
    document = found.document()
    return document if document is not None and any(one.name == name for one in document.answers) else None


def _shares(document: ModelDocument) -> str:
    newest = {
        one.name: next((value for value in reversed(one.values) if value is not None), 0.0) for one in document.answers
    }
    return ", ".join(f"{name} {share:.0%}" for name, share in newest.items())


def _told(found: Season, status: str) -> dict[str, Any] | None:
    return next((one for one in found.told if one["status"] == status), None)


def _accuracy(found: Season) -> tuple[float, float] | None:
    """By labels, and when the version was saved."""
    document = found.document()
    for one in () if document is None else document.quality:
        known = [value for value in one.realised.values if value is not None] if one.realised is not None else []
        if one.name == "accuracy" and known:
            return known[-1], one.baseline or 0.0
    return None


@contextmanager
def _listening() -> Iterator[tuple[list[dict[str, Any]], str]]:
    """A webhook on this machine: what it was told, and its address."""
    told: list[dict[str, Any]] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(told.append))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield told, f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def _handler(take: Callable[[dict[str, Any]], None]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            take(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            """The story is told by others."""

    return Handler
