"""Slack, and what takes its incoming webhooks (Mattermost, Rocket.Chat, Discord under `/slack`)."""

from __future__ import annotations

from typing import Any, ClassVar, Final

import msgspec

from cloche.monitoring.alerts.notices import Notice
from cloche.monitoring.alerts.sinks import http
from cloche.monitoring.alerts.sinks.base import Sink
from cloche.monitoring.alerts.sinks.options import Option, text_of

#: Slack's own limits of a header and of a section.
_HEADER: Final = 150
_SECTION: Final = 3_000


class Slack(Sink):
    """POSTs `{"text", "blocks"}`; receivers that know no blocks show the text."""

    kind = "slack"
    meaning = 'a message to an incoming webhook: `{"text", "blocks"}`'
    options: ClassVar = (
        Option("url", "the webhook's address, which is a secret", kind="url", required=True, secret=True),
        Option("timeout_s", "how long to wait for an answer", kind="number", default=http.TIMEOUT_S),
    )

    def send(self, notice: Notice) -> str:
        body = msgspec.json.encode(message(notice))
        headers = {"Content-Type": "application/json"}
        return http.post(text_of(self._given["url"]) or "", body, headers, timeout_s=self._given["timeout_s"])


def message(notice: Notice) -> dict[str, Any]:
    """The message; nothing in it can become a mention or a link of Slack's."""
    lines = _escaped("\n".join(notice.lines))
    return {
        "text": _escaped(f"{notice.title}\n") + lines,
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": notice.title[:_HEADER]}},
            {"type": "section", "text": {"type": "mrkdwn", "text": lines[:_SECTION], "verbatim": True}},
        ],
    }


def _escaped(text: str) -> str:
    """As Slack's documentation of text asks."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
