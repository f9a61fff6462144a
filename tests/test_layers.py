"""
The stack of DESIGN 3, checked on the source: nothing is imported here.

A module imports only from rows below its own, neighbours in a row do not import each other, a framework
has one home, imports stand at the top of the file. A heavy library is reached by `import_module` with a
name from a table of strings; a string that names one of our modules counts as an import of it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "cloche"

ROWS = (
    ("__main__",),
    ("cli",),
    ("demo",),
    ("api", "client", "aclient", "testing", "deploy"),
    ("web", "importers"),
    ("protocols", "scoring", "calling", "dashboard"),
    ("serving", "monitoring"),
    ("registry", "saving"),
    ("artifact", "prediction_log", "keys"),
    ("engines",),
    ("flavors",),
    ("onnx",),
    ("profile", "tables", "evaluation"),
    ("contract", "graph", "signing"),
    ("manifest", "trust", "audit", "ed25519"),
    ("records", "store", "logs", "metrics", "ids", "pipes", "http1", "markup", "features"),
    ("integrity", "config", "rates", "frame_spec"),
    ("errors", "_version", "threads", "first_use"),
)
ROW_OF = {name: number for number, names in enumerate(ROWS) for name in names}

#: Who may import a library: a module of ours, or everything inside a folder. The demo is a user's own script.
HOMES = {
    "starlette": ("web",),
    "uvicorn": ("web",),
    "httptools": ("web",),
    "opentelemetry": ("web.otlp",),
    "requests": ("web.otlp",),
    "click": ("cli",),
    "yaml": ("importers.yaml_home",),
    "cryptography": ("ed25519",),
    "obstore": ("store",),
    "sklearn": ("flavors.sklearn", "demo"),
    "skops": ("flavors.sklearn",),
    "xgboost": ("flavors.xgboost",),
    "lightgbm": ("flavors.lightgbm",),
    "catboost": ("flavors.catboost",),
    "statsmodels": ("flavors.statsmodels",),
    "patsy": ("flavors.statsmodels",),
    "torch": ("flavors.torch",),
    "tokenizers": ("flavors.tokens.hugging_face",),
    "sentencepiece": ("flavors.tokens.sentence_pieces",),
    "keras": ("flavors.keras",),
    "h5py": ("flavors.keras",),
    "tensorflow": ("flavors.keras",),
    "onnx": ("flavors.onnx",),
    "onnxruntime": ("onnx.session",),
    "skl2onnx": ("flavors.sklearn.onnx",),
    "safetensors": ("graph.weights", "flavors.torch"),
    "pandas": ("tables.pandas_home", "demo"),
    "polars": ("tables.polars_home",),
    "pyarrow": ("tables.arrow_home", "tables.arrow_stream", "prediction_log.arrow_home", "prediction_log.delta_home"),
    "deltalake": ("prediction_log.delta_home",),
    "cloudpickle": (),
    "pickle": ("importers.pickles",),
    "dill": (),
}
MAX_LINES = 400
MAX_FUNCTION_LINES = 40
#: Packages whose names are fetched on first use; the imports of the type checker are all that it sees of them.
FETCHED_ON_FIRST_USE = {"", "artifact", "config", "engines", "errors", "keys", "registry", "serving", "store"}
FORBIDDEN_NAMES = {"utils", "util", "common", "helpers", "misc"}

MODULES = sorted(SOURCE.rglob("*.py"))


def dotted(path: Path) -> str:
    """`flavors/sklearn/__init__.py` → `flavors.sklearn`; the root package is the empty string."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {dotted(path) for path in MODULES}


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every absolute name an import statement binds or reads, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            yield node.lineno, module
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def named_in_strings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """`"cloche.flavors.sklearn:SklearnFlavor"` in a table is an import on first use."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found = re.fullmatch(r"cloche\.([\w.]+)(:\w+)?", node.value)
            if found and found[1] in NAMES:
                yield node.lineno, f"cloche.{found[1]}"


def imported_by_name(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """`import_module("pandas")`, written out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module") and node.args:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield node.lineno, first.value


