"""
Every fenced block of the README, the tutorials and the how-to pages is executed, in order, page by page.

The rules are in CONTRIBUTING.md, "Examples in the docs". In short: a page has one folder, one Python
namespace and one server; what is shown under a command is what it prints, white space aside, with `…` for
anything; `# exits 1` at the end of a command is its exit status; only a ```text fence is not run.
"""

from __future__ import annotations

import ast
import fcntl
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import pytest

from conftest import needs

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    path
    for path in [
        ROOT / "README.md",
        *ROOT.glob("docs/index.md"),
        *ROOT.glob("docs/tutorials/*.md"),
        *ROOT.glob("docs/how-to/*.md"),
    ]
    if path.exists()
)
SHELL, DATA = {"console", "bash", "sh"}, {"text", "json", "toml", "yaml", "mermaid"}
#: These lines would install or download; their extras are checked instead.
NOT_RUN = re.compile(r"(python3?(\.\d+)? -m )?pip install |git clone |make |cd cloche$")
#: These start a server, which is awaited and runs until the page ends.
SERVES = re.compile(r"(\w+=\S+ )*cloche serve ")
READY_WITHIN_S = 60.0
#: How ten pages begin, in an empty folder: it is run once, and every page begins with a copy of what it leaves.
DEMO = "ONCE=1 cloche demo --store .cloche"

#: Runs the page's Python blocks in one namespace; answers one JSON line a block.
DRIVER = """
import json, sys, traceback
channel, sys.stdout = sys.stdout, sys.stderr
names = {"__name__": "__main__"}
for line in sys.stdin:
    block = json.loads(line)
    try:
        exec(compile("\\n" * block["line"] + block["code"], block["page"], "exec"), names)
        problem = None
    except BaseException:
        problem = traceback.format_exc()
    print(json.dumps(problem), file=channel, flush=True)
"""


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its text, the line of its opening fence (1-based)."""

    language: str
    text: str
    line: int


@dataclass(frozen=True)
class Command:
    """One command of a shell block, what it shall print (None: anything), its exit status."""

    text: str
    expected: str | None
    status: int


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page; a fence may be indented (in a list)."""
    found, pattern = (
        [],
        re.compile(r"^(?P<indent> *)```(?P<language>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$", re.M | re.S),
    )
    for match in pattern.finditer(page):
        text = re.sub(rf"^{match['indent']}", "", match["text"], flags=re.M)
        words = match["language"].split()
        found.append(Block(words[0] if words else "", text, page.count("\n", 0, match.start()) + 1))
    return found


def commands(text: str) -> list[Command]:
    """A block without `$ ` prompts is one script; with them, other lines are what a command prints."""
    if not re.search(r"^\$ ", text, re.M):
        return [Command(text, None, 0)]
    found: list[Command] = []
    for chunk in re.split(r"^\$ ", text, flags=re.M)[1:]:
        taken, lines = [], chunk.splitlines()
        while lines:
            taken.append(lines.pop(0))
            if not (taken[-1].endswith("\\") or (lines and lines[0].startswith("> "))):
                break
            if lines and lines[0].startswith("> "):
                lines[0] = lines[0][2:]
        status = re.search(r"#\s*exits (\d+)\s*$", taken[-1])
        expected = "\n".join(lines).strip() or None
        found.append(Command("\n".join(taken), expected, int(status[1]) if status else 0))
    return found


def matches(expected: str, printed: str, *, whole: bool = True) -> bool:
    """White space does not count (terminals wrap); `…` stands for anything."""
    parts = ["".join(part.split()) for part in expected.split("…")]
    pattern = ".*?".join(map(re.escape, parts))
    return re.fullmatch(pattern if whole else f"{pattern}.*", "".join(printed.split()), re.S) is not None


def free_ports() -> tuple[int, int]:
    """Two ports that are free now."""
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1]


