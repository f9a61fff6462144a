"""The contract suite over every flavor of the table: each check is a test of its own, named by flavor and promise."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloche.flavors import FLAVORS
from cloche.testing import CHECKS, NotApplicable, Subject
from conftest import needs
from flavor_fixtures import ACME, FIXTURES, installed

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True, scope="module")
def _acme_is_installed() -> Iterator[None]:
    """The package of the tests can be imported, here and in every process that is started."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ACME))
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(ACME), os.environ.get("PYTHONPATH")))))
        yield


@pytest.fixture(scope="module")
def subjects() -> Iterator[dict[str, Subject]]:
    """Each flavor's example is fitted and saved once."""
    made: dict[str, Subject] = {}
    yield made
    for one in made.values():
        one.close()


@pytest.mark.parametrize("name", sorted(FLAVORS))
def test_a_flavor_brings_what_the_suite_and_its_user_need(name: str) -> None:
    assert name in FIXTURES, f"flavor '{name}' has no fixture: one function and one line in tests/flavor_fixtures.py"
    fixture, entry = FIXTURES[name], FLAVORS[name]
    assert (ROOT / "docs" / fixture.page).is_file(), f"flavor '{name}': docs/{fixture.page} is missing"
    assert (ROOT / "examples" / fixture.script).is_file(), f"flavor '{name}': examples/{fixture.script} is missing"
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    assert not entry.extra or entry.extra in extras, f"flavor '{name}': the extra [{entry.extra}] is missing"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("check", [pytest.param(one, id=one.replace(" ", "-")) for one in CHECKS])
@pytest.mark.parametrize("name", sorted(FIXTURES))
def test_a_flavor_keeps_the_contract(name: str, check: str, subjects: dict[str, Subject]) -> None:
    if name not in FLAVORS:
        pytest.fail(f"tests/flavor_fixtures.py names '{name}', which is no flavor")
    needs(installed(FIXTURES[name].needs), f"needs {FIXTURES[name].needs}")
    subject = subjects.setdefault(name, Subject(name, FIXTURES[name].example))
    try:
        CHECKS[check](subject)
    except NotApplicable:
        return


def suite(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m cloche.testing.flavor`, as somebody with the package installed runs it."""
    command = [sys.executable, "-P", "-m", "cloche.testing.flavor", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def test_a_private_flavor_is_checked_by_the_command() -> None:
    done = suite("acme.gam:GamFlavor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing is missing" in done.stdout
    assert done.stdout.count("\nok") + done.stdout.startswith("ok") >= len(CHECKS) - 2


def test_what_a_private_flavor_lacks_is_named() -> None:
    done = suite("acme.gam:CarelessFlavor")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "missing only plain files, no pickle: model.bin: holds a pickle" in done.stdout
    assert "missing described" in done.stdout
    assert "checks do not hold" in done.stdout


@pytest.mark.parametrize(
    ("target", "says"),
    [
        pytest.param("acme.gam:nothing", "has no attribute", id="no-such-class"),
        pytest.param("acme.pricing:quote", "expected a subclass", id="no-flavor"),
        pytest.param("nowhere:Flavor", "nowhere", id="not-installed"),
    ],
)
def test_what_is_no_flavor_is_told(target: str, says: str) -> None:
    done = suite(target)
    assert done.returncode == 2
    assert says in done.stderr
