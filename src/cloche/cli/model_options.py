"""What a model file may need besides, for every command that reads one: the class of a net, a tokenizer, a task."""

from __future__ import annotations

from pathlib import Path

import click

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

MODULE = click.option(
    "--module", metavar="PACKAGE.MODULE:CLASS", help="The class of the net whose tensors lie in the file."
)
CONFIG = click.option("--config", type=_FILE, metavar="JSON", help="The arguments of its constructor.")
TOKENIZER = click.option(
    "--tokenizer", type=_FILE, metavar="FILE", help="A vocabulary or tokenizer.json, or a sentencepiece model."
)
MAX_LENGTH = click.option("--max-length", type=click.IntRange(min=1), help="The most tokens of a text.")
TASK = click.option(
    "--task", metavar="TASK", help="What the numbers of a .onnx or .keras file mean, if it is not told."
)
OUTPUT = click.option("--output", metavar="NAME", help="The output of a .onnx or .keras file that answers.")
