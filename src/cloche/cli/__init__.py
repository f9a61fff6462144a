"""
The command `cloche`: a thin skin over `cloche.api`, and the only place that knows exit statuses.

Exit statuses: 0 done · 1 refused · 2 called wrongly · 3 not found · 4 the store (or server) could not be reached.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import click

from cloche import errors
from cloche._version import __version__
from cloche.cli.output import print_error
from cloche.cli.statuses import exit_status_of

#: Imported when called, so that `cloche keys` does not wait for a web framework.
COMMANDS: dict[str, str] = {
    "alerts": "cloche.cli.alerts:alerts",
    "backup": "cloche.cli.backup:backup",
    "bom": "cloche.cli.bom:bom",
    "build": "cloche.cli.build:build",
    "compare": "cloche.cli.compare:compare",
    "contract": "cloche.cli.contract:contract",
    "copy": "cloche.cli.copy:copy_version",
    "delete": "cloche.cli.delete:delete",
    "demo": "cloche.cli.demo:demo",
    "diff": "cloche.cli.versions:diff",
    "doctor": "cloche.cli.doctor:doctor",
    "evaluate": "cloche.cli.evaluate:evaluate",
    "export": "cloche.cli.export:export",
    "gc": "cloche.cli.gc:collect",
    "history": "cloche.cli.routes:history",
    "import": "cloche.cli.importing:import_model",
    "inspect": "cloche.cli.save:inspect",
    "keys": "cloche.cli.keys:keys",
    "label": "cloche.cli.labels:label",
    "labels": "cloche.cli.labels:show_labels",
    "list": "cloche.cli.versions:list_models",
    "log": "cloche.cli.log:log",
    "monitor": "cloche.cli.monitor:monitor",
    "parity": "cloche.cli.parity:parity",
    "predict": "cloche.cli.predict:predict",
    "probe": "cloche.cli.probe:probe",
    "promote": "cloche.cli.routes:promote",
    "quality": "cloche.cli.quality:quality",
    "r": "cloche.cli.r:r",
    "replay": "cloche.cli.replay:replay",
    "report": "cloche.cli.report:report",
    "reproduce": "cloche.cli.reproduce:reproduce",
    "restore": "cloche.cli.backup:restore",
    "rollback": "cloche.cli.routes:rollback",
    "save": "cloche.cli.save:save",
    "serve": "cloche.cli.serve:serve",
    "show": "cloche.cli.versions:show",
    "sign": "cloche.cli.trust:sign",
    "status": "cloche.cli.status:show_status",
    "trust": "cloche.cli.trust:trust",
    "verify": "cloche.cli.trust:verify",
}


class LazyGroup(click.Group):
    """A group whose commands are imported on first use, from the closed table `COMMANDS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the near names where there is no such command."""
        near = get_close_matches(args[0], COMMANDS, n=1) if args and args[0] not in COMMANDS else []
        if near:
            ctx.fail(f"no command '{args[0]}'; did you mean '{near[0]}'?")
        return super().resolve_command(ctx, args)


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cloche")
def cli() -> None:
    """From a fitted model to a service that others can rely on.

    Exit status: 0 done, 1 refused, 2 called wrongly, 3 not found, 4 store or server unreachable.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status and never a traceback for an error that cloche knows."""
    args = list(sys.argv[1:] if arguments is None else arguments)
    try:
        result: Any = cli.main(args=args, prog_name="cloche", standalone_mode=False)
    except click.exceptions.Abort:
        return 130
    except click.ClickException as exc:
        if "--json" in args:
            print_error(errors.UsageError(exc.format_message()), as_json=True)
        else:
            exc.show()
        return exc.exit_code
    except errors.ClocheError as exc:
        print_error(exc, as_json="--json" in args)
        return exit_status_of(exc)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 1
    return result if isinstance(result, int) else 0
