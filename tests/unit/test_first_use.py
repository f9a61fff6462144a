"""Packages whose names are fetched on first use: each name that they promise is there, and costs nothing before."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

PACKAGES = ("artifact", "config", "engines", "keys", "registry", "serving", "store")


@pytest.mark.parametrize("name", PACKAGES)
def test_every_promised_name_is_there(name: str) -> None:
    package = import_module(f"cloche.{name}")
    assert package.__all__
    for one in package.__all__:
        assert getattr(package, one) is not None
        assert one in vars(package), "kept where the next reader finds it at once"


def test_another_name_is_an_attribute_error_that_names_the_package() -> None:
    with pytest.raises(AttributeError, match=r"module 'cloche\.registry' has no attribute 'Cake'"):
        import_module("cloche.registry").Cake  # noqa: B018


@pytest.mark.parametrize("name", PACKAGES)
def test_importing_the_package_imports_none_of_its_modules(name: str) -> None:
    code = f"import sys, cloche.{name}; print(*[m for m in sys.modules if m.startswith('cloche.{name}.')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""