@dataclass
class Server:
    """A `cloche serve` of the page, and the file its output goes to."""

    process: subprocess.Popen[bytes]
    log: Path
    expected: str | None

    def wait_until_ready(self, url: str) -> None:
        until = time.monotonic() + READY_WITHIN_S
        while self.process.poll() is None and time.monotonic() < until:
            try:
                with urllib.request.urlopen(f"{url}/ready", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        pytest.fail(f"the server did not become ready:\n{self.log.read_text()}")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(30)
        printed = self.log.read_text()
        assert status == 0, f"the server exited with {status}:\n{printed}"
        assert self.expected is None or matches(self.expected, printed, whole=False), printed


@dataclass
class Page:
    """One page at work: its folder, its environment, its Python and its servers."""

    path: Path
    folder: Path
    demo: Callable[[], Path] | None = None
    ports: tuple[int, int] = field(default_factory=free_ports)
    servers: list[Server] = field(default_factory=list)
    driver: subprocess.Popen[str] | None = None

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CLOCHE_")}
        here = str(self.folder.parent / "home")
        source = [str(ROOT / "src")] if "PYTHONPATH" in kept else []
        return kept | {
            "HOME": here,
            "XDG_CONFIG_HOME": f"{here}/.config",
            "CLOCHE_CACHE": f"{here}/cache",
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), kept["PATH"]]),
            "PYTHONPATH": os.pathsep.join(source),
            "COLUMNS": "200",
            "NO_COLOR": "1",
        }

    def own_ports(self, text: str) -> str:
        """Pages say 8000 and 8001; the test takes two free ports."""
        return re.sub(r"\b8000\b", str(self.ports[0]), re.sub(r"\b8001\b", str(self.ports[1]), text))

    def run(self, block: Block) -> None:
        if block.language == "python":
            self.run_python(block)
            return
        for command in commands(self.own_ports(block.text)):
            where = f"{self.path.name}:{block.line}: {command.text}"
            if NOT_RUN.match(command.text):
                check_extras(command.text)
            elif command.text == DEMO and self.demo is not None:
                assert command.expected is None
                assert not list(self.folder.iterdir())
                shutil.copytree(self.demo() / ".cloche", self.folder / ".cloche")
            elif SERVES.match(command.text):
                self.serve(command)
            else:
                self.run_command(command, where)

    def run_python(self, block: Block) -> None:
        if self.driver is None:
            self.driver = subprocess.Popen(
                [sys.executable, "-c", DRIVER],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=self.folder,
                env=self.environment(),
            )
        request = {"page": str(self.path), "line": block.line, "code": self.own_ports(block.text)}
        answer = exchange(self.driver.stdin, self.driver.stdout, request)
        assert answer is None, f"{self.path.name}:{block.line}:\n{answer}"

    def run_command(self, command: Command, where: str) -> None:
        needs(not command.text.startswith("curl") or shutil.which("curl"), "needs curl")
        needs(not command.text.startswith("Rscript") or shutil.which("Rscript"), "needs R")
        done = subprocess.run(
            ["bash", "-ec", command.text],
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
        )
        assert done.returncode == command.status, f"{where}\nexited with {done.returncode}:\n{done.stdout}"
        fits = command.expected is None or matches(command.expected, done.stdout)
        assert fits, f"{where}\nprinted:\n{done.stdout}\nthe page says:\n{command.expected}"

    def serve(self, command: Command) -> None:
        text = command.text.removesuffix("&").rstrip()
        if "--port" not in text:
            text += f" --port {self.ports[0]} --management-port {self.ports[1]}"
        log = self.folder.parent / f"server-{len(self.servers)}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                ["bash", "-ec", f"exec env {text}"], cwd=self.folder, env=self.environment(), stdout=out, stderr=out
            )
        server = Server(process, log, command.expected)
        self.servers.append(server)
        port = re.search(r"--port[ =](\d+)", text)
        server.wait_until_ready(f"http://127.0.0.1:{port[1] if port else self.ports[0]}")

    def close(self) -> None:
        if self.driver is not None:
            self.driver.communicate(timeout=30)
        try:
            for server in self.servers:
                server.stop()
        finally:
            for server in self.servers:
                server.process.kill()


