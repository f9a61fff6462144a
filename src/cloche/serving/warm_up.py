"""Rows that an opened artifact is known to answer, as an engine takes them: for warming up, and for measuring."""

from __future__ import annotations

from cloche.artifact import OpenArtifact
from cloche.artifact import golden as golden_rows
from cloche.records import Columns


def golden_columns(opened: OpenArtifact, limit: int) -> list[Columns]:
    """The first *limit* golden rows, each as columns of one row."""
    path = opened.directory / golden_rows.GOLDEN
    lines = golden_rows.read(path)[:limit] if path.exists() else []
    return [opened.compiled.validate([line.row], single=True).columns() for line in lines]
