"""`Deprecation` (RFC 9745) and `Sunset` (RFC 8594) on answers under a contract that is on its way out. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, time
from email.utils import format_datetime
from urllib.parse import quote

from cloche.registry import Notice


def headers_of(notice: Notice | None, model: str, root_path: str) -> dict[str, str]:
    """What callers of a contract's number are told; nothing as a rule."""
    if notice is None:
        return {}
    headers: dict[str, str] = {}
    page = f"<{root_path.rstrip('/')}/docs/changes?model={quote(model, safe='')}>"
    links = []
    if notice.deprecated is not None:
        headers["deprecation"] = f"@{int(datetime.fromisoformat(notice.deprecated).timestamp())}"
        links.append(f'{page}; rel="deprecation"; type="text/html"')
    if notice.sunset is not None:
        end = datetime.combine(datetime.fromisoformat(notice.sunset).date(), time(23, 59, 59), UTC)
        headers["sunset"] = format_datetime(end, usegmt=True)
        links.append(f'{page}; rel="sunset"; type="text/html"')
    return headers | ({"link": ", ".join(links)} if links else {})
