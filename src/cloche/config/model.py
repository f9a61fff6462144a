"""What can be set: frozen, named with its unit, with its default and its meaning."""

# ruff: noqa: RUF009  (`_setting` is `dataclasses.field`)
from __future__ import annotations

import dataclasses
import ipaddress
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cloche.config.grants import Grant
from cloche.errors import UsageError

#: How a text is to be read that names a place: a URL, or a path (kept as text, relative ones made absolute).
Location = typing.NewType("Location", str)


class Secret:
    """A value that never shows in a repr, a log line or a traceback; `reveal()` gives it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself."""
        return self._value

    def __repr__(self) -> str:
        return "'**********'"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


def _setting(default: Any, meaning: str, *, minimum: float | None = None, maximum: float | None = None) -> Any:
    return dataclasses.field(default=default, metadata={"meaning": meaning, "minimum": minimum, "maximum": maximum})


@dataclass(frozen=True)
class ServerConfig:
    """How `cloche serve` listens, what it takes, and when it gives up."""

    host: str = _setting("127.0.0.1", "address of the data port; another than loopback asks for keys")
    port: int = _setting(8000, "data port; 0 takes a free one", minimum=0, maximum=65535)
    management_port: int | None = _setting(
        None, "management port; unset: 8001, or a free one where that is taken", minimum=0, maximum=65535
    )
    workers: int = _setting(1, "worker processes", minimum=1)
    max_body_bytes: int = _setting(2_000_000, "largest body of a request", minimum=1)
    max_rows: int = _setting(10_000, "most rows in a request", minimum=1)
    request_timeout_s: float = _setting(30.0, "an answer that takes longer is 504", minimum=0.001)
    header_timeout_s: float = _setting(10.0, "the head of a request has to arrive within this", minimum=0.001)
    body_timeout_s: float = _setting(30.0, "the body of a request has to arrive within this", minimum=0.001)
    max_header_bytes: int = _setting(32_768, "all headers of a request together", minimum=256)
    max_headers: int = _setting(100, "headers in a request", minimum=1)
    max_url_bytes: int = _setting(8_192, "longest request target", minimum=64)
    max_json_depth: int = _setting(64, "how deep a JSON body may be nested", minimum=2)
    max_text_bytes: int = _setting(1_000_000, "longest text in a body", minimum=1)
    max_connections_per_client: int = _setting(
        500, "open connections from one address, in each worker; 0: any number", minimum=0
    )
    max_in_flight: int = _setting(1_000, "requests that a worker answers at once; health is exempt", minimum=1)
    handshake_timeout_s: float = _setting(10.0, "a TLS handshake has to be complete within this", minimum=0.001)
    keep_alive_s: float = _setting(30.0, "an idle connection is closed after this", minimum=0.0)
    grace_s: float = _setting(30.0, "at shutdown, what is in flight may take this long", minimum=0.0)
    drain_delay_s: float = _setting(0.0, "at shutdown, /ready is 503 for this long before the port closes", minimum=0.0)
    queue_rows: int = _setting(10_000, "rows waiting for the model before callers get 503", minimum=1)
    engine: Literal["auto", "twin", "native", "onnx"] = _setting(
        "auto",
        "what answers: 'auto': the exact twin or the ONNX form where a version has one, else its own library; 'twin', "
        "'onnx', 'native': that one, and a version without it is refused",
    )
    device: Literal["cpu", "cuda", "mps", "auto"] = _setting(
        "cpu",
        "where libraries that know devices compute (PyTorch); 'auto': on what there is. A twin needs the processor",
    )
    strict: bool = _setting(False, "what is only a warning in the contract refuses the row")
    strict_start: bool = _setting(
        False, "do not start where a live version will not load; else an earlier one stands in for it"
    )
    auth: Literal["keys", "none"] | None = _setting(
        None, "'keys': no request without a valid key; unset: none on loopback, else keys"
    )
    insecure: bool = _setting(False, "serve without keys on an address that is not loopback")
    default: str | None = _setting(None, "the model that /predict means where several are served")
    dialect: tuple[str, ...] = _setting((), "ways of other servers to ask that are spoken as well: mlflow")
    access_log: bool = _setting(True, "write one line a request")
    monitor: bool = _setting(True, "fold the prediction log in a process of this server")
    log_format: Literal["auto", "json", "text"] = _setting("auto", "how log lines look; auto: text on a terminal")
    root_path: str = _setting("", "path prefix under which a proxy in front shows this server")
    model_rate: tuple[str, ...] = _setting(
        (), "how often a model may be asked on a host, by whomever: NAME=100/s; *=100/s is each model without its own"
    )
    cors_origin: tuple[str, ...] = _setting(
        (), "pages of these origins may call from a browser: https://shop.example; * is any"
    )
    forwarded_allow: tuple[str, ...] = _setting(
        (), "proxies (addresses or networks) whose X-Forwarded-For and X-Forwarded-Proto are believed"
    )
    tls_cert: Location | None = _setting(None, "certificate chain (PEM): the ports speak TLS")
    tls_key: Location | None = _setting(None, "private key of the certificate (PEM)")
    client_ca: Location | None = _setting(None, "certificates (PEM) of which one has to have signed a caller's own")

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach `host`."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return False

    def secured(self) -> ServerConfig:
        """
        The same with `auth` decided: no keys on loopback, keys elsewhere unless somebody said `insecure`.

        Raises:
            UsageError: `auth = "none"` on an address that others can reach, without `insecure`.
        """
        open_to_all = self.loopback or self.insecure
        if self.auth == "none" and not open_to_all:
            raise UsageError(
                f"[server] 'auth': expected 'keys' on {self.host}, which others can reach, got 'none'; "
                "create a key (cloche keys create --scope predict) or say --insecure"
            )
        return dataclasses.replace(self, auth=self.auth or ("none" if open_to_all else "keys"))


