"""The template that is started before it is known of what: told over a pipe, replaced where it died, ended unwanted."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloche.trust import TrustPolicy
from cloche.web.processes import runtime
from cloche.web.processes.children import Child
from cloche.web.processes.lifeline import Lifeline
from cloche.web.processes.runtime import TemplateSpec, Wanted
from cloche.web.processes.templates import Templates
from cloche.web.processes.voice import Voice
from processes import alive, eventually
from templates import run_folder

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are Linux's")


class House:
    """Templates as the supervisor keeps them; what they open is not there, so that each refuses at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run = run_folder(folder, folder / "store")
        self.lifeline = Lifeline()
        self.templates = Templates(self.run, self.lifeline.reader, Voice("json"))
        self.templates.prepare(time.monotonic())
        (self.spare,) = self.templates

    def wants(self, identifier: str) -> Child:
        """The child that the agent's wish becomes."""
        spec = TemplateSpec(id=identifier, directory=str(self.folder / "nothing"), trust=TrustPolicy())
        runtime.write(self.run.wanted, Wanted(number=1, templates=(spec,)))
        self.templates.step(time.monotonic())
        return next(child for child in self.templates if child.name == identifier)

    def reap(self) -> None:
        """As the supervisor does, once."""
        for child in self.templates:
            if child.pid is not None and os.waitpid(child.pid, os.WNOHANG)[0]:
                child.ended(1, time.monotonic())
                self.templates.ended(child, 1)

    def until_alone(self) -> bool:
        self.reap()
        return not list(self.templates)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.lifeline.cut()
    made.run.remove()


def test_the_first_that_is_wanted_is_the_process_that_waited(house: House) -> None:
    waited = house.spare.pid
    first = house.wants("penguins-1")
    assert first.pid == waited is not None
    assert [child.name for child in house.templates] == ["penguins-1"]
    eventually(house.run.refused("penguins-1").exists, "it was told, and looked at what is no artifact")


def test_one_that_died_is_not_taken(house: House) -> None:
    waited = house.spare.pid
    assert waited is not None
    house.spare.send(signal.SIGKILL)
    eventually(house.until_alone, "its end is noticed")
    first = house.wants("penguins-1")
    assert first.pid not in (None, waited)
    assert "--id" in first.arguments


def test_one_that_is_not_wanted_ends_and_is_forgotten(house: House) -> None:
    waited = house.spare.pid
    house.templates.dismiss()
    eventually(house.until_alone, "it is reaped")
    assert waited is not None
    assert not alive(waited)


def test_it_ends_with_whoever_would_have_told_it(house: House) -> None:
    waited = house.spare.pid
    assert waited is not None
    house.templates.ended(house.spare, 0)  # the pipe closes, and nobody signals it
    assert os.waitstatus_to_exitcode(os.waitpid(waited, 0)[1]) == 0
