"""Sinks on real sockets: what they send, and what they refuse."""

from __future__ import annotations

import email
import hashlib
import hmac
import json
import socket
from email import policy
from pathlib import Path
from typing import Any

import pytest

from certificates import Authority
from cloche.errors import DeliveryError
from cloche.monitoring.alerts.notices import Notice, fingerprint
from cloche.monitoring.alerts.reading import read_text
from cloche.monitoring.alerts.sinks import SINKS, kind, sink_of
from cloche.monitoring.alerts.sinks.base import Sink
from listeners import listening, mailing

NOTICE = Notice(
    id="0123456789abcdef-1", fingerprint=fingerprint("error-rate", "penguins"), status="firing", rule="error-rate",
    expression="error_rate > 1%", severity="critical", model="penguins", version=3, value=0.05, value_text="5 %",
    threshold=0.01, why="<@everyone> & 5 of 100 requests failed", started="2026-11-24T12:00:00Z",
    at="2026-11-24T12:00:00Z", owner="ada", meaning="It fails.", checks=("one", "two", "three"), roll_back="At once.",
    store="/store",
)  # fmt: skip


def made(text: str, **environ: str) -> Sink:
    """The one sink of a file."""
    (spec,) = read_text(text, "cloche.toml", Path("/")).sinks.values()
    return sink_of(spec, environ)


def webhook(url: str, more: str = "") -> Sink:
    return made(f'[sinks.a]\nkind = "webhook"\nurl = "{url}"\n{more}', SECRET="s3cret", TOKEN="t0p")


@pytest.mark.parametrize("name", sorted(SINKS))
def test_every_kind_says_what_it_takes(name: str) -> None:
    found = kind(name)
    assert (found.kind, bool(found.meaning), bool(found.__doc__)) == (name, True, True)
    assert len({one.name for one in found.options}) == len(found.options)


def test_a_webhook_gets_the_notice_signed() -> None:
    with listening() as receiver:
        sink = webhook(f"{receiver.url}/in?x=1", "secret = '${SECRET}'\n[sinks.a.headers]\nAuthorization = '${TOKEN}'")
        assert sink.send(NOTICE) == "200"
    (body,), (headers,) = receiver.bodies, receiver.headers
    assert receiver.paths == ["/in?x=1"]
    assert {name: body[name] for name in ("schema", "id", "status", "rule", "model", "value", "threshold")} == {
        "schema": "cloche-alert/1", "id": NOTICE.id, "status": "firing", "rule": "error-rate", "model": "penguins",
        "value": 0.05, "threshold": 0.01,
    }  # fmt: skip
    assert (headers["content-type"], headers["x-cloche-delivery"]) == ("application/json", NOTICE.id)
    assert headers["authorization"] == "t0p"
    at, signed = (part.partition("=")[2] for part in headers["x-cloche-signature"].split(","))
    expected = hmac.new(b"s3cret", f"{at}.".encode() + receiver.raw[0], hashlib.sha256).hexdigest()
    assert hmac.compare_digest(signed, expected)


def test_without_a_secret_nothing_is_signed() -> None:
    with listening() as receiver:
        webhook(receiver.url).send(NOTICE)
    assert "x-cloche-signature" not in receiver.headers[0]


def test_a_redirect_is_not_followed() -> None:
    with listening() as elsewhere, listening() as receiver:
        receiver.answers, receiver.location = [307], elsewhere.url
        with pytest.raises(DeliveryError, match=r"307 \(a redirect is not followed\)"):
            webhook(receiver.url).send(NOTICE)
        receiver.answers = [302]
        with pytest.raises(DeliveryError, match="302"):
            webhook(receiver.url).send(NOTICE)
    assert elsewhere.raw == []