def type_checking_imports(tree: ast.AST) -> set[int]:
    """The lines that stand under `if TYPE_CHECKING:`."""
    blocks = [n for n in ast.walk(tree) if isinstance(n, ast.If) and ast.unparse(n.test).endswith("TYPE_CHECKING")]
    return {
        inner.lineno for block in blocks for stmt in block.body for inner in ast.walk(stmt) if hasattr(inner, "lineno")
    }


def layer_problems(name: str, tree: ast.AST) -> Iterator[str]:
    """What *name* imports of ours and must not."""
    home = name.split(".")[0]
    skipped = type_checking_imports(tree) if name == "errors" else set()
    for line, target in [*imports(tree), *named_in_strings(tree)]:
        package, _, rest = target.partition(".")
        other = rest.split(".")[0]
        if package != "cloche" or other in ("", home) or line in skipped or other not in ROW_OF:
            continue
        if ROW_OF[other] <= ROW_OF[home]:
            yield f"line {line}: {name} imports {target}, which is not below it"


def home_problems(name: str, tree: ast.AST) -> Iterator[str]:
    """Which libraries *name* imports although another module is their home."""
    for line, target in [*imports(tree), *imported_by_name(tree)]:
        library = target.split(".")[0]
        homes = HOMES.get(library)
        if homes is not None and not any(f"{name}.".startswith(f"{home}.") for home in homes):
            yield f"line {line}: {library} is imported; its home is {' and '.join(homes) or 'nowhere'}"


def place_problems(name: str, tree: ast.AST) -> Iterator[str]:
    """Imports that do not stand at the top of the file, and relative ones."""
    for function in (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)):
        for node in ast.walk(function):
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield f"line {node.lineno}: an import inside {function.name}()"
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            yield f"line {node.lineno}: a relative import"
    if name not in FETCHED_ON_FIRST_USE:
        yield from (f"line {line}: `if TYPE_CHECKING`" for line in sorted(type_checking_imports(tree)))


def length_problems(tree: ast.AST, lines: int) -> Iterator[str]:
    """A file or a function that has outgrown its name; a docstring costs nothing."""
    if lines > MAX_LINES:
        yield f"{lines} lines; past {MAX_LINES} a file becomes a folder of that name"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            body = node.body[1:] if ast.get_docstring(node) is not None and len(node.body) > 1 else node.body
            length = node.end_lineno - body[0].lineno + 1
            if length > MAX_FUNCTION_LINES:
                yield f"line {node.lineno}: {node.name}() has {length} lines, at most {MAX_FUNCTION_LINES}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_keeps_the_stack(path: Path) -> None:
    text = path.read_text("utf-8")
    tree, name = ast.parse(text), dotted(path)
    problems = [*home_problems(name, tree), *place_problems(name, tree), *length_problems(tree, text.count("\n"))]
    if name:
        assert name.split(".")[0] in ROW_OF, f"{name} stands in no row of ROWS"
        problems += layer_problems(name, tree)
    assert not FORBIDDEN_NAMES & set(name.split(".")), f"{name}: name it by what it is for"
    assert not problems, "\n".join([str(path.relative_to(SOURCE)), *problems])


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        pytest.param("contract.infer", "from cloche.flavors import get_flavor", "not below", id="upwards"),
        pytest.param("saving.stage", "from cloche.registry import Registry", "not below", id="neighbour"),
        pytest.param("serving.model", "TABLE = {'a': 'cloche.cli:main'}", "not below", id="by-string"),
        pytest.param("registry", "import obstore", "its home is store", id="framework"),
        pytest.param("flavors.sklearn.frames", "import pandas as pd", "tables.pandas_home", id="pandas-in-flavor"),
        pytest.param("tables", "import_module('pyarrow')", "tables.arrow_home", id="by-import-module"),
        pytest.param("records", "def f():\n    import numpy", "inside f()", id="inside-a-function"),
        pytest.param("records", "from . import errors", "relative", id="relative"),
        pytest.param("records", "if TYPE_CHECKING:\n    import numpy", "TYPE_CHECKING", id="type-checking"),
    ],
)
def test_the_rules_find_what_they_forbid(name: str, text: str, found: str) -> None:
    tree = ast.parse(text)
    problems = [*layer_problems(name, tree), *home_problems(name, tree), *place_problems(name, tree)]
    assert any(found in problem for problem in problems), problems
