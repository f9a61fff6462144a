"""E-mail over SMTP, encrypted unless the operator says otherwise."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate
from typing import ClassVar, Final

from cloche.errors import DeliveryError
from cloche.logs import one_line
from cloche.monitoring.alerts.notices import Notice
from cloche.monitoring.alerts.sinks.base import Sink
from cloche.monitoring.alerts.sinks.options import Option, text_of

_PORTS: Final = {"starttls": 587, "tls": 465, "none": 25}
_TIMEOUT_S: Final = 10.0


class Email(Sink):
    """One message a notice to all of `to`; the same notice has the same Message-ID."""

    kind = "email"
    meaning = "plain text over SMTP"
    options: ClassVar = (
        Option("host", "the SMTP server", required=True),
        Option("port", "its port; unset: 587, or 465 with `tls`, 25 with `none`", kind="number"),
        Option("tls", "how the connection is encrypted", kind="word", words=tuple(_PORTS), default="starttls"),
        Option("from", "the sender's address", kind="address", required=True),
        Option("to", "the receivers' addresses", kind="addresses", required=True),
        Option("username", "who signs in"),
        Option("password", "and with what", secret=True),
        Option("ca_file", "certificates (PEM) to trust in the place of the system's", kind="file"),
        Option("timeout_s", "how long to wait for an answer", kind="number", default=_TIMEOUT_S),
    )

    def send(self, notice: Notice) -> str:
        try:
            with self._connected() as server:
                username, password = text_of(self._given["username"]), text_of(self._given["password"])
                if username is not None and password is not None:
                    server.login(username, password)
                refused = server.send_message(self.message(notice))
        except smtplib.SMTPResponseException as exc:
            raise DeliveryError(f"SMTP {exc.smtp_code}") from None
        except (smtplib.SMTPException, OSError, ValueError) as exc:
            raise DeliveryError(_reason(exc)) from None
        if refused:
            raise DeliveryError(f"refused for {len(refused)} of {len(self._given['to'])} receivers")
        return "250"

    def message(self, notice: Notice) -> EmailMessage:
        """What is sent."""
        found = EmailMessage()
        found["Subject"] = one_line(notice.title)
        found["From"] = text_of(self._given["from"])
        found["To"] = ", ".join(self._given["to"])
        found["Date"] = formatdate()
        found["Message-ID"] = f"<{notice.id}@alerts.cloche>"
        found["Auto-Submitted"] = "auto-generated"
        found.set_content("\n\n".join([*notice.lines, f"store: {notice.store}"]))
        return found

    def _connected(self) -> smtplib.SMTP:
        given = self._given
        context = ssl.create_default_context(cafile=given["ca_file"])
        host, port = text_of(given["host"]) or "", int(given["port"] or _PORTS[given["tls"]])
        if given["tls"] == "tls":
            return smtplib.SMTP_SSL(host, port, timeout=given["timeout_s"], context=context)
        server = smtplib.SMTP(host, port, timeout=given["timeout_s"])
        if given["tls"] == "starttls":
            try:
                server.starttls(context=context)
            except BaseException:
                server.close()
                raise
        return server


def _reason(exc: BaseException) -> str:
    if isinstance(exc, TimeoutError):
        return "no answer in time"
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"the certificate is not good: {exc.verify_message}"
    if isinstance(exc, smtplib.SMTPNotSupportedError):
        return "the server does not speak what is asked for (STARTTLS, signing in)"
    if isinstance(exc, smtplib.SMTPRecipientsRefused):
        return "all receivers were refused"
    return exc.strerror if isinstance(exc, OSError) and exc.strerror else type(exc).__name__
