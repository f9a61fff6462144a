"""Settings: merged in order, checked by name and type, and never from a place that others write to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cloche.config import SETTINGS, Secret, ServerConfig, Settings, TrustSettings, from_environment, reference
from cloche.errors import UsageError


class Machine:
    """A home, a system folder and a working directory."""

    def __init__(self, root: Path) -> None:
        self.home, self.system, self.cwd = root / "home", root / "etc", root / "work"
        for folder in (self.home / ".config" / "cloche", self.system, self.cwd):
            folder.mkdir(parents=True)

    def user_file(self, text: str) -> None:
        (self.home / ".config" / "cloche" / "config.toml").write_text(text)

    def system_file(self, text: str) -> None:
        (self.system / "config.toml").write_text(text)

    def read(self, **environ: str) -> Settings:
        return from_environment({"HOME": str(self.home), **environ}, self.cwd, self.system)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_defaults(machine: Machine) -> None:
    settings = machine.read()
    assert (settings.store, settings.keys) == (None, None)
    assert settings.user
    assert machine.read(USER="ada").user == "ada"
    assert machine.read(USER="ada", CLOCHE_USER="ci").user == "ci"
    assert settings.cache == machine.home / ".cache" / "cloche"
    assert settings.server == ServerConfig()
    assert settings.trust == TrustSettings()
    assert (settings.server.host, settings.server.port, settings.server.workers) == ("127.0.0.1", 8000, 1)


def test_later_places_win(machine: Machine) -> None:
    machine.system_file('user = "system"\nstore = "s3://system"\n[server]\nworkers = 2\nport = 1\nmax_rows = 5\n')
    machine.user_file('store = "s3://user"\n[server]\nworkers = 3\nport = 2\n')
    settings = machine.read(CLOCHE_SERVER_PORT="3")
    assert (settings.user, settings.store) == ("system", "s3://user")
    assert (settings.server.max_rows, settings.server.workers, settings.server.port) == (5, 3, 3)
    assert replace(settings.server, port=4).port == 4


def test_the_working_directory_is_never_read(machine: Machine) -> None:
    poison = 'store = "s3://evil"\n[trust]\nallowed_types = ["evil.Type"]\n'
    for folder in (machine.cwd, machine.cwd / ".cloche", machine.cwd / "cloche", machine.cwd / ".config" / "cloche"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.toml").write_text(poison)
    for environ in ({}, {"XDG_CONFIG_HOME": "."}, {"XDG_CONFIG_HOME": ".config"}, {"XDG_CONFIG_HOME": ""}):
        settings = machine.read(**environ)
        assert (settings.store, settings.trust.allowed_types) == (None, frozenset())


def test_the_xdg_folders_are_used(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "xdg" / "cloche").mkdir(parents=True)
    (tmp_path / "xdg" / "cloche" / "config.toml").write_text('user = "ada"')
    settings = machine.read(XDG_CONFIG_HOME=str(tmp_path / "xdg"), XDG_CACHE_HOME="/var/cache")
    assert (settings.user, settings.cache) == ("ada", Path("/var/cache/cloche"))


def test_trust_comes_from_files(machine: Machine) -> None:
    machine.user_file(
        '[trust]\nrequire_signature = true\nsigning_keys = ["team.pem", "/etc/k.pem"]\nallowed_types = ["a.B"]\n'
    )
    folder = machine.home / ".config" / "cloche"
    trust = machine.read().trust
    assert trust == TrustSettings(True, (folder / "team.pem", Path("/etc/k.pem")), frozenset({"a.B"}))
    (folder / "team.pem").write_bytes(b"PEM")
    assert replace(trust, signing_keys=trust.signing_keys[:1]).signing_key_pems() == (b"PEM",)
    with pytest.raises(UsageError, match=r"signing_keys.*k.pem: No such file"):
        trust.signing_key_pems()


@pytest.mark.parametrize("variable", ["CLOCHE_TRUST_ALLOWED_TYPES", "CLOCHE_TRUST_REQUIRE_SIGNATURE", "CLOCHE_TRUST_X"])
def test_trust_never_comes_from_the_environment(machine: Machine, variable: str) -> None:
    with pytest.raises(UsageError, match="never by the environment"):
        machine.read(**{variable: "1"})


def test_paths_are_made_absolute_where_they_are_written(machine: Machine) -> None:
    machine.user_file('store = "store"\ncache = "~/c"\n')
    settings = machine.read(CLOCHE_KEYS="keys.jsonl", CLOCHE_SIGNING_KEY="/k.pem")
    assert settings.store == str(machine.home / ".config" / "cloche" / "store")
    assert settings.cache == Path("~/c").expanduser()
    assert settings.keys == str(machine.cwd / "keys.jsonl")
    assert settings.signing_key == Path("/k.pem")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param(
            "[server]\nworker = 2", r"unknown setting \[server\] 'worker'; did you mean 'workers'\?", id="misspelt"
        ),
        pytest.param('stroe = "x"', "unknown setting 'stroe'; did you mean 'store'", id="top-level"),
        pytest.param("[sever]\nport = 1", r"unknown table \[sever\]; did you mean 'server'", id="table"),
        pytest.param(
            "[qq]\nport = 1",
            r"unknown table \[qq\]; known: flavors, log, monitor, server, traces, trust",
            id="nothing-near",
        ),
        pytest.param("cwd = '/'", "unknown setting 'cwd'", id="internal"),
        pytest.param(
            "[server]\nport = '8000'", r"\[server\] 'port': expected a whole number, got '8000'", id="text-for-number"
        ),
        pytest.param("[server]\nport = true", "expected a whole number, got True", id="boolean-for-number"),
        pytest.param("[server]\nport = 1.0", "expected a whole number, got 1.0", id="fraction"),
        pytest.param("[server]\nport = 70000", "expected at most 65535, got 70000", id="too-large"),
        pytest.param("[server]\nworkers = 0", "expected at least 1, got 0", id="too-small"),
        pytest.param("[server]\ngrace_s = nan", "expected a number, got nan", id="nan"),
        pytest.param("[server]\ngrace_s = inf", "expected a number, got inf", id="infinity"),
        pytest.param("[server]\nstrict = 1", "expected true or false, got 1", id="number-for-boolean"),
        pytest.param("[server]\nauth = 'maybe'", "expected one of 'keys', 'none', got 'maybe'", id="choice"),
        pytest.param("[trust]\nallowed_types = 'a.B'", "expected a list of type names, got 'a.B'", id="text-for-list"),
        pytest.param("store = ''", "expected a URL or a path, got ''", id="empty-place"),
        pytest.param("server = 3", "unknown setting 'server'", id="table-as-value"),
        pytest.param("[server", "config.toml: ", id="no-toml"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(machine: Machine, text: str, says: str) -> None:
    machine.user_file(text)
    with pytest.raises(UsageError, match=says) as caught:
        machine.read()
    assert str(caught.value).startswith(str(machine.home / ".config" / "cloche" / "config.toml"))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_text(machine: Machine) -> None:
    (machine.system / "config.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match=r"config.toml: "):
        machine.read()


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        pytest.param(
            {"CLOCHE_STROE": "x"}, "unknown setting 'CLOCHE_STROE'; did you mean 'CLOCHE_STORE'", id="misspelt"
        ),
        pytest.param({"CLOCHE_WORKERS": "2"}, "did you mean 'CLOCHE_SERVER_WORKERS'", id="without-its-table"),
        pytest.param({"CLOCHE_SERVER_PORT": "x"}, "CLOCHE_SERVER_PORT: expected a whole number, got 'x'", id="type"),
        pytest.param({"CLOCHE_SERVER_STRICT": "perhaps"}, "expected true or false, got 'perhaps'", id="boolean"),
        pytest.param({"CLOCHE_SERVER_AUTH": "all"}, "expected one of 'keys', 'none', got 'all'", id="choice"),
    ],
)
def test_what_is_wrong_in_the_environment_is_named(machine: Machine, environ: dict[str, str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        machine.read(**environ)


def test_what_belongs_to_others_is_passed_over(machine: Machine) -> None:
    settings = machine.read(
        CLOCHE_PORT="tcp://10.0.0.1:80",
        CLOCHE_SERVICE_HOST="10.0.0.1",
        CLOCHE_SERVER_PORT="tcp://10.0.0.1:80",
        CLOCHE_SERVER_SERVICE_HOST="10.0.0.1",
        CLOCHE_PORT_80_TCP_ADDR="10.0.0.1",
        CLOCHE_TEST_FOO="1",
        OTHER="x",
        CLOCHE_STORE="",
    )
    assert settings == machine.read()


@pytest.mark.parametrize(("text", "value"), [("1", True), ("YES", True), ("off", False), ("False", False)])
def test_booleans_of_the_environment(machine: Machine, text: str, value: bool) -> None:
    assert machine.read(CLOCHE_SERVER_STRICT=text).server.strict is value


def test_secrets_do_not_show(machine: Machine) -> None:
    settings = machine.read(CLOCHE_KEY="clk_secret")
    assert settings.key == Secret("clk_secret")
    assert settings.key.reveal() == "clk_secret"
    for shown in (repr(settings), str(settings), f"{settings.key}", f"{settings.key!r:>20}"):
        assert "clk_secret" not in shown
        assert "'**********'" in shown
    machine.user_file('[traces]\nheaders = ["clk_secret"]\n')
    with pytest.raises(UsageError, match="'headers': expected text, got a list") as caught:
        machine.read()
    assert "clk_secret" not in str(caught.value)


def test_opentelemetrys_own_switch_turns_traces_off(machine: Machine) -> None:
    machine.user_file('[traces]\nendpoint = "http://collector:4318/v1/traces"\n')
    assert machine.read().traces.endpoint == "http://collector:4318/v1/traces"
    assert machine.read(OTEL_SDK_DISABLED="True").traces.endpoint is None
    assert machine.read(OTEL_SDK_DISABLED="0", CLOCHE_TRACES_ENDPOINT="http://b/").traces.endpoint == "http://b/"


def test_the_collector_of_other_programs_is_not_ours(machine: Machine) -> None:
    assert machine.read(OTEL_EXPORTER_OTLP_ENDPOINT="http://collector:4318").traces.endpoint is None


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.1", False),
        ("example.org", False),
        ("localhost.evil.org", False),
        ("", False),
    ],
)
def test_loopback(host: str, loopback: bool) -> None:
    assert ServerConfig(host=host).loopback is loopback


@pytest.mark.parametrize(
    ("config", "auth"),
    [
        pytest.param(ServerConfig(), "none", id="loopback"),
        pytest.param(ServerConfig(auth="keys"), "keys", id="loopback-with-keys"),
        pytest.param(ServerConfig(host="0.0.0.0"), "keys", id="open-address"),
        pytest.param(ServerConfig(host="0.0.0.0", insecure=True), "none", id="insecure"),
        pytest.param(ServerConfig(host="0.0.0.0", auth="keys", insecure=True), "keys", id="keys-win"),
    ],
)
def test_who_is_asked_for_a_key(config: ServerConfig, auth: str) -> None:
    assert config.secured().auth == auth


def test_an_open_address_without_keys_is_refused() -> None:
    with pytest.raises(UsageError, match=r"expected 'keys' on 0.0.0.0.*--insecure"):
        ServerConfig(host="0.0.0.0", auth="none").secured()


def test_the_reference_names_every_setting() -> None:
    table = reference()
    assert len(table.splitlines()) == len(SETTINGS) + 2
    assert "| `[server] workers` | `1` | `CLOCHE_SERVER_WORKERS` | worker processes |" in table
    assert "| `[trust] require_signature` | `false` | files only |" in table
    assert all(one.meaning for one in SETTINGS)
