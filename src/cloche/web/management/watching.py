"""The dashboard on the management port: which page, of which document, and who may change what."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

from cloche.dashboard.pages import alert_page, field_page, model_page, nothing_page
from cloche.errors import NotFoundError, RefusedError, RequestError
from cloche.markup import Html
from cloche.monitoring.documents import RANGES, ModelDocument
from cloche.registry import RouteEvent
from cloche.web.answer import JSON, Answer, of_json
from cloche.web.gate import Facts
from cloche.web.head import Head
from cloche.web.management.documents import Documents
from cloche.web.management.door import Entered
from cloche.web.management.steering import Steering, wish_of

_RANGE: Final = "24h"
_MOST_DIGITS: Final = 9
HTML: Final = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a query asks for."""

    model: str
    range: str
    version: int | None
    name: str

    @classmethod
    def of(cls, head: Head, entered: Entered) -> Asked:
        """
        From a request about a model.

        Raises:
            RequestError: there is no such range, or the version is no number.
        """
        assert entered.model is not None, "the door knows the model of each place beneath /models/NAME"
        query = parse_qs(head.query, keep_blank_values=True, encoding="utf-8", errors="replace")
        range_ = query.get("range", [_RANGE])[0]
        if range_ not in RANGES:
            raise RequestError(f"range: expected one of {', '.join(RANGES)}, got '{range_[:64]}'")
        version = query.get("version", [""])[0]
        if version and not (version.isascii() and version.isdigit() and len(version) <= _MOST_DIGITS):
            raise RequestError(f"version: expected a number, got '{version[:64]}'")
        return cls(entered.model, range_, int(version) if version else None, query.get("name", [""])[0])


class Watching:
    """Answers what is beneath `/models/NAME`. Without *steering* nobody changes a route here."""

    def __init__(self, documents: Documents, steering: Steering | None) -> None:
        self._documents = documents
        self._steering = steering

    async def overview(self, entered: Entered, served: Collection[str]) -> dict[str, ModelDocument | None]:
        """The document of the day of each model that who asks may see: those *served*, and those measured."""
        names = {*served, *await self._documents.models()}
        return await self._documents.overview({name for name in names if entered.may("view", name)})

    async def model(self, head: Head, entered: Entered, _body: bytes) -> Answer:
        """`GET /models/NAME`"""
        asked, signed_in = Asked.of(head, entered), entered.session is not None
        document = await self._read(asked)
        if document is None:
            page = nothing_page(asked.model, asked.range, asked.version, signed_in=signed_in)
            return of_html(page, 404)
        may_change = signed_in and self._steering is not None
        return of_html(await asyncio.to_thread(model_page, document, may_change=may_change, signed_in=signed_in))

    async def field(self, head: Head, entered: Entered, _body: bytes) -> Answer:
        """`GET /models/NAME/field?name=FIELD`"""
        asked = Asked.of(head, entered)
        document = await self._known(asked)
        page = field_page(document, asked.name, signed_in=entered.session is not None)
        if page is None:
            raise NotFoundError(f"model '{asked.model}' has no watched field '{asked.name[:64]}'")
        return of_html(page)

    async def alert(self, head: Head, entered: Entered, _body: bytes) -> Answer:
        """`GET /models/NAME/alert?name=RULE`: what the rule means, the first three checks, when to roll back."""
        asked = Asked.of(head, entered)
        page = alert_page(await self._known(asked), asked.name, signed_in=entered.session is not None)
        if page is None:
            raise NotFoundError(f"model '{asked.model}' has no alert rule '{asked.name[:64]}'")
        return of_html(page)

    async def document(self, head: Head, entered: Entered, _body: bytes) -> Answer:
        """`GET /models/NAME/document`: what the page shows, as JSON."""
        return Answer(200, (await self._known(Asked.of(head, entered))).to_json(), {"content-type": JSON})

    async def routes(self, _head: Head, entered: Entered, _body: bytes) -> Answer:
        """`GET /models/NAME/routes`"""
        return of_json(await self._steer().routes(entered.model or ""))

    async def promote(self, _head: Head, entered: Entered, body: bytes) -> Answer:
        """`POST /models/NAME/promote` with `{"version": 3, "why": …, "expect": …}`"""
        wish = wish_of(body, version=True)
        return _of_event(await self._steer().promote(entered.model or "", wish, by=_by(entered)))

    async def rollback(self, _head: Head, entered: Entered, body: bytes) -> Answer:
        """`POST /models/NAME/rollback` with `{"why": …, "expect": …}`"""
        wish = wish_of(body, version=False)
        return _of_event(await self._steer().rollback(entered.model or "", wish, by=_by(entered)))

    def _steer(self) -> Steering:
        if self._steering is None:
            raise RefusedError("this server changes no routes; use: cloche promote, cloche rollback")
        return self._steering

    async def _read(self, asked: Asked) -> ModelDocument | None:
        return await self._documents.read(asked.model, asked.range, asked.version)

    async def _known(self, asked: Asked) -> ModelDocument:
        document = await self._read(asked)
        if document is None:
            raise NotFoundError(f"nothing was measured yet of model '{asked.model}' in the range {asked.range}")
        return document


def of_html(text: Html, status: int = 200, *, error: str | None = None) -> Answer:
    """A page as an answer."""
    return Answer(status, text.encode("utf-8", "replace"), {"content-type": HTML}, Facts(error=error))


def _of_event(event: RouteEvent) -> Answer:
    told: dict[str, Any] = {
        "name": event.name,
        "event": event.event,
        "change": str(event.change),
        "live": event.routes.live,
        "by": event.by,
        "why": event.why,
    }
    return of_json(told)


def _by(entered: Entered) -> str:
    """Who a change is recorded for: the key's id, or that it was somebody signed in on this host."""
    if entered.caller is not None:
        return f"key {entered.caller.id}"
    return f"dashboard on {platform.node() or 'this host'}"
