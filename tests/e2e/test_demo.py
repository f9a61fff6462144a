"""`cloche demo --once`: the whole story, told by the real parts, ends by itself."""

from __future__ import annotations

import json
from pathlib import Path

from servers import cloche


def test_the_story(tmp_path: Path) -> None:
    done = cloche("demo", "--once", "--port", "0", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    urls = json.loads(done.stdout)
    assert urls["docs"] == f"{urls['url']}/docs"
    for said in (
        "penguins version 1",
        '"prediction":',
        "did you mean 'Dream'?",
        "penguins@2 answers",
        "penguins@1 answers",
        "none failed",
        "/docs",
    ):
        assert said in done.stderr.replace('"prediction" :', '"prediction":'), said
    assert not list(tmp_path.iterdir()), "the demo leaves nothing behind"
