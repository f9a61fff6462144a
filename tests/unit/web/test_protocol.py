"""The private names of uvicorn that the connection class and the runner rely on."""

from __future__ import annotations

import inspect

import pytest
import uvicorn
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from cloche.config import ServerConfig
from cloche.web.app import App
from cloche.web.gate import Gate
from cloche.web.protocol import ClocheProtocol
from cloche.web.runner import _uvicorn_config


@pytest.mark.parametrize(
    "name",
    ["_unset_keepalive_if_required", "connection_lost", "connection_made", "data_received", "on_body", "on_header",
     "on_headers_complete", "on_message_begin", "on_message_complete", "on_url"],
)  # fmt: skip
def test_methods_that_are_called_or_overridden(name: str) -> None:
    assert callable(getattr(HttpToolsProtocol, name))


@pytest.mark.parametrize("name", ["cycle", "headers", "loop", "parser", "pipeline", "server_state", "transport"])
def test_attributes_of_a_connection(name: str) -> None:
    assert f"self.{name}" in inspect.getsource(HttpToolsProtocol.__init__)


def test_the_address_is_kept() -> None:
    assert "self.url" in inspect.getsource(HttpToolsProtocol.on_url)


@pytest.mark.parametrize(
    "name",
    ["body", "disconnected", "keep_alive", "message_event", "more_body", "response_complete", "response_started"],
)
def test_attributes_of_a_cycle(name: str) -> None:
    assert f"self.{name}" in inspect.getsource(RequestResponseCycle.__init__)


@pytest.mark.parametrize("name", ["main_loop", "shutdown", "startup"])
def test_steps_of_the_server(name: str) -> None:
    assert inspect.iscoroutinefunction(getattr(uvicorn.Server, name))


def test_attributes_of_the_server() -> None:
    source = inspect.getsource(uvicorn.Server.__init__)
    assert all(f"self.{name}" in source for name in ("server_state", "should_exit", "force_exit"))


def test_status_lines() -> None:
    assert httptools_impl.STATUS_LINE[431].startswith(b"HTTP/1.1 431 ")


def test_the_application_is_not_wrapped() -> None:
    """Neither proxy headers nor an access log of uvicorn's own: the gate sees what came."""
    gate = Gate(new_id=str)
    config = _uvicorn_config(
        App.__new__(App), ServerConfig(), ClocheProtocol.bound(gate, ServerConfig(), lambda _record: None)
    )
    config.load()
    assert isinstance(config.loaded_app, App)
