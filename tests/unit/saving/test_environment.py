"""Which distributions the manifest names."""

from __future__ import annotations

import sys
from importlib import metadata

from cloche.saving.environment import environment


def test_it_names_what_is_imported_as_the_standard_library_would():
    imported = {name.partition(".")[0] for name in list(sys.modules)}
    expected = {
        name for module, names in metadata.packages_distributions().items() if module in imported for name in names
    }
    found = environment().packages
    assert set(found) == expected
    assert found["numpy"] == metadata.version("numpy")


def test_what_a_flavor_needs_is_named_though_it_is_not_imported():
    assert environment(("pip", "no-such-distribution")).packages["pip"] == metadata.version("pip")
