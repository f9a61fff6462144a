"""A save that is killed at any step: the store is as it was, and saving again works."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

import pytest

from conftest import needs

#: Imports, fits and stages once, then forks one saver after the other: each dies at its own step. The parent never
#: touches the store (its client does not survive a fork).
SCRIPT = """
    import json, os, shutil, sys, traceback
    from pathlib import Path
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression
    import cloche
    from cloche.api import publishing, saving
    from cloche.api.workplace import workplace
    from cloche.saving import SaveRequest, stage, steps
    from cloche.store import Store
    from cloche.trust import TrustPolicy

    steps.PATIENCE_S = 0.0
    data = load_iris(as_frame=True)
    one, two = (LogisticRegression(C=c, max_iter=500).fit(data.data, data.target) for c in (1.0, 0.5))
    store, killed, stride = sys.argv[1:]

    def save(model):
        cloche.save(model, "iris", inputs=data.data, targets=data.target, store=store, quiet=True)

    def dying(number):
        seen = 0
        def tick(*_):
            nonlocal seen
            seen += 1
            if seen == number:
                os._exit(9)
        return tick

    def killed_while_staging(number):
        saving._progress = dying(number)
        save(two)

    def killed_while_publishing(number):
        # before and after every object that is written
        tick, create = dying(number), Store.create
        def counted(self, path, content):
            tick()
            create(self, path, content)
            tick()
        Store.create = counted
        publish()

    def publish():
        publishing.publish(workplace(store), staged, promote=False)

    def state():
        registry = workplace(store).registry
        event = registry.routes("iris")
        print(json.dumps([[v.version for v in registry.versions("iris")], event.live if event else None]))

    def forked(deed, *arguments):
        process = os.fork()
        if not process:
            try:
                deed(*arguments)
                sys.stdout.flush()
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])

    assert forked(save, one) == 0
    base = store
    request = SaveRequest(inputs=data.data, targets=data.target)
    folder, trust = Path(store).parent, TrustPolicy()
    staged = stage(two, "iris", request, previous=None, root=folder, trust=trust, created_by="me")
    number, code = 1, 9
    while code == 9:
        store = f"{base}-{number}"
        shutil.copytree(base, store)
        code = forked(globals()[killed], number)
        assert code in (0, 9), code
        forked(state)
        assert forked(publish) == 0
        forked(state)
        number += int(stride)
"""


#: CI dies at every step, a local run at every third.
STRIDE = 1 if os.environ.get("CI") else 3


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("killed", "at_least"),
    [
        pytest.param("killed_while_staging", 9, id="while-staging"),
        pytest.param("killed_while_publishing", 8, id="while-publishing"),
    ],
)
def test_the_old_state_stands(killed, at_least, tmp_path):
    needs(hasattr(os, "fork"), "needs fork")
    script = tmp_path / "saver.py"
    script.write_text(textwrap.dedent(SCRIPT))
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "TMPDIR": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "store"), killed, str(STRIDE)],
        env=environment, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    states = [json.loads(line) for line in done.stdout.splitlines()]
    after_kill, after_publish = states[:-2:2], states[1:-2:2]
    assert len(after_kill) >= at_least // STRIDE
    assert all(live == {"1": 1} for _, live in states)  # later versions wait for a promote
    assert all(versions in ([1], [1, 2]) for versions, _ in after_kill)  # the version object is there, or it is not
    assert after_kill[0][0] == [1]
    assert [again for again, _ in after_publish] == [[*versions, len(versions) + 1] for versions, _ in after_kill]
