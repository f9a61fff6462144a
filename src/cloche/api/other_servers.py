"""How other model servers are asked over HTTP, and what their answers mean: one line a server in the table."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import msgspec

from cloche.errors import ServerUnreachableError, ServingError, UsageError

Rows = Sequence[Mapping[str, Any]]
#: The keys under which servers that were written by hand answer.
_USUAL = ("prediction", "predictions", "predict", "result", "results", "output", "outputs", "y", "label", "labels")
_MAX_ANSWER = 256 << 20


@dataclass(frozen=True, slots=True)
class Way:
    """`path` is where a URL without a path is asked; `body(rows)` what is sent; `keys` where the answers are."""

    path: str
    body: Callable[[Rows], Any]
    keys: tuple[str, ...]


WAYS: dict[str, Way] = {
    "mlflow": Way("/invocations", lambda rows: {"dataframe_records": rows}, ("predictions",)),
    "vetiver": Way("/predict", list, ("predict", ".pred", ".pred_class")),
    "cloche": Way("/predict", list, ("prediction",)),
    "json": Way("/predict", list, _USUAL),
}


class RefusedByOtherError(Exception):
    """The other server answered that it will not; the text is its own."""


@dataclass(frozen=True, slots=True)
class OtherServer:
    """
    A model server that somebody else wrote.

    *wrap* is the name of the argument that the rows go under (BentoML), *answer* the key of the answers where it is
    none of the usual ones; with *single* each row is sent alone, as one object.
    """

    url: str
    way: Way
    wrap: str | None = None
    answer: str | None = None
    single: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 60.0

    def ask(self, rows: Rows) -> list[Any]:
        """
        One answer a row.

        Raises:
            RefusedByOtherError: a status from 400 on.
            ServingError: it answered something that is not one item a row.
            ServerUnreachableError: nobody answered.
        """
        if self.single:
            return [one for row in rows for one in self._answers(self._post(dict(row)), 1)]
        return self._answers(self._post(self.way.body(rows)), len(rows))

    def _post(self, content: Any) -> Any:
        raw = msgspec.json.encode(content if self.wrap is None else {self.wrap: content})
        parts = urlsplit(self.url)
        path = (parts.path.rstrip("/") or self.way.path) + (f"?{parts.query}" if parts.query else "")
        status, body = self._exchange(parts.scheme, parts.netloc, path, raw)
        if status >= 400:
            raise RefusedByOtherError(f"{status}: {body[:300].decode(errors='replace')}")
        try:
            return msgspec.json.decode(body)
        except msgspec.DecodeError as exc:
            raise ServingError(f"{self.url}: status {status} with a body that is not JSON") from exc

    def _exchange(self, scheme: str, netloc: str, path: str, raw: bytes) -> tuple[int, bytes]:
        if scheme not in ("http", "https") or not netloc:
            raise UsageError(f"URL: expected 'http://host:port' with or without a path, got '{self.url}'")
        if scheme == "https":
            secure = ssl.create_default_context()
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                netloc, timeout=self.timeout_s, context=secure
            )
        else:
            connection = http.client.HTTPConnection(netloc, timeout=self.timeout_s)
        try:
            connection.request("POST", path, raw, {"Content-Type": "application/json", **self.headers})
            response = connection.getresponse()
            return response.status, response.read(_MAX_ANSWER)
        except (OSError, http.client.HTTPException) as exc:
            raise ServerUnreachableError(f"{self.url}: {str(exc) or type(exc).__name__}") from exc
        finally:
            connection.close()

    def _answers(self, found: Any, n: int) -> list[Any]:
        """The items of an array, or of the array under a key; one object with one answer where there was one row."""
        keys = self.way.keys if self.answer is None else (self.answer,)
        if isinstance(found, dict):
            found = next((found[key] for key in keys if key in found), found)
        items = found if isinstance(found, list) else [found]
        if len(items) != n:
            came = f"{len(items)} answers to {n} rows"
            if isinstance(found, dict):
                came = f"an object with the keys {', '.join(sorted(found)[:10])}; say --answer KEY"
            raise ServingError(f"{self.url}: expected an answer a row, got {came}")
        return [self._item(one, keys) for one in items]

    def _item(self, item: Any, keys: Sequence[str]) -> Any:
        """`{".pred": 1.5}` → 1.5: some servers answer an object a row."""
        if not isinstance(item, dict):
            return item
        return next((item[key] for key in keys if key in item), item)


def way_of(name: str) -> Way:
    """
    Raises:
        UsageError: no such server is known here.
    """
    if name not in WAYS:
        raise UsageError(f"--as: expected one of {', '.join(WAYS)}, got '{name}'")
    return WAYS[name]