def imported(text: str) -> set[str]:
    """The libraries that the Python blocks of a page import: some belong to no extra that everybody has."""
    trees = [ast.parse(block.text) for block in blocks(text) if block.language == "python"]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = [one.name for node in nodes if isinstance(node, ast.Import) for one in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.partition(".")[0] for name in names}


def exchange(into: IO[str] | None, out: IO[str] | None, request: dict[str, object]) -> str | None:
    """One block to the page's Python; its traceback, or None."""
    assert into is not None
    assert out is not None
    into.write(json.dumps(request) + "\n")
    into.flush()
    line = out.readline()
    assert line, "the page's Python ended"
    answer: str | None = json.loads(line)
    return answer


def check_extras(command: str) -> None:
    """`pip install 'cloche[a,b]'` names extras that exist."""
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for named in re.findall(r"\[([\w,-]+)\]", command):
        assert set(named.split(",")) <= set(known), f"{command}: there are {sorted(known)}"


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """The folder in which `DEMO` ran, once for all the processes of this test run."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "demo"

    def run() -> Path:
        shared.mkdir(exist_ok=True)
        with (shared / "lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            folder = shared / "page"
            if not folder.exists():
                trial = shared / "trial" / "page"
                for one in (trial, trial.parent / "home"):
                    one.mkdir(parents=True)
                Page(Path("demo"), trial).run_command(Command(DEMO, None, 0), DEMO)
                trial.rename(folder)
        return folder

    return run


@pytest.fixture
def page(request: pytest.FixtureRequest, tmp_path: Path, demo: Callable[[], Path]) -> Iterator[Page]:
    folder = tmp_path / "page"
    folder.mkdir()
    (tmp_path / "home").mkdir()
    running = Page(request.param, folder, demo)
    yield running
    running.close()


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)), indirect=True)
def test_the_page_does_what_it_says(page: Page) -> None:
    for library in imported(page.path.read_text("utf-8")):
        needs(importlib.util.find_spec(library), f"needs {library}")
    for block in blocks(page.path.read_text("utf-8")):
        assert block.language in SHELL | DATA | {"python"}, f"{page.path.name}:{block.line}: ```{block.language}"
        if block.language not in DATA:
            page.run(block)


def test_blocks_know_language_and_line() -> None:
    text = "# A\n\n```python\nx = 1\n```\n\n1. then\n\n   ```console\n   $ ls\n   a\n   ```\n"
    assert blocks(text) == [Block("python", "x = 1\n", 3), Block("console", "$ ls\na\n", 9)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("ls\npwd\n", [Command("ls\npwd\n", None, 0)], id="script"),
        pytest.param("$ ls\na\nb\n$ pwd\n", [Command("ls", "a\nb", 0), Command("pwd", None, 0)], id="two"),
        pytest.param("$ a \\\n  b\nout\n", [Command("a \\\n  b", "out", 0)], id="backslash"),
        pytest.param("$ a <<E\n> b\n> E\nout\n", [Command("a <<E\nb\nE", "out", 0)], id="continued"),
        pytest.param("$ a  # exits 3\n", [Command("a  # exits 3", None, 3)], id="status"),
    ],
)
def test_commands(text: str, found: list[Command]) -> None:
    assert commands(text) == found


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        pytest.param('{"a": 1,\n "b": 2}', '{"a":1,"b":2}', True, id="white-space"),
        pytest.param("version …, live", "version 17, live\n", True, id="anything"),
        pytest.param("version 1", "version 17", False, id="not-a-prefix"),
        pytest.param("a.c", "abc", False, id="a-dot-is-a-dot"),
    ],
)
def test_matches(expected: str, printed: str, same: bool) -> None:
    assert matches(expected, printed) is same
