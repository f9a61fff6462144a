"""Where the code stood: the git commit, whether the tree was dirty, and the remote without its credentials."""

from __future__ import annotations

import hashlib
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

_TIMEOUT_S = 5.0


def git(directory: Path) -> dict[str, Any] | None:
    """`{"commit", "dirty", "remote"}` of the work tree around *directory*; None where there is none, or no git."""
    commit = _git(directory, "rev-parse", "HEAD")
    if not commit:
        return None
    found: dict[str, Any] = {"commit": commit, "dirty": bool(_git(directory, "status", "--porcelain"))}
    remote = _git(directory, "config", "--get", "remote.origin.url")
    if remote:
        found["remote"] = without_credentials(remote)
    return found


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file lies in its work tree, and the commit that holds it as it is; None where that is not so."""

    path: str | None = None
    commit: str | None = None
    folder: str | None = None


def place(file: Path, text: bytes) -> Place:
    """
    The place of *file*, whose content is *text*, in the work tree around it.

    The commit is told only where it holds exactly that text and no tracked file of the work tree was changed since:
    then a checkout of it is what ran.
    """
    top = _git(file.parent, "rev-parse", "--show-toplevel")
    if not top:
        return Place()
    root = Path(top)
    try:
        path = file.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return Place()
    here = Path.cwd().resolve()
    folder = here.relative_to(root.resolve()).as_posix() if here.is_relative_to(root.resolve()) else None
    commit = _git(root, "rev-parse", "HEAD")
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    holds = bool(commit) and changed == "" and _git(root, "rev-parse", f"HEAD:{path}") == _blob(text)
    return Place(path, commit if holds else None, folder)


def _blob(text: bytes) -> str:
    """The name git gives to a file of this content (repositories with SHA-1 names, which is nearly all of them)."""
    return hashlib.sha1(b"blob %d\0" % len(text) + text, usedforsecurity=False).hexdigest()


def without_credentials(remote: str) -> str:
    """A remote's address without user, password, query or fragment; `git@host:path` keeps host and path."""
    parts = urlsplit(remote)
    if parts.scheme and parts.netloc:
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit((parts.scheme, host, parts.path, "", ""))
    return re.sub(r"^[^@/]*@", "", remote)


def _git(directory: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", *arguments],
            cwd=directory,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
