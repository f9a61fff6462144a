"""What `cloche.save` returns: the version, each field's rule, and what to type next."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from cloche.contract.describe import FieldRule


@dataclass(frozen=True, slots=True)
class Version:
    """
    A published version. Printed, it is a summary; in a notebook, a table.

    `version` and `contract` are numbers; `artifact` is the sha256 that identifies it across stores.
    """

    name: str
    version: int
    contract: int
    artifact: str
    store: str
    live: bool
    rules: tuple[FieldRule, ...] = ()
    notes: tuple[str, ...] = ()
    engine: str = "native"  # which engine answers, and why
    named_store: str | None = None  # where it was named in the call: the next command names it too

    @property
    def reference(self) -> str:
        """`NAME@VERSION`: pins this version wherever a model is named."""
        return f"{self.name}@{self.version}"

    @property
    def next_command(self) -> str:
        """What to type next."""
        command = f"cloche serve {self.name}" if self.live else f"cloche promote {self.name} {self.version}"
        return command if self.named_store is None else f"{command} --store {shlex.quote(self.named_store)}"

    def lines(self) -> Iterator[str]:
        """The summary, line by line: rules, notes, where it is, what is next."""
        state = "live" if self.live else "not live yet"
        yield f"{self.name} version {self.version} (contract {self.contract}, {state})"
        width = max((len(rule.name) for rule in self.rules), default=0)
        kinds = max((len(rule.role) for rule in self.rules), default=0)
        yield from (f"  {rule.name:<{width}}  {rule.role:<{kinds}}  {rule.rule}" for rule in self.rules)
        yield from (f"  note: {note}" for note in self.notes)
        yield f"engine: {self.engine}"
        yield f"stored in {self.store}"
        yield f"next: {self.next_command}"

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td><code>{escape(rule.name)}</code></td><td>{escape(rule.role)}</td><td>{escape(rule.rule)}</td></tr>"
            for rule in self.rules
        )
        notes = "".join(f"<li>{escape(note)}</li>" for note in self.notes)
        state = "live" if self.live else "not live yet"
        return (
            f"<p><b>{escape(self.name)}</b> version {self.version} (contract {self.contract}, {state})<br>"
            f"stored in <code>{escape(self.store)}</code></p>"
            f"<table><thead><tr><th>field</th><th>role</th><th>rule</th></tr></thead><tbody>{rows}</tbody></table>"
            f"<ul>{notes}</ul><p>engine: {escape(self.engine)}</p><p>next: <code>{escape(self.next_command)}</code></p>"
        )
