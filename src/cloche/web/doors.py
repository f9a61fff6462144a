"""From the settings of a server to its gate."""

from __future__ import annotations

from collections.abc import Callable

from cloche.config import ServerConfig
from cloche.web.buckets import Buckets
from cloche.web.checking import model_rates
from cloche.web.cors import Cors
from cloche.web.forwarded import Proxies
from cloche.web.gate import Authenticate, Gate, by_key
from cloche.web.traces import Traces


def gate_of(
    config: ServerConfig,
    *,
    new_id: Callable[[], str],
    authenticate: Authenticate,
    buckets: Buckets | None = None,
    traces: Traces | None = None,
) -> Gate:
    """The gate of a server whose callers are known by *authenticate*; where `auth` is `none` nobody is asked."""
    return Gate(
        new_id=new_id,
        authenticators=[by_key(authenticate)] if config.auth == "keys" else None,
        max_body_bytes=config.max_body_bytes,
        max_in_flight=config.max_in_flight,
        loopback=config.loopback,
        buckets=buckets,
        model_rates=model_rates(config.model_rate),
        cors=Cors(config.cors_origin),
        proxies=Proxies(config.forwarded_allow),
        traces=traces,
        dialects=frozenset(config.dialect),
    )
