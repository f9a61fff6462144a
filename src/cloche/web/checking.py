"""What is wrong with the settings of a server is said before anything starts."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence

from cloche import rates
from cloche.config import ServerConfig
from cloche.errors import UsageError
from cloche.protocols.dialects import DIALECTS
from cloche.rates import Rate
from cloche.web import tls
from cloche.web.cors import Cors
from cloche.web.forwarded import Proxies

_ROOT_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")


def checked(config: ServerConfig) -> ServerConfig:
    """
    *config* with `auth` decided and `root_path` as `/models`.

    Raises:
        UsageError: a rate, an origin, a proxy, a dialect, a prefix or a certificate that cannot be meant;
            `auth = "none"` where others could call.
    """
    model_rates(config.model_rate)
    Cors(config.cors_origin)
    Proxies(config.forwarded_allow)
    tls.check(config)
    for name in config.dialect:
        if name not in DIALECTS:
            raise UsageError(f"[server] 'dialect': expected one of {', '.join(DIALECTS)}, got '{name}'")
    root_path = config.root_path.strip("/")
    root_path = f"/{root_path}" if root_path else ""
    if not _ROOT_PATH.fullmatch(root_path):
        raise UsageError(f"[server] 'root_path': expected a path such as /models, got '{config.root_path}'")
    return dataclasses.replace(config.secured(), root_path=root_path)


def model_rates(given: Sequence[str]) -> Mapping[str, Rate]:
    """
    `penguins=100/s` by model; `*` is each one that is not named.

    Raises:
        UsageError: it is not written so.
    """
    found = {}
    for text in given:
        name, equals, rate = text.partition("=")
        if not (name and equals):
            raise UsageError(f"model_rate: expected NAME=RATE such as penguins=100/s, got '{text}'")
        found[name] = rates.parse(rate)
    return found
