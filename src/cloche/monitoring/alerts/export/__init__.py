"""The rules for others: Prometheus' rules with their tests, Alertmanager's routing, a Grafana board."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cloche.errors import UsageError
from cloche.monitoring.alerts.export import board, prometheus_rules, routing, rule_tests, yaml
from cloche.monitoring.alerts.rules import RuleBook

RULES: Final = "cloche.rules.yml"
TESTS: Final = "cloche.rules.test.yml"
ROUTING: Final = "alertmanager.yml"
BOARD: Final = "cloche-dashboard.json"
_HEAD: Final = "# Written by `cloche alerts export prometheus`: change cloche.toml and write it again.\n"


def prometheus(book: RuleBook) -> dict[str, str]:
    """What is written, by the name of the file."""
    return {
        RULES: _HEAD + yaml.dump(prometheus_rules.document(book)),
        TESTS: _HEAD + f"# promtool test rules {TESTS}\n" + yaml.dump(rule_tests.document(book, RULES)),
        ROUTING: _HEAD + yaml.dump(routing.document(book)),
        BOARD: board.text(),
    }


def write(files: Mapping[str, str], folder: Path) -> list[Path]:
    """
    Write *files* into *folder*, which is made where it is not there; their paths.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, "utf-8")
    except OSError as exc:
        raise UsageError(f"{folder}: cannot write: {exc.strerror}") from exc
    return [folder / name for name in files]
