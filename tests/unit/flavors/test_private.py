"""Flavors of an operator's own: from the two configuration files alone, checked, and handed down with the trust."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cloche import config
from cloche.errors import ManifestError, UsageError
from cloche.flavors import Flavor, flavor_of, flavor_of_file, get_flavor
from cloche.trust import TrustPolicy
from flavor_fixtures import ACME

GAM = (("gam", "acme.gam:GamFlavor"),)


@pytest.fixture(autouse=True, scope="module")
def gam() -> Iterator[Any]:
    """The package of the tests can be imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ACME))
        yield importlib.import_module("acme.gam")


def test_its_models_are_recognised(gam: Any) -> None:
    assert isinstance(get_flavor("gam", GAM), Flavor)
    assert flavor_of(gam.Gam({}), GAM).name == "gam"


def test_without_the_configuration_nobody_knows_it() -> None:
    with pytest.raises(
        ManifestError, match=r"got 'gam'; a flavor of your own stands in the configuration .* \[flavors\]"
    ):
        get_flavor("gam")


@pytest.mark.parametrize(
    ("name", "target", "says"),
    [
        pytest.param("gam", "nowhere:Flavor", "No module named 'nowhere'; install its package", id="not-installed"),
        pytest.param("gam", "acme.gam:Nothing", "has no attribute 'Nothing'", id="no-such-class"),
        pytest.param("gam", "acme.gam:Gam", "expected a subclass of cloche.flavors.Flavor", id="no-flavor"),
        pytest.param("other", "acme.gam:GamFlavor", "its class says name = 'gam'", id="another-name"),
    ],
)
def test_what_is_none_is_told(name: str, target: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        get_flavor(name, [(name, target)])


def test_a_file_is_opened_by_the_flavor_that_says_its_suffix(gam: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gam.GamFlavor, "suffixes", frozenset({".gam"}))
    assert flavor_of_file(Path("model.gam"), GAM).name == "gam"


def settings(home: Path, text: str, environ: dict[str, str] | None = None, *, where: str = "user") -> config.Settings:
    folder = home / "config" / "cloche" if where == "user" else home / "etc"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.toml").write_text(text, encoding="utf-8")
    known = {"HOME": str(home), "XDG_CONFIG_HOME": str(home / "config"), **(environ or {})}
    return config.from_environment(known, home, home / "etc")


@pytest.mark.parametrize("where", ["user", "system"])
def test_the_configuration_names_it(tmp_path: Path, where: str) -> None:
    found = settings(tmp_path, '[flavors]\ngam = "acme.gam:GamFlavor"\n', where=where)
    assert found.flavors == GAM


def test_the_users_file_adds_to_the_systems(tmp_path: Path) -> None:
    settings(tmp_path, '[flavors]\ngam = "acme.gam:Old"\nsap = "acme.sap:Sap"\n', where="system")
    found = settings(tmp_path, '[flavors]\ngam = "acme.gam:GamFlavor"\n')
    assert found.flavors == (*GAM, ("sap", "acme.sap:Sap"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param('[flavors]\ngam = "acme.gam"\n', r"\[flavors\] 'gam': expected \"module:Class\"", id="no-class"),
        pytest.param("[flavors]\ngam = 3\n", "got 3", id="a-number"),
        pytest.param('[flavors]\n"../gam" = "a:B"\n', "expected a name", id="no-name"),
    ],
)
def test_what_is_wrong_in_the_table_is_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        settings(tmp_path, text)


def test_neither_environment_nor_working_directory_name_one(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[flavors]\ngam = "acme.gam:GamFlavor"\n', encoding="utf-8")
    assert settings(tmp_path, "").flavors == ()
    with pytest.raises(UsageError, match="never by the environment"):
        settings(tmp_path, "", {"CLOCHE_FLAVORS_GAM": "acme.gam:GamFlavor"})


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_a_file_that_others_may_change_names_none(tmp_path: Path) -> None:
    settings(tmp_path, '[flavors]\ngam = "acme.gam:GamFlavor"\n')
    (tmp_path / "config" / "cloche" / "config.toml").chmod(0o666)
    known = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    with pytest.raises(UsageError, match="config.toml"):
        config.from_environment(known, tmp_path, tmp_path / "etc")


def test_it_goes_wherever_trust_goes() -> None:
    trust = TrustPolicy(flavors=GAM, trusted_digests=frozenset({"00"}))
    assert TrustPolicy.from_dict(trust.to_dict()) == trust
    assert msgspec.json.decode(msgspec.json.encode(trust), type=TrustPolicy) == trust
    assert trust.names_only() == TrustPolicy(flavors=GAM)
