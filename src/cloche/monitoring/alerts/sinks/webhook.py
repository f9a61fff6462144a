"""Any receiver of JSON over HTTP; with a secret the body is signed."""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import ClassVar, Final

from cloche.monitoring.alerts.notices import Notice
from cloche.monitoring.alerts.sinks import http
from cloche.monitoring.alerts.sinks.base import Sink
from cloche.monitoring.alerts.sinks.options import Option, text_of

SIGNATURE: Final = "X-Cloche-Signature"
DELIVERY: Final = "X-Cloche-Delivery"


class Webhook(Sink):
    """POSTs the notice as JSON. The same notice, tried again, has the same `id` (and `X-Cloche-Delivery`)."""

    kind = "webhook"
    meaning = "the notice as JSON, signed with HMAC where a secret is given"
    options: ClassVar = (
        Option("url", "where to POST", kind="url", required=True),
        Option("secret", "key of the signature (HMAC-SHA256)", secret=True),
        Option("headers", "further headers: a table; values may be `${VAR}`", kind="table"),
        Option("ca_file", "certificates (PEM) to trust in the place of the system's", kind="file"),
        Option("timeout_s", "how long to wait for an answer", kind="number", default=http.TIMEOUT_S),
    )

    def send(self, notice: Notice) -> str:
        body = notice.to_json()
        given = self._given
        headers = {"Content-Type": "application/json", DELIVERY: notice.id}
        headers |= {name: text_of(value) or "" for name, value in (given["headers"] or {}).items()}
        secret = text_of(given["secret"])
        if secret is not None:
            headers[SIGNATURE] = signature(secret, body, int(time.time()))
        url = text_of(given["url"]) or ""
        return http.post(url, body, headers, ca_file=given["ca_file"], timeout_s=given["timeout_s"])


def signature(secret: str, body: bytes, at: int) -> str:
    """`t=SECONDS,v1=HEX`: HMAC-SHA256 of `SECONDS.BODY`, so that an old body cannot be sent again as a new one."""
    signed = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={signed}"