@dataclass(frozen=True)
class LogConfig:
    """What becomes of the record of every answered request."""

    enabled: bool = _setting(True, "keep the prediction log")
    durability: Literal["disk", "fsync", "store"] = _setting(
        "disk",
        "an answer leaves when its record is: 'disk': written (kept when a process is killed); 'fsync': flushed "
        "(kept when the power fails); 'store': in the store (kept when the machine is lost)",
    )
    on_full: Literal["refuse", "serve"] = _setting(
        "refuse", "when a record cannot be kept: answer 503, or answer without a record"
    )
    sample: float = _setting(1.0, "share of the requests that are recorded", minimum=0.0, maximum=1.0)
    segment_bytes: int = _setting(8_388_608, "a segment is sealed at this size", minimum=65_536)
    segment_age_s: float = _setting(3.0, "a segment is sealed at this age", minimum=0.05)
    hash_key: Location | None = _setting(
        None,
        "file with the secret of keyed hashes; with it private fields are recorded as hashes, without it not at all",
    )
    retention_days: float | None = _setting(None, "records older than this are taken away; unset: never", minimum=0.0)
    label_horizon_days: float = _setting(
        30.0, "a label that names a key belongs to the last answer within this before its event time", minimum=0.0
    )

    @property
    def complete(self) -> bool:
        """Whether no setting gives up records."""
        return self.enabled and self.sample >= 1.0 and self.on_full == "refuse"


@dataclass(frozen=True)
class MonitorConfig:
    """When the monitor says drift, and where its rules of alerts are."""

    rules: Location | None = _setting(
        None,
        "file with the rules and sinks of alerts; unset: `cloche.toml` where the command was started, if it is there",
    )
    window_minutes: int = _setting(60, "a window of the log that is judged as one lasts at least this long", minimum=1)
    window_rows: int = _setting(500, "and holds at least so many rows; after a day `min_rows` are enough", minimum=1)
    min_rows: int = _setting(50, "fewer rows in a window are not judged at all", minimum=10)
    effect: float = _setting(0.1, "a smaller difference (PSI without chance) is no drift", minimum=0.001, maximum=10.0)
    persist: int = _setting(2, "windows in a row that have to show it", minimum=1, maximum=20)
    false_alarms_per_month: float = _setting(
        1.0, "so many false verdicts of drift a model and month are acceptable", minimum=0.001, maximum=1_000.0
    )
    parity_rows: int = _setting(
        50, "logged answers an hour that are computed again by the model's own library; 0: none", minimum=0
    )


