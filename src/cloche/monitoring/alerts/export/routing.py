"""The sinks as receivers of Alertmanager. What it has no counterpart for (our signature, our headers) is left out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from cloche.monitoring.alerts.rules import RuleBook, SinkSpec
from cloche.monitoring.alerts.sinks.options import InFile

EVERYBODY: Final = "everybody"
NOBODY: Final = "nobody"
#: Where a secret is expected that `cloche.toml` takes from the environment.
SECRETS: Final = "/etc/alertmanager/secrets"


def document(book: RuleBook) -> dict[str, Any]:
    """The configuration: rules without sinks of their own go to everybody."""
    groups = {one.name: receiver_name(one.sinks) for one in book.rules if one.sinks is not None}
    routes = [{"matchers": [f'rule="{rule}"'], "receiver": receiver} for rule, receiver in groups.items()]
    wanted = {EVERYBODY: tuple(book.sinks), NOBODY: ()} | {
        receiver_name(one.sinks): one.sinks for one in book.rules if one.sinks
    }
    return {
        "route": {
            "receiver": EVERYBODY,
            "group_by": ["alertname", "model"],
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "4h",
            **({"routes": routes} if routes else {}),
        },
        "receivers": [_receiver(name, [book.sinks[one] for one in sinks]) for name, sinks in wanted.items()],
    }


def receiver_name(sinks: tuple[str, ...] | None) -> str:
    """The receiver of a rule's sinks."""
    return EVERYBODY if sinks is None else "+".join(sinks) or NOBODY


def _receiver(name: str, sinks: Iterable[SinkSpec]) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name}
    for one in sinks:
        if one.kind in _KINDS:
            key, made = _KINDS[one.kind]
            found.setdefault(key, []).append({"send_resolved": True, **made(one)})
    return found


def _webhook(one: SinkSpec) -> dict[str, Any]:
    url = one.options["url"]
    return {"url_file": f"{SECRETS}/{one.name}"} if "${" in url else {"url": url}


def _slack(one: SinkSpec) -> dict[str, Any]:
    return {
        "api_url_file": _file(one, "url"),
        "title": "{{ .CommonAnnotations.summary }}",
        "text": "{{ range .Alerts }}{{ .Status }}: {{ .Annotations.summary }} ({{ .Annotations.value }})\n{{ end }}",
    }


def _email(one: SinkSpec) -> dict[str, Any]:
    given = one.options
    port = given["port"] or {"starttls": 587, "tls": 465, "none": 25}[given["tls"]]
    found = {
        "to": ", ".join(given["to"]),
        "from": given["from"],
        "smarthost": f"{given['host']}:{port}",
        "require_tls": given["tls"] == "starttls",
    }
    if given["username"] is not None and given["password"] is not None:
        found |= {"auth_username": given["username"], "auth_password_file": _file(one, "password")}
    return found


def _file(one: SinkSpec, option: str) -> str:
    given = one.options[option]
    return str(given.path) if isinstance(given, InFile) else f"{SECRETS}/{one.name}"


_KINDS: Final = {
    "webhook": ("webhook_configs", _webhook),
    "slack": ("slack_configs", _slack),
    "email": ("email_configs", _email),
}
