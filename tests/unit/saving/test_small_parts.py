"""Provenance, class labels, steps, environment: small parts of a save."""

from __future__ import annotations

import subprocess
import threading

import pytest

from cloche.errors import SaveRefusedError
from cloche.records import ModelFacts
from cloche.saving import labels, provenance, steps
from cloche.saving.environment import environment


@pytest.mark.parametrize(
    ("remote", "shown"),
    [
        pytest.param("https://user:token@host.org/a/b.git", "https://host.org/a/b.git", id="user-and-token"),
        pytest.param(
            "https://token@host.org:8443/a.git?k=1#x", "https://host.org:8443/a.git", id="token-query-fragment"
        ),
        pytest.param("git@host.org:a/b.git", "host.org:a/b.git", id="scp-like"),
        pytest.param("ssh://git@host.org/a.git", "ssh://host.org/a.git", id="ssh"),
        pytest.param("/srv/git/a.git", "/srv/git/a.git", id="path"),
    ],
)
def test_a_remote_shows_no_credentials(remote, shown):
    assert provenance.without_credentials(remote) == shown


def test_git_tells_commit_dirt_and_remote(tmp_path):
    def git(*words):
        subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True)

    git("init", "-q")
    assert provenance.git(tmp_path) is None
    (tmp_path / "train.py").write_text("1")
    git("add", "train.py")
    git("-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-q", "-m", "one")
    git("remote", "add", "origin", "https://u:secret@host/x.git")
    clean = provenance.git(tmp_path)
    assert (len(clean["commit"]), clean["dirty"], clean["remote"]) == (40, False, "https://host/x.git")
    (tmp_path / "train.py").write_text("2")
    assert provenance.git(tmp_path)["dirty"] is True


def test_no_git_outside_a_work_tree(tmp_path):
    assert provenance.git(tmp_path / "nowhere") is None


FACTS = ModelFacts(task="classification", names=None, n_inputs=2, classes=(0, 1, 2))


@pytest.mark.parametrize(
    ("given", "found"),
    [
        pytest.param(None, None, id="none"),
        pytest.param(["a", "b", "c"], ("a", "b", "c"), id="in-order"),
        pytest.param({2: "c", 0: "a", 1: "b"}, ("a", "b", "c"), id="by-class"),
    ],
)
def test_labels_for_codes(given, found):
    assert labels.named(given, FACTS) == found


@pytest.mark.parametrize(
    ("given", "facts", "says"),
    [
        pytest.param(["a", "b"], FACTS, "expected 3 labels", id="too-few"),
        pytest.param(["a", "a", "b"], FACTS, "different labels", id="twice-the-same"),
        pytest.param(["a", 1, "b"], FACTS, "of one type", id="mixed-types"),
        pytest.param({0: "a", 1: "b"}, FACTS, "no label for 2", id="one-missing"),
        pytest.param(["a"], ModelFacts(task="regression", names=None, n_inputs=1), "only a classifier", id="regressor"),
    ],
)
def test_labels_that_do_not_fit_are_refused(given, facts, says):
    with pytest.raises(SaveRefusedError, match=says):
        labels.named(given, facts)


def test_a_quick_save_says_nothing():
    told = []
    with steps.Steps(told.append) as step:
        step("storing")
    assert told == []


def test_a_slow_save_tells_the_step_under_way(monkeypatch):
    monkeypatch.setattr(steps, "PATIENCE_S", 0.0)
    told = []
    with steps.Steps(told.append) as step:
        step("storing")
        step("probing")
    assert told == ["storing…", "probing…"]


def test_a_step_is_told_once_and_only_while_it_lasts(monkeypatch):
    monkeypatch.setattr(steps, "PATIENCE_S", 0.001)
    monkeypatch.setattr(steps, "EVERY_S", 0.001)
    told, heard = [], threading.Event()

    def tell(line):
        told.append(line)
        heard.set()

    with steps.Steps(tell) as step:
        step("storing")
        assert heard.wait(10)
        heard.clear()
        step("probing")
        assert heard.wait(10)
    assert told == ["storing…", "probing…"]


def test_the_environment_lists_what_is_imported():
    found = environment(("pytest", "no-such-distribution"))
    assert {"numpy", "msgspec", "pytest"} <= set(found.packages)
    assert "no-such-distribution" not in found.packages
