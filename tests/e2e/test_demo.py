"""`cloche demo --once`: the whole story, told by the real parts, ends by itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from servers import cloche


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_story(tmp_path: Path) -> None:
    done = cloche("demo", "--once", "--port", "0", "--json", cwd=tmp_path, timeout_s=300.0)
    assert done.returncode == 0, done.stderr
    urls = json.loads(done.stdout)
    assert urls["docs"] == f"{urls['url']}/docs"
    assert "/login?token=" in urls["dashboard"]
    for said in (
        "penguins version 1",
        '"prediction":',
        "did you mean 'Dream'?",
        "penguins@2 answers",
        "penguins@1 answers",
        "none failed",
        "/docs",
        "220 rows, answered by version 2",
        "the dashboard: Gentoo 100%",
        "[FIRING] too-many-gentoo: 100 % (Ornithology)",
        "accuracy 0.00 by labels; 0.79 when it was saved",
        "rollback to version 1 (was 2), by key ",
        "version 1 is right 100% of the time; the webhook was told: [RESOLVED] too-many-gentoo",
    ):
        assert said in done.stderr.replace('"prediction" :', '"prediction":'), said
    assert not list(tmp_path.iterdir()), "the demo leaves nothing behind"