def test_a_certificate_has_to_be_good(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with listening(authority.sign("hook")) as receiver:
        with pytest.raises(DeliveryError, match="the certificate is not good: "):
            webhook(receiver.url).send(NOTICE)
        other = receiver.url.replace("127.0.0.1", "localhost")
        assert webhook(other, f"ca_file = '{authority.cert}'").send(NOTICE) == "200"
    assert len(receiver.raw) == 1


@pytest.mark.parametrize(
    ("status", "says"),
    [pytest.param(500, "^500$", id="error"), pytest.param(404, "^404$", id="wrong-address")],
)
def test_what_is_not_2xx_is_a_failure(status: int, says: str) -> None:
    with listening() as receiver:
        receiver.answers = [status]
        with pytest.raises(DeliveryError, match=says):
            webhook(receiver.url).send(NOTICE)


def test_nobody_there_and_nobody_who_answers() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/secret-path"
        with pytest.raises(DeliveryError, match="Connection refused") as caught:
            webhook(address).send(NOTICE)
        silent.listen()
        with pytest.raises(DeliveryError, match="no answer in time"):
            webhook(address, "timeout_s = 0.1").send(NOTICE)
    assert "secret-path" not in str(caught.value)


def test_an_address_from_the_environment_is_checked_too() -> None:
    sink = made("[sinks.a]\nkind = 'webhook'\nurl = '${URL}'\n", URL="file:///etc/passwd")
    with pytest.raises(DeliveryError, match="neither https:// nor http://"):
        sink.send(NOTICE)


def test_slack_gets_text_and_blocks_without_mentions() -> None:
    with listening() as receiver:
        sink = made("[sinks.a]\nkind = 'slack'\nurl = '${SLACK}'\n", SLACK=f"{receiver.url}/services/T0")
        assert sink.send(NOTICE) == "200"
    (body,) = receiver.bodies
    assert body["text"].startswith("[FIRING] penguins: error-rate (critical)\nIt fails.\n")
    assert "&lt;@everyone&gt; &amp; 5 of 100 requests failed" in body["text"]
    assert "<" not in body["text"]
    assert [block["type"] for block in body["blocks"]] == ["header", "section"]
    assert body["blocks"][0]["text"]["text"] == NOTICE.title


def test_slack_keeps_to_its_limits() -> None:
    long = Notice(**{**{name: getattr(NOTICE, name) for name in NOTICE.__struct_fields__}, "why": "x" * 9_000})
    with listening() as receiver:
        made("[sinks.a]\nkind = 'slack'\nurl = '${SLACK}'\n", SLACK=receiver.url).send(long)
    assert max(len(block["text"]["text"]) for block in receiver.bodies[0]["blocks"]) == 3_000


def mail(port: int, authority: Authority, more: str = "") -> Sink:
    text = f"host = 'localhost'\nport = {port}\nfrom = 'cloche@example.org'\nto = ['a@example.org', 'b@example.org']\n"
    return made(f"[sinks.a]\nkind = 'email'\n{text}ca_file = '{authority.cert}'\n{more}", PASSWORD="s3cret")


def test_e_mail_over_starttls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with mailing(authority.sign("mail")) as box:
        assert mail(box.port, authority, "username = 'me'\npassword = '${PASSWORD}'").send(NOTICE) == "250"
    assert (box.encrypted, len(box.logins)) == ([True], 1)
    message: Any = email.message_from_string(box.messages[0], policy=policy.default)
    assert message["Subject"] == "[FIRING] penguins: error-rate (critical)"
    assert (message["To"], message["From"]) == ("a@example.org, b@example.org", "cloche@example.org")
    assert message["Message-ID"] == f"<{NOTICE.id}@alerts.cloche>"
    text = message.get_content()
    assert "1. one" in text
    assert "Roll back? At once." in text


def test_e_mail_is_never_sent_in_the_open_by_accident(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with mailing(authority.sign("mail"), offers_tls=False) as box:
        with pytest.raises(DeliveryError, match="does not speak what is asked for"):
            mail(box.port, authority).send(NOTICE)
        assert box.messages == []
        assert mail(box.port, authority, "tls = 'none'").send(NOTICE) == "250"
    stranger = Authority(tmp_path, "stranger")
    with mailing(authority.sign("mail2")) as box, pytest.raises(DeliveryError, match="the certificate is not good"):
        mail(box.port, stranger).send(NOTICE)


def test_e_mail_that_is_refused(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with mailing(authority.sign("mail")) as box:
        box.refuse = "RCPT"
        with pytest.raises(DeliveryError, match="all receivers were refused"):
            mail(box.port, authority).send(NOTICE)
        box.refuse = "MAIL"
        with pytest.raises(DeliveryError, match="SMTP 550"):
            mail(box.port, authority).send(NOTICE)


def test_what_alertmanager_is_sent() -> None:
    text = "[sinks.a]\nkind = 'alertmanager'\nurl = '{}/am/'\ntoken = '${{T}}'\ngenerator_url = 'https://x.example'\n"
    with listening() as receiver:
        sink = made(text.format(receiver.url) + "[sinks.a.labels]\nteam = 'ml'\n", T="t0p")
        sink.send(NOTICE)
        over = Notice(**{**json.loads(NOTICE.to_json()), "status": "resolved", "ended": "2026-11-24T13:00:00Z"})
        sink.send(over)
    assert receiver.paths == ["/am/api/v2/alerts"] * 2
    assert receiver.headers[0]["authorization"] == "Bearer t0p"
    (firing,), (resolved,) = receiver.bodies
    labels = {"alertname": "error-rate", "severity": "critical", "model": "penguins", "source": "cloche", "team": "ml"}
    assert firing["labels"] == resolved["labels"] == labels
    assert (firing["startsAt"], firing["generatorURL"]) == (NOTICE.started, "https://x.example")
    assert firing["endsAt"] > firing["startsAt"]
    assert resolved["endsAt"] == "2026-11-24T13:00:00Z"
    assert firing["annotations"]["value"] == "5 %"
