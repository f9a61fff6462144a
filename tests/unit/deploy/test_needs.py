"""What an image has to hold, by engine and flavor; and the versions that it is pinned to."""

from __future__ import annotations

import io
import json
import re
import zipfile
from typing import Any

import msgspec
import pytest

from cloche.deploy.installation import Installation, Requirement, closure, installation
from cloche.deploy.needs import needs
from cloche.deploy.pins import constraints, pins
from cloche.errors import ManifestError
from cloche.graph import GRAPH
from cloche.manifest import Environment, Manifest
from cloche.onnx import INTERFACE
from cloche.records import FrameColumn, FrameSpec


def manifest(flavor: str = "sklearn", container: str = "numpy", packages: Any = None, **options: Any) -> Manifest:
    """Of a model that was saved with *packages*."""
    columns = (FrameColumn("a", options.pop("dtype", "float64")),)
    return Manifest(
        name="m", task="regression", flavor=flavor, framework="x", created="2026-01-01T00:00:00Z", created_by="a",
        cloche="0.1.0", frame=FrameSpec(container, columns), files={}, options=options,  # type: ignore[arg-type]
        environment=Environment("3.11.7", "linux", packages or {}),
    )  # fmt: skip


def skops(*modules: str) -> dict[str, bytes]:
    """A file as skops writes it, whose objects lie in *modules*."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("schema.json", json.dumps({"content": [{"__module__": one} for one in modules]}))
    return {"model.skops": out.getvalue()}


def graph(*operators: str) -> dict[str, bytes]:
    """A twin of these operators."""
    return {GRAPH: json.dumps({"nodes": [{"op": one} for one in operators]}).encode()}


@pytest.mark.parametrize(
    ("engine", "about", "files", "expected"),
    [
        pytest.param("twin", manifest(), graph("numbers", "linear"), {}, id="a-twin-needs-nothing"),
        pytest.param(
            "twin", manifest(), graph("numbers", "trees"), {"bare": ("lightgbm",), "apt": ("libgomp1",)}, id="trees"
        ),
        pytest.param(
            "onnx", manifest("torch"), {INTERFACE: b"{}"}, {"distributions": ("onnxruntime",)}, id="an-onnx-form"
        ),
        pytest.param(
            "onnx",
            manifest("torch"),
            {INTERFACE: b'{"prepared": {"by": "tokens"}}'},
            {"distributions": ("onnxruntime",), "extras": ("text",)},
            id="an-onnx-form-of-texts",
        ),
        pytest.param("native", manifest(), skops("sklearn.svm", "builtins"), {"extras": ("sklearn",)}, id="native"),
        pytest.param("native", manifest(container="pandas"), skops(), {"extras": ("pandas", "sklearn")}, id="a-frame"),
        pytest.param(
            "native",
            manifest(container="series", dtype="String"),
            skops(),
            {"extras": ("polars", "sklearn")},
            id="a-series",
        ),
        pytest.param(
            "native",
            manifest(packages={"imbalanced-learn": "0.14.2"}),
            skops("imblearn.pipeline"),
            {"extras": ("sklearn",), "distributions": ("imbalanced-learn",)},
            id="what-a-pipeline-brings",
        ),
        pytest.param(
            "native", manifest(), skops("acme.steps"), {"extras": ("sklearn",), "modules": {"acme"}}, id="own-classes"
        ),
        pytest.param(
            "native",
            manifest(boosters=[{"library": "lightgbm"}]),
            skops(),
            {"extras": ("lightgbm", "sklearn"), "apt": ("libgomp1",)},
            id="a-booster-inside",
        ),
        pytest.param("native", manifest("xgboost"), {}, {"extras": ("xgboost",)}, id="xgboost"),
        pytest.param(
            "native",
            manifest("torch", module={"class": "acme.nets:Net"}),
            {},
            {"extras": ("torch",), "modules": {"acme"}},
            id="a-net-of-an-own-class",
        ),
        pytest.param("native", manifest("function", function="acme:rate"), {}, {"modules": {"acme"}}, id="a-function"),
        pytest.param("native", manifest("statsmodels"), {}, {"extras": ("statsmodels",)}, id="statsmodels"),
        pytest.param(
            "native", manifest("gam", "pandas"), {}, {"extras": ("pandas",), "modules": {"acme"}}, id="a-private-flavor"
        ),
        pytest.param(
            "native",
            manifest("r", packages={}, r="4.2.2"),
            {},
            {"apt": ("r-base-core",)},
            id="r-by-itself",
        ),
    ],
)  # fmt: skip
def test_what_an_engine_needs(engine: str, about: Manifest, files: dict[str, bytes], expected: dict[str, Any]) -> None:
    found = needs(about, files, engine, (("gam", "acme.flavor:GamFlavor"),))
    facts = ("extras", "distributions", "bare", "apt", "modules")
    assert {name: getattr(found, name) for name in facts if getattr(found, name)} == expected


def test_r_packages_are_debians() -> None:
    about = manifest("r")
    about = msgspec.structs.replace(
        about, options={"r": "4.2.2", "packages": {"randomForest": "4.7", "stats": "4.2.2"}}
    )
    found = needs(about, {}, "native")
    assert found.apt == ("r-base-core", "r-cran-randomforest")
    assert "saved with R 4.2.2 (randomForest 4.7, stats 4.2.2)" in found.notes[0]


@pytest.mark.parametrize(
    ("about", "files", "message"),
    [
        pytest.param(manifest("new"), {}, "flavor: expected one of .*, got 'new'", id="unknown-flavor"),
        pytest.param(manifest(), {"model.skops": b"?"}, "model.skops: expected a skops file", id="no-skops-file"),
        pytest.param(
            msgspec.structs.replace(manifest("r"), options={"packages": {"x; id": "1"}}),
            {},
            "expected the name of an R package, got 'x; id'",
            id="a-command-for-a-package",
        ),
    ],
)
def test_a_description_that_cannot_be_is_refused(about: Manifest, files: dict[str, bytes], message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        needs(about, files, "native")


def test_a_twin_that_is_not_there_is_refused() -> None:
    with pytest.raises(ManifestError, match=r"twin/graph\.json: expected a JSON object"):
        needs(manifest(), {}, "twin")


# -- pins ------------------------------------------------------------------------------------------


def test_the_models_libraries_are_as_it_was_saved_and_the_rest_as_here() -> None:
    about = manifest(packages={"scikit-learn": "1.2.3", "numpy": "2.0.1", "uvicorn": "0.1", "matplotlib": "3.0"})
    found = pins(installation(), about, needs(about, skops(), "native"))
    assert (found["scikit-learn"], found["numpy"]) == ("1.2.3", "2.0.1")
    assert found["uvicorn"] != "0.1"
    assert found["joblib"]
    assert "matplotlib" not in found


def test_a_twin_is_pinned_without_the_models_libraries() -> None:
    about = manifest(packages={"scikit-learn": "1.2.3", "numpy": "2.0.1"})
    found = pins(installation(), about, needs(about, graph("trees"), "twin"))
    assert found["numpy"] == "2.0.1"
    assert not found.keys() & {"scikit-learn", "scipy", "pandas"}
    assert "lightgbm" in found


def test_where_nobody_knows_what_a_library_draws_in_everything_is_pinned() -> None:
    about = manifest(packages={"not-installed-here": "1.0", "its-own-needs": "2.0+cpu", "matplotlib": "3.0"})
    found = pins(
        installation(), about, msgspec_replace(needs(about, graph(), "twin"), answering=("not-installed-here",))
    )
    assert {"not-installed-here", "its-own-needs", "matplotlib"} <= found.keys()
    assert found["its-own-needs"] == "2.0"


def msgspec_replace(found: Any, **changes: Any) -> Any:
    """`dataclasses.replace`, for a frozen class with slots."""
    return type(found)(**{**{name: getattr(found, name) for name in found.__slots__}, **changes})


@pytest.mark.parametrize(
    ("name", "version"),
    [("numpy", "2.0; id"), ("numpy", "2.0\nRUN id"), ("R", "4.2.2"), ("R package ranger", "0.1"), ("-r /etc", "1")],
)
def test_what_is_no_distribution_gets_into_no_file(name: str, version: str) -> None:
    about = manifest(packages={name: version, "gone": "1"})
    needed = msgspec_replace(needs(about, graph(), "twin"), answering=("gone",))
    lines = constraints(pins(installation(), about, needed)).splitlines()
    assert "gone==1" in lines
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][A-Za-z0-9.]*", line) for line in lines)
    assert not {"r==4.2.2", f"numpy=={version}"} & set(lines)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("numpy>=2.1", Requirement("numpy", (), ">=2.1", None)),
        ("uvloop>=0.21; sys_platform != 'win32'", Requirement("uvloop", (), ">=0.21", None)),
        ("Jinja2 (>=3.1); extra == 'monitor'", Requirement("jinja2", (), ">=3.1", "monitor")),
        ("cloche[train,score]; extra == 'all'", Requirement("cloche", ("train", "score"), "", "all")),
        ("keras>=3; (sys_platform == 'linux') and extra == \"keras\"", Requirement("keras", (), ">=3", "keras")),
    ],
)
def test_a_requirement_is_read(text: str, expected: Requirement) -> None:
    assert Requirement.parse(text) == expected


def test_an_extra_brings_what_it_asks_for_and_no_other() -> None:
    here = Installation(
        installation().package, "1", ("numpy>=2", "scipy; extra == 'monitor'", "cloche[monitor]; extra == 'all'")
    )
    assert "scipy" not in closure(here, ["cloche"])
    assert "scipy" in closure(here, ["cloche[all]"])
    assert "numpy" in closure(here, ["cloche"])
