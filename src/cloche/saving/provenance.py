"""Where the code stood: the git commit, whether the tree was dirty, and the remote without its credentials."""

from __future__ import annotations

import re
import subprocess
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
