"""Where the parts of the log lie: in the store below `log/`, on a host below its spool."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote, unquote

LOG = "log"
LANDING = f"{LOG}/landing"
#: Names of models begin with a letter or a digit, so that these are none.
FOLDS = f"{LOG}/_folds"
LEASE = f"{LOG}/_lease"
DAMAGED = f"{LOG}/_damaged"
ERASURES = f"{LOG}/_erasures"
#: Requests that reached no model.
UNKNOWN = f"{LOG}/_requests"
_SEGMENT = re.compile(rf"{LANDING}/([0-9A-Z]{{26}})/(\d{{12}})\.seg")
_ANSWERS = re.compile(rf"{LOG}/([^/]+)/contract=(\d+)")
_FOLD = re.compile(rf"{FOLDS}/(\d{{12}})\.json")
_NUMBERED = re.compile(r"(\d{12})\.(open|seg)")
_PLAIN = "._-"  # beside letters and digits; Delta takes no blank, comma, semicolon, brace, parenthesis, tab or '='


def landed(spool: str, number: int) -> str:
    """A segment as its host put it into the store."""
    return f"{LANDING}/{spool}/{number:012d}.seg"


def landed_in(path: str) -> tuple[str, int] | None:
    """The spool and the number of a landed segment, from its path."""
    found = _SEGMENT.fullmatch(path)
    return (found[1], int(found[2])) if found else None


def answers(model: str, contract: int) -> str:
    """The Delta table of a model's requests under a contract."""
    return f"{LOG}/{model}/contract={contract}"


def answers_in(path: str) -> tuple[str, int] | None:
    """The model and the contract of a table of answers, from its path."""
    found = _ANSWERS.fullmatch(path)
    return (found[1], int(found[2])) if found else None


def rollups(model: str) -> str:
    """The Delta table in which a model's answers are counted by version, route and minute."""
    return f"{LOG}/{model}/rollups"


def quality(model: str) -> str:
    """The Delta table in which a model's answers with known truths are counted by version, time and segment."""
    return f"{LOG}/{model}/quality"


def labels(model: str) -> str:
    """The Delta table of a model's labels, as they came."""
    return f"{LOG}/{model}/labels"


def fold(number: int) -> str:
    """What one fold took in."""
    return f"{FOLDS}/{number:012d}.json"


def fold_in(path: str) -> int | None:
    """The number of a fold list, from its path."""
    found = _FOLD.fullmatch(path)
    return int(found[1]) if found else None


def lease(number: int) -> str:
    """Who folds."""
    return f"{LEASE}/{number:012d}.json"


def damaged(spool: str, number: int) -> str:
    """A segment that was set aside after what could be read of it was folded."""
    return f"{DAMAGED}/{spool}/{number:012d}.seg"


def erasure(identifier: str) -> str:
    """What was erased, when, by whom and why."""
    return f"{ERASURES}/{identifier}.json"


def column(prefix: str, name: str) -> str:
    """The column of a field: `in_`, `key_` or `ctx_` (`hash_`, `bin_`) before its name, odd characters as `%2C`."""
    return f"{prefix}_{quote(name, safe=_PLAIN)}"


def field_of(column_name: str) -> tuple[str, str]:
    """The prefix and the field's name of a column."""
    prefix, _, rest = column_name.partition("_")
    return prefix, unquote(rest)


def open_segment(spool: Path, number: int) -> Path:
    """A segment that is being written; its writer holds a lock on it."""
    return spool / f"{number:012d}.open"


def sealed_segment(spool: Path, number: int) -> Path:
    """A segment that waits to be landed."""
    return spool / f"{number:012d}.seg"


def local_segment(path: Path) -> tuple[int, bool] | None:
    """The number of a segment in a spool, and whether it is sealed; None for other files."""
    found = _NUMBERED.fullmatch(path.name)
    return (int(found[1]), found[2] == "seg") if found else None
