"""A case: where it attacks, what is sent, what has to come back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """
    *expected*: the verdicts of `wire.Answer` in order, with ` / ` between answers and `|` between what is as good;
    `closed` where nothing but the end of the connection comes.

    `sent` is made when it is sent: some are megabytes.
    """

    place: str
    name: str
    sent: Callable[[], bytes]
    expected: str
    bodiless: bool = False

    @property
    def id(self) -> str:
        return f"{self.place}: {self.name}"

    @property
    def answers(self) -> int:
        return 0 if self.expected == "closed" else len(self.expected.split(" / "))

    def accepts(self, verdicts: list[str]) -> bool:
        """Whether these are the answers."""
        wanted = [] if self.expected == "closed" else self.expected.split(" / ")
        return len(wanted) == len(verdicts) and all(
            verdict in one.split("|") for one, verdict in zip(wanted, verdicts, strict=True)
        )


class Table:
    """Cases of one place, one line each."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.cases: list[Case] = []

    def add(self, name: str, sent: bytes | Callable[[], bytes], expected: str, *, bodiless: bool = False) -> None:
        """One more case; names are unique within a place."""
        assert name not in {case.name for case in self.cases}, name
        make = (lambda: sent) if isinstance(sent, bytes) else sent
        self.cases.append(Case(self.place, name, make, expected, bodiless))

    def each(self, table: dict[str, tuple[bytes | Callable[[], bytes], str]]) -> None:
        """Many at once."""
        for name, (sent, expected) in table.items():
            self.add(name, sent, expected)
