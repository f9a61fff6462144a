"""`cloche serve`: the models of a store behind HTTP."""

from __future__ import annotations

from dataclasses import replace

import click

from cloche.api import serving
from cloche.api.workplace import workplace
from cloche.cli.output import json_option, store_option
from cloche.cli.statuses import exit_statuses
from cloche.config import Location
from cloche.logs import configure
from cloche.protocols.dialects import DIALECTS

_LOG_FLAGS = {"kept": "enabled", "durability": "durability", "on_full": "on_full", "sample": "sample"}
_FILE = click.Path(exists=True, dir_okay=False, resolve_path=True)


@click.command()
@click.argument("references", nargs=-1, metavar="NAME[@VERSION|@ROUTE] …")
@click.option("--all", "everything", is_flag=True, help="Serve every model of the store.")
@click.option("--host", help="Address to listen on [default: 127.0.0.1]; another one needs a key or --insecure.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port [default: 8000]; 0 takes a free one.")
@click.option(
    "--management-port",
    type=click.IntRange(0, 65535),
    help="Port of the management pages [default: 8001, or a free one where that is taken].",
)
@click.option("--workers", type=click.IntRange(1, 256), help="Worker processes [default: 1].")
@click.option("--default", "default", metavar="NAME", help="The model of `/predict` where several are served.")
@click.option(
    "--auth", type=click.Choice(("keys", "none")), help="Who may call [default: none on loopback, else keys]."
)
@click.option("--insecure", is_flag=True, default=None, help="Serve another address than loopback without keys.")
@click.option(
    "--engine",
    type=click.Choice(("auto", "twin", "native", "onnx")),
    help="What answers [default: auto: the exact twin or ONNX form where a version has one, else its own library].",
)
@click.option(
    "--device",
    type=click.Choice(("cpu", "cuda", "mps", "auto")),
    help="Where PyTorch computes; auto: on what there is [default: cpu].",
)
@click.option(
    "--dialect",
    multiple=True,
    type=click.Choice(sorted(DIALECTS)),
    help="Also speak as this server does (mlflow: /invocations, /ping, /version); repeat for several.",
)
@click.option("--strict", is_flag=True, default=None, help="Refuse what would be answered with a warning.")
@click.option(
    "--strict-start",
    is_flag=True,
    default=None,
    help="Do not start where a live version will not load; without it an earlier one stands in.",
)
@click.option(
    "--model-rate",
    multiple=True,
    metavar="NAME=RATE",
    help="How often a model may be asked on this host: penguins=100/s, *=1000/m; repeat for several.",
)
@click.option("--root-path", metavar="PATH", help="The prefix under which a proxy shows this server.")
@click.option(
    "--forwarded-allow",
    multiple=True,
    metavar="ADDR[,CIDR]",
    help="Proxies whose X-Forwarded-For and -Proto are believed; repeat for several [default: none].",
)
@click.option(
    "--cors-origin",
    multiple=True,
    metavar="ORIGIN",
    help="Pages of this origin may call from a browser, `*` is any; repeat for several [default: none].",
)
@click.option("--tls-cert", type=_FILE, help="Certificate chain (PEM): speak TLS.")
@click.option("--tls-key", type=_FILE, help="Private key of the certificate (PEM).")
@click.option("--client-ca", type=_FILE, help="Callers have to show a certificate signed by one of these (PEM).")
@click.option(
    "--drain-delay", type=float, metavar="SECONDS", help="After SIGTERM, keep accepting this long with /ready 503."
)
@click.option("--grace", type=float, metavar="SECONDS", help="After SIGTERM, wait this long for answers in flight.")
@click.option(
    "--monitor/--no-monitor",
    default=None,
    help="Fold the prediction log here, or leave that to `cloche monitor` elsewhere [default: here].",
)
@click.option("--rules", metavar="FILE", help="Rules of alerts [default: cloche.toml here, if there is one].")
@click.option(
    "--log-format", type=click.Choice(("auto", "json", "text")), help="[default: auto: text on a terminal, else JSON]."
)
@click.option("--log/--no-log", "kept", default=None, help="Keep the prediction log [default: yes].")
@click.option(
    "--durability",
    type=click.Choice(("disk", "fsync", "store")),
    help="What has to have a record before its answer leaves [default: disk].",
)
@click.option(
    "--on-full",
    type=click.Choice(("refuse", "serve")),
    help="Where a record cannot be kept: 503, or answer without [default: refuse].",
)
@click.option("--sample", type=click.FloatRange(0.0, 1.0), help="Share of the requests that are recorded [default: 1].")
@store_option
@json_option
def serve(
    references: tuple[str, ...],
    everything: bool,
    store: str | None,
    as_json: bool,
    rules: str | None,
    forwarded_allow: tuple[str, ...],
    **flags: object,
) -> int:
    """Serve models over HTTP, with a docs page and OpenAPI.

    Stops cleanly on SIGTERM or Ctrl-C: answers what is in flight, then exits with 0. With --json the addresses are
    one JSON document, printed once it answers.
    """
    here = workplace(store)
    logged = {name: flags.pop(key) for key, name in _LOG_FLAGS.items()}
    renamed = {"drain_delay": "drain_delay_s", "grace": "grace_s"}
    given = {renamed.get(key, key): value for key, value in flags.items() if value not in (None, ())}
    if forwarded_allow:
        given["forwarded_allow"] = tuple(one.strip() for text in forwarded_allow for one in text.split(","))
    config = replace(here.settings.server, **given)  # type: ignore[arg-type]
    configure(config.log_format)
    if config.monitor:
        serving.check_rules(here, rules)
    monitor = here.settings.monitor if rules is None else replace(here.settings.monitor, rules=Location(rules))
    log = replace(here.settings.log, **{name: value for name, value in logged.items() if value is not None})  # type: ignore[arg-type]
    return serving.serve(
        here,
        references,
        everything=everything,
        config=config,
        log=log,
        monitor=monitor,
        exit_statuses=exit_statuses(),
        as_json=as_json,
    )