@dataclass(frozen=True)
class TracesConfig:
    """Where OpenTelemetry spans of predict and label requests go; without `endpoint` there are none."""

    endpoint: str | None = _setting(
        None, "collector that takes traces (OTLP/HTTP): http://collector:4318/v1/traces; unset: no traces"
    )
    headers: Secret | None = _setting(None, "headers sent to the collector: NAME=VALUE,NAME=VALUE, percent-encoded")
    sample: float = _setting(
        1.0, "share of the requests that are traced where the caller has not decided it", minimum=0.0, maximum=1.0
    )
    service_name: str | None = _setting(
        None, "`service.name` of the spans; unset: that of OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES, else cloche"
    )


@dataclass(frozen=True)
class TrustSettings:
    """What the operator trusts. Never from the environment, the working directory, the store or an artifact."""

    require_signature: bool = _setting(False, "refuse artifacts that are not signed by one of `signing_keys`")
    signing_keys: tuple[Path, ...] = _setting((), "files with the Ed25519 public keys (PEM) that are trusted")
    allowed_types: frozenset[str] = _setting(frozenset(), "types a model may hold beyond cloche's own list")
    allowed_functions: frozenset[str] = _setting(
        frozenset(), "functions (`package.module.function`) that may be a model"
    )
    trusted_digests: frozenset[str] = _setting(
        frozenset(), "identities of artifacts that may run code when they are opened"
    )

    def signing_key_pems(self) -> tuple[bytes, ...]:
        """
        The bytes of every key file.

        Raises:
            UsageError: a file cannot be read.
        """
        return tuple(_read_key(path) for path in self.signing_keys)


@dataclass(frozen=True)
class Settings:
    """Everything that is not a flag of one command."""

    store: Location | None = _setting(
        None,
        "where versions and routes live: file://, s3://, gs://, az:// or a path; "
        "without it the nearest `.cloche` here or in a parent folder",
    )
    cache: Path = _setting(Path(), "folder of verified artifacts (default: the platform's cache folder)")
    keys: Location | None = _setting(
        None, "where API keys live: a URL, a folder, or a file ending in .jsonl; without it the store's `keys/`"
    )
    key: Secret | None = _setting(None, "the API key that the client sends")
    signing_key: Path | None = _setting(None, "private key (Ed25519, PEM) that signs what is saved")
    user: str = _setting("unknown", "who versions and promotions are recorded for (default: the login name)")
    trust: TrustSettings = TrustSettings()
    #: Read from the two files alone, as `trust` is: pairs of a name and `module:Class`, from the table [flavors].
    flavors: tuple[tuple[str, str], ...] = dataclasses.field(default=(), metadata={"internal": True})
    spool: Path = _setting(
        Path(), "folder on a local disk where records wait for the store (default: the platform's state folder)"
    )
    server: ServerConfig = ServerConfig()
    log: LogConfig = LogConfig()
    monitor: MonitorConfig = MonitorConfig()
    traces: TracesConfig = TracesConfig()
    audit_log: Path = _setting(
        Path(),
        "file to which every decision of trust is appended (default: audit.jsonl in the platform's state folder)",
    )
    only_store: Location | None = _setting(
        None, "a store that takes the place of every other, whatever calls and flags name; `cloche reproduce` sets it"
    )
    cwd: Path = dataclasses.field(default=Path(), metadata={"internal": True})
    trust_file: Path = dataclasses.field(default=Path(), metadata={"internal": True})  # the user's trust.json
    granted: tuple[tuple[Path, Grant], ...] = dataclasses.field(default=(), metadata={"internal": True})


def _read_key(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise UsageError(f"[trust] 'signing_keys': {path}: {exc.strerror}") from exc
