"""
Write the reference pages that are made from code; `--check` only says which are not up to date.

A page is one function and one line in `PAGES`.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar, get_args

import click
import msgspec

import cloche
from cloche import config, errors
from cloche.cli import cli
from cloche.cli.statuses import EXIT_STATUS
from cloche.contract.problems import CODES, MAX_PROBLEMS, MAX_SUGGESTIONS, MAX_VALUE_CHARS
from cloche.engines.guard import MAX_ROWS
from cloche.flavors import FLAVORS, Flavor, get_flavor
from cloche.graph import FORMAT, GRAPH, WEIGHTS
from cloche.graph.model import MAX_NODES
from cloche.graph.operator import Operator
from cloche.graph.operators.numeric import FUNCTIONS
from cloche.graph.table import AnyOperator
from cloche.metrics import BUCKETS, families
from cloche.metrics.slot import MAX_SERIES, OTHER
from cloche.monitoring.alerts import lengths, phases, sinks, telling, vocabulary
from cloche.monitoring.alerts import reading as alert_rules
from cloche.monitoring.alerts.defaults import DEFAULTS, page, page_of
from cloche.monitoring.alerts.notices import Notice, fingerprint
from cloche.monitoring.alerts.rules import Rule
from cloche.monitoring.alerts.sinks.base import Sink
from cloche.monitoring.alerts.sinks.options import Option
from cloche.monitoring.documents import AlertPhase
from cloche.protocols.answer_table import ANSWERS, RESERVED, TaskAnswer
from cloche.saving.guarding import MAX_REFERENCE_ROWS
from cloche.web.limits import LIMITS, NEVER, Limit
from cloche.web.problems import INTERNAL, STATUS

REFERENCE = Path(__file__).parent / "reference"
GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "answers"
T = TypeVar("T")
NOTICE = "<!-- Made by docs/generate.py from the code: change it there. -->\n"


def problems() -> str:
    """The closed list of codes."""
    rows = "\n".join(f"| `{code}` | {meaning} |" for code, meaning in sorted(CODES.items()))
    return f"""# Problems

What can be wrong with a row. The list is closed and a code never changes its meaning, so a program may rely on it.

A problem holds `row` (0-based; `null` where the body was one object), `field`, `code` and `message`, and where they
apply `expected`, `value` (at most {MAX_VALUE_CHARS} characters, never of a private field) and `suggestion`.
An answer lists at most {MAX_PROBLEMS} problems, the first {MAX_SUGGESTIONS} with suggestions; `problems_total`
counts them all.

| code | meaning |
|---|---|
{rows}
"""


def error_tree() -> str:
    """The tree of exceptions: class, meaning, exit status, HTTP status."""
    rows = "\n".join(_error_row(kind, depth) for kind, depth in _tree(errors.ClocheError, 0))
    return f"""# Errors

Every error that cloche raises on purpose, indented under its parent class, all in `cloche.errors`. On the command line
an error ends in an exit status, over HTTP in a status and the `error` of the body; where none is given, the error does
not cross that edge. The body of every answer that is not 2xx is
`{{"error", "message", "request_id", "problems"?, "problems_total"?}}`.

| class | meaning | exit | HTTP |
|---|---|---|---|
{rows}
"""


def _tree(kind: type[Exception], depth: int) -> Iterator[tuple[type[Exception], int]]:
    yield kind, depth
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from _tree(child, depth + 1)


def _error_row(kind: type[Exception], depth: int) -> str:
    crosses_http = issubclass(kind, errors.RequestError | errors.NotFoundError | errors.ServingError)
    over_http = "{} `{}`".format(*_nearest(kind, STATUS, INTERNAL)) if crosses_http else ""
    indent = "&emsp;" * depth
    return f"| {indent}`{kind.__name__}` | {_first_line(kind)} | {_nearest(kind, EXIT_STATUS, 1)} | {over_http} |"


def _nearest(kind: type[Exception], table: Mapping[type[Exception], T], otherwise: T) -> T:
    return next((table[parent] for parent in kind.__mro__ if parent in table), otherwise)


def exit_statuses() -> str:
    """What a command ends with."""
    meanings: dict[int, list[str]] = {}
    for kind, status in EXIT_STATUS.items():
        what = "Refused, or failed: every other error." if kind is errors.ClocheError else _first_line(kind)
        meanings.setdefault(status, []).append(what)
    rows = "\n".join(f"| {status} | {' '.join(meanings[status])} |" for status in sorted(meanings))
    return f"""# Exit statuses

The same for every command. An error goes to standard error, a line for each problem; with `--json` it is one object
there. Standard output holds the answer and nothing else.

| status | meaning |
|---|---|
| 0 | Done. |
{rows}
| 130 | Interrupted (Ctrl-C). |
"""


def settings() -> str:
    """Every setting, from the fields of the configuration."""
    return f"""# Settings

Defaults, then `config.toml` of the system's configuration folder (`/etc/cloche`), then that of the user's
(`~/.config/cloche`), then the environment, then the flags of the command. A setting that cloche does not know is an
error. No file in the working directory, the store or an artifact is read, and what is trusted is never taken from the
environment. Beside each `config.toml`, `trust.json` holds what `cloche trust` was told; both count, and a file that
others may change is refused.

{config.reference()}"""


def metrics() -> str:
    """Every metric, from the closed table of families."""
    bounds = ", ".join(f"{bound:g}" for bound in BUCKETS)
    return f"""# Metrics

`GET /metrics` on the management port, with a key of the scope `metrics` or signed in: Prometheus' text format 0.0.4, or
OpenMetrics 1.0 for those who ask for it. The numbers are the sums over all workers of this host; they survive the
death of a worker and begin at 0 with a new server.

{families.reference()}
- `route` is the name of a route of the data port: `predict`, `ready`, `metadata`, …; `none` for a path that is none.
- `model` and `version` are what answered, empty where a request was refused before a model was reached. `status` is
  the HTTP status; 499 stands for a caller who hung up.
- `error` is the `error` of the body, as the [errors](errors.md) list them.
- The buckets of `cloche_request_seconds` end at {bounds} seconds.
- No label is ever text of a caller. A metric has at most {MAX_SERIES:,} series a worker; what comes later counts under
  `{OTHER}`.
"""


def commands() -> str:
    """Every command with its own help text."""
    parts = [_command(cli, ["cloche"])]
    return "# Commands\n\nEvery command takes `--help`.\n\n" + "\n\n".join(parts) + "\n"


def _command(command: click.Command, words: list[str]) -> str:
    context = click.Context(command, info_name=" ".join(words), max_content_width=100, terminal_width=100)
    title = f"## `{' '.join(words)}`"
    text = f"{title}\n\n```text\n{command.get_help(context).rstrip()}\n```"
    if not isinstance(command, click.Group):
        return text
    names = command.list_commands(context)
    children = [(name, command.get_command(context, name)) for name in names]
    return "\n\n".join([text, *(_command(child, [*words, name]) for name, child in children if child is not None)])


def python() -> str:
    """The public names of the package: signature and docstring."""
    names = [name for name in cloche.__all__ if name != "__version__"]
    parts = "\n\n".join(_entry(f"cloche.{name}", getattr(cloche, name)) for name in sorted(names))
    return f"""# Python

Public is what stands here; all else is private and may move. Errors are listed on [their own page](errors.md).

{parts}
"""


def _entry(name: str, thing: object) -> str:
    text = f"## `{name}`\n\n```text\n{_signature(name, thing)}\n```\n\n{_doc(thing)}"
    if not inspect.isclass(thing):
        return text
    methods = [(n, member) for n, member in vars(thing).items() if not n.startswith("_") and inspect.isfunction(member)]
    return "\n\n".join(
        [text, *(f"### `{name}.{n}`\n\n```text\n{_signature(n, m)}\n```\n\n{_doc(m)}" for n, m in methods)]
    )


def _signature(name: str, thing: object) -> str:
    """One parameter a line where it is long."""
    if not callable(thing):
        return name
    signature = inspect.signature(thing)
    name = f"async {name}" if inspect.iscoroutinefunction(thing) else name
    short = _unquoted(f"{name}{signature}")
    if len(short) <= 100:
        return short
    taken = "".join(f"    {parameter},\n" for parameter in _with_marks(signature))
    result = "" if signature.return_annotation is inspect.Signature.empty else f" -> {signature.return_annotation}"
    return _unquoted(f"{name}(\n{taken}){result}")


def _unquoted(signature: str) -> str:
    """Annotations as they stand in the source, without the quotes that `inspect` puts around them."""
    return re.sub(r"(: |-> )'([^']*)'", r"\1\2", signature)


def _with_marks(signature: inspect.Signature) -> Iterator[str]:
    starred = False
    for parameter in signature.parameters.values():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and not starred:
            starred = True
            yield "*"
        yield str(parameter)


def _doc(thing: object) -> str:
    """The docstring; indented parts (`Raises:`, examples) keep their shape."""
    text = inspect.getdoc(thing) or ""
    return "\n\n".join(_paragraph(part) for part in text.split("\n\n"))


def _paragraph(text: str) -> str:
    shaped = any(line.startswith("    ") for line in text.splitlines())
    return f"```text\n{text}\n```" if shaped else text


def _first_line(thing: object) -> str:
    return (inspect.getdoc(thing) or "").split("\n\n")[0].replace("\n", " ").replace("|", "\\|")


def answers() -> str:
    """The normative table of answers, with the golden bytes of each task."""
    rows = "\n".join(
        f"| {one.title} | {one.prediction} | {'; '.join(f'`{key}`: {text}' for key, text in one.others.items())} |"
        for one in ANSWERS
    )
    reserved = "\n".join(f"- `{key}`: {text}." for key, text in RESERVED.items())
    examples = "\n\n".join(_answer_example(one) for one in ANSWERS)
    return f"""# Answers

What a predict route answers, by task. The table is normative: the bytes under `tests/golden/answers/` are compared with
what the server answers, and change only with a new contract or a new major release.

| task | `prediction` | also |
|---|---|---|
{rows}

One row sent as one object is answered with these values. Many rows are answered with the same keys holding lists, one
item a row; where there are several outputs or classes, the object stays outside and the lists are inside
(`{{"probabilities": {{"yes": [0.25, 0.875]}}}}`). No rows give empty lists. `model`, `model_version` and
`request_id` follow in every JSON answer, `warnings` where there are any. NaN and infinity are `null`, with a warning
`not_finite`. Keys of `probabilities` are text: `true` and `1` for classes that are none. Reserved, and given by no
model yet:

{reserved}

## Forms

`Accept` chooses the form of the answer, `Content-Type` says that of the body; each body may be answered in each form.

| media type | body | answer |
|---|---|---|
| `application/json` | an object, an array, `{{"rows": […]}}`, `{{"columns": {{"field": […]}}}}` | the default |
| `text/csv` | a header with the names of the fields, then one line a row | a header, then one line a row |
| `application/x-ndjson` | one object a line | one object a line, as that row alone is answered, with its `warnings` |
| `application/vnd.apache.arrow.stream` | an IPC stream: a schema, then batches of records | a stream of one batch |

The answer is in the form with the highest `q`; then the more precise range wins, then the order of this table. A
header that takes none of them is 406 `NotAcceptable`. Errors are always JSON. CSV, NDJSON and Arrow answers
name the model in the headers `X-Model-Name` and `X-Model-Version` and the answer in `X-Request-ID`; `X-Warnings` counts
the warnings of a CSV or an Arrow answer, whose words only the other forms hold.

CSV bodies follow RFC 4180: UTF-8 (a byte order mark is taken), `,` between cells, CRLF or LF, `"` for quotes. An empty
cell is missing; `""` is empty text in a text field, and so is an empty cell where the field takes no null. Numbers are
written with a point (`+1`, `.5` and `1.` are taken, `007` and `1,5` are not), booleans `true`, `false`, `True`, `TRUE`,
`0`, `1` …, dates as on the JSON wire, a vector as a JSON array in quotes. Other words for missing (`NA`, `NaN`) are
refused: leave the cell empty. A row with more or fewer cells than the header is a problem `ragged`, and so is a column
of another length in `{{"columns": …}}`. A column that the contract does not know, and one that it needs and is
absent, is a problem in every row (in a table without rows one without a row).

CSV answers hold the keys of the JSON answer as columns with a point before what lies inside (`probabilities.yes`,
`prediction.low`); null is an empty cell, a list is JSON in one cell (an embedding of known length has a column an
element).

Arrow needs the extra `score` (pyarrow) on the server; without it such a body is 415, an `Accept` that takes nothing
else 406, and both say what to install. A column is a field, null is missing, and every rule is that of JSON: NaN is
no missing value. Taken are booleans, integers, floats, strings, dates, timestamps (with a zone: an instant, as with
an offset in JSON; digits beyond microseconds are refused) and lists of numbers for vectors. Dictionaries (pandas'
categoricals), views, runs, compressed batches and what is nested otherwise are 400 `MalformedBody`: cast them first,
and write without compression. The file format and the framing of before Arrow 0.15 are not spoken. Answers hold the
columns of CSV with types by the contract: float64, int64, bool, string, lists of these; classes of several types are
text.

## Examples

{examples}
"""


def _answer_example(one: TaskAnswer) -> str:
    golden = json.loads((GOLDEN / f"{one.case}.json").read_text("utf-8"))
    sections = [("One row", "json", golden["one"]["application/json"]["answer"])]
    sections += [("Many", "json", golden["many"]["application/json"]["answer"])]
    sections += [("As CSV", "text", golden["many"]["text/csv"]["answer"].replace("\r\n", "\n").rstrip("\n"))]
    shown = "\n\n".join(f"{title}:\n\n```{kind}\n{text}\n```" for title, kind, text in sections)
    return f"### {one.title[:1].upper()}{one.title[1:]}\n\n{shown}"


def limits() -> str:
    """What a request may not exceed, from the table that the tests break one by one."""
    rows = "\n".join(_limit_row(one) for one in LIMITS)
    never = "\n".join(f"- {one};" for one in NEVER).removesuffix(";") + "."
    return f"""# Limits

Each is kept before the model is asked, each answer has a JSON body with `error`, `message` and `request_id`, and none
of them ends the server's other work. 429 and 503 carry `Retry-After`. The settings stand in `[server]` of `config.toml`
(see [settings](settings.md)).

| limit | what | setting | default | answer | message |
|---|---|---|---|---|---|
{rows}

## Never taken

No setting allows these. They are answered with 400 `BadRequest` where nothing else is said, and the connection is
closed:

{never}
"""


def _limit_row(one: Limit) -> str:
    field = next((each for each in config.SETTINGS if each.section == "server" and each.name == one.setting), None)
    setting = f"`{one.setting}` (`{field.env}`)" if field else "none"
    default = "" if field is None or field.default in ((), None) else f"{field.default:,}"
    answer = "closed" if one.status is None else f"{one.status} `{one.error}`"
    message = f"`{one.message}`" if one.message else ""
    return f"| {one.name} | {one.meaning} | {setting} | {default} | {answer} | {message} |"


def twin() -> str:
    """The format of the exact twin, its operators from their own docstrings."""
    operators = sorted(get_args(AnyOperator), key=lambda one: one.__struct_config__.tag)
    rows = "\n".join(_operator_row(one) for one in operators)
    functions = ", ".join(f"`{name}`" for name in FUNCTIONS)
    return f"""# The exact twin: `{FORMAT}`

Normative. Where a fitted model can be written down as a small graph of known operators, the artifact holds that
graph, and it answers: without scikit-learn, pandas or pickle, and without running any code of the file. Its answers
are the model's own: labels equal, numbers within the tolerance of the manifest. What is lowered, and what is not:
[estimators](estimators.md). Why it is built this way: [ADR 9](../adr/0009-the-twin-adds-in-one-order.md).

| file | what |
|---|---|
| `{GRAPH}` | the graph, JSON |
| `{WEIGHTS}` | its arrays by name: float64, int64, int32, uint32 or uint8 |

## `{GRAPH}`

| key | what |
|---|---|
| `schema` | `"{FORMAT}"`; another value is a refusal |
| `inputs` | the fields that are read: `name`, and for pandas categories `levels`: any other value counts as missing |
| `nodes` | operators in order: `op`, `of` (the places of the nodes it reads, all before it), and its parameters |
| `answers` | `task`; the nodes of `prediction`, `probabilities`, `score`; `classes`, where a prediction is a place |

A value is `numbers` (float64, NaN where missing), `objects` (text, numbers or booleans as they came, nothing where
missing) or `sparse` (float64, mostly zero), each of a fixed number of columns. Numbers in JSON are shortest
round-trip; `null` is NaN. A parameter that ends in `_array` or `_arrays` names arrays of the other file. Parameters
that are left out have their defaults.

## Operators

k is the number of columns read, m of those given. A function is one of {functions}.

| operator | reads | parameters | what it gives |
|---|---|---|---|
{rows}

The arrays of `trees` are described in [trees in the twin](twin-trees.md). A column of `encode` has `levels`; a level
becomes its place, or the number at its place in `values_array`; `missing` and `unknown` are what a missing value and
any other become; what is listed in `rejects` refuses the row.

## Evaluation

- float64 throughout; `float32` rounds where the model does. Sums over columns, rows of
  coefficients, votes and trees
  run from first to last.
- A row's answer does not depend on its batch: it has the same bits alone and among others. Up to eight rows go one by
  one through plain Python, more through numpy, and each operator gives the same bits both ways.
- Ties are scikit-learn's: the first of the largest, *above* zero for a decision.
- Where the model's own library refuses a row (a missing or infinite number it does not take, an unknown level) so
  does the twin.

## Before it is used

Both files are listed in the manifest with their digests. Then: at most {MAX_NODES:,} nodes; no unknown operator or
parameter; every node reads earlier nodes of a kind it takes; every array is there, of its type and shape, finite
where it has to be, ascending, free of zeros or inside its limits where the operator says so; no array that nobody
reads; indices inside; answers of the right width, classes of the right number. What fails is a `TamperedModelError`.
Then the golden rows.

## The guard

A twin is written only where it gives what the model gives, asked in a fresh process: on up to {MAX_REFERENCE_ROWS:,}
training rows, on the golden rows, and on up to {MAX_ROWS} boundary rows: the numbers at which the graph bends
(splits, edges of bins, quantiles), mapped back to the field, with their neighbours in float64 and float32; missing
values, the ends of the ranges, each level, an unknown one, empty text, 2^24 + 1, 2^53 + 1; one field at a time and
several. Rows that the model refuses have to be refused. The manifest's `twin` says what was compared (`rows`,
`boundary_rows`, `worst`, the largest difference by 1 + its size), or why there is no twin (`refused`). Random
pipelines are compared by the thousand by `python bench/parity.py --count 1000`.
"""


def _operator_row(op: type[Operator]) -> str:
    text = " ".join((inspect.getdoc(op) or "").split()).replace("|", "\\|")
    parameters = ", ".join(f"`{name}`" for name in op.__struct_fields__ if name != "of") or "none"
    least, most = op.arity
    reads = "fields" if most == 0 else " or ".join(op.takes) + ("" if most == 1 else f", {least} or more")
    return f"| `{op.__struct_config__.tag}` | {reads} | {parameters} | {text} |"


def flavors() -> str:
    """Model library by engine, format and what is refused, from the classes of the table."""
    rows = "\n".join(_flavor_row(name) for name in sorted(FLAVORS))
    return f"""# Flavors

A flavor is what cloche knows of a model library. The flavor of a model is told by the packages its classes come from,
the nearest base first; that of an artifact stands in its manifest and is looked up in this table, never imported by a
name from a file. The contract suite runs over every row.

| flavor | models | files | engines | a stored model means the same under the same | refused | extra |
|---|---|---|---|---|---|---|
{rows}

- **Engines**: `native` is the library itself; a [twin](twin.md) or an [ONNX form](onnx.md) answers in its place
  where its guard finds it equal. "each its own" is said of libraries that cannot be used after a fork: every engine
  process opens the model anew.
- **A stored model means the same**: under another minor version of these, golden rows decide; without golden rows it
  is not opened.
- **Refused** besides, in every format: files that are not listed, of another digest, links, paths that lead outside,
  archives beyond the limits, a manifest of another format, answers that are not the golden rows'
  ([artifact](artifact.md)).
- **Flavors of your own** stand in the operator's configuration: [write one](../how-to/write-your-own-flavor.md).
  Steps of other packages inside a pipeline: [ecosystem](ecosystem.md).
"""


def _flavor_row(name: str) -> str:
    """Of a flavor whose library is not installed here, the row that the page has."""
    entry = FLAVORS[name]
    try:
        kind = type(get_flavor(name))
    except errors.MissingExtraError:
        page = (REFERENCE / "flavors.md").read_text("utf-8").splitlines()
        return next((line for line in page if line.startswith(f"| `{name}` |")), f"| `{name}` | | | | | | |")
    engines = ["native"] if kind.fork_safe else ["native, each its own"]
    engines += ["twin"] if kind.lower is not Flavor.lower else []
    engines += ["onnx"] if kind.to_onnx is not Flavor.to_onnx else []
    records = kind.changes is not Flavor.changes or kind.environment is not Flavor.environment
    recorded = ["what it wrote down at save"] if records else []
    cells = [
        f"`{name}`",
        _first_line(kind).rstrip("."),
        "; ".join(kind.formats),
        ", ".join(engines),
        ", ".join([*kind.packages, *recorded]) or "nothing: it is data",
        "; ".join(kind.refuses),
        f"`{entry.extra}`" if entry.extra else "",
    ]
    return "| " + " | ".join(cells) + " |"


def alerts() -> str:
    """Everything that a rules file may hold, the defaults, and what sinks are sent."""
    keys = "\n".join(f"| `{name}` | {meaning} |" for name, meaning in alert_rules.KEYS.items())
    kinds = "\n\n".join(_sink(one) for one in map(sinks.kind, sorted(sinks.SINKS)))
    found = "\n".join(_default_row(one) for one in alert_rules.defaults().rules)
    notice = msgspec.json.format(_notice().to_json(), indent=1).decode()
    transitions = "\n".join(_transition_row(phase) for phase in phases.TABLE)
    return f"""# Rules of alerts

`cloche.toml`: which rules are watched, who is told, who looks after which model. How to begin:
[get alerts](../how-to/get-alerts.md). The file is that of `--rules`, else of the setting `[monitor] rules`, else
`cloche.toml` in the folder where `cloche serve` or `cloche monitor` was started. One that was only found there has to
belong to the user or to root, and nobody else may write to it. It is read again when it changes; one that has become
wrong changes nothing, and is told in the log. It can make nothing trusted.

## `[[alert]]`

| key | meaning |
|---|---|
{keys}

A rule with the `name` of a default changes the keys that it names. `[alerts] defaults = false` leaves the defaults out.

## Expressions

```text
when       = ["not"] measure [comparison threshold] ["for" length]
measure    = NAME ["(" argument ")"]
comparison = ">" | ">=" | "<" | "<=" | "==" | "!="
```

A measure that is yes or no is compared with nothing. A name that is no word stands in quotes: `missing('total bill')`.

{vocabulary.reference()}
All of it comes from the folded log, which is at most some 20 seconds behind. What is measured over a window is measured
over `over`, of all versions; what is counted by field, class or answer, of the live version.

## Defaults

| rule | when | over | for | severity |
|---|---|---|---|---|
{found}

## Phases

What a reading makes of an alert. *over*: exceeded, not for `for` yet · *held*: exceeded that long · *near*: neither
exceeded nor below `clear` for `keep_firing_for` · *clear*: below that long · *missing*: no value · *gone*: none for
`no_data_after` · *rested*: resolved for {phases.RESOLVED_SHOWN_S / 60:.0f} minutes.

| phase | {" | ".join(phases.TABLE["ok"])} |
|---|{"---|" * len(phases.TABLE["ok"])}
{transitions}

Sinks are told when an alert begins to fire, when it is over, and when nothing is known any more of one that fired.

## `[sinks.NAME]`

A secret never stands in the file: it is `${{VAR}}` from the environment of the monitor, or the key of the same name
with `_file` behind it, a file that is read whenever it is needed. Certificates are checked, redirects are not followed.

{kinds}

## What a webhook is sent

One JSON object, `Content-Type: application/json`. Keys are added in later releases, never renamed.

```json
{notice}
```

`model` is empty where the rule is about the whole store; `value` and `threshold` are in the unit of the measure: shares
from 0 to 1, milliseconds, seconds, 1 for yes, 0, 1, 2 for a lamp. `ended` is set where it is over, `repeated` where it
fires still and was told before.

`status` is `firing`, `resolved`, `no_data` or `test`. `fingerprint` stays the same for a rule and a model, `id` for one
change; the header `X-Cloche-Delivery` repeats it. A notice that may not have arrived, because the monitor was killed
while it was being sent, is sent again with the same `id`. With a secret `X-Cloche-Signature` is `t=SECONDS,v1=HEX`, HEX
being HMAC-SHA256 of `SECONDS.BODY`. Any status but 2xx is a failure: tried again after {telling.FIRST_PAUSE_S:.0f}
seconds, then after twice as long each time, at most every {telling.LONGEST_PAUSE_S / 60:.0f} minutes, for a day.

## `[models.NAME]`

`owner`, `contact` and `runbook` of a model (or of a pattern: `[models."churn-*"]`) travel with every notice and stand
on its page.
"""


def _notice() -> Notice:
    default = DEFAULTS[0]
    print_ = fingerprint(default.name, "penguins")
    return Notice(
        id=f"{print_}-1",
        fingerprint=print_,
        status="firing",
        rule=default.name,
        expression=default.table["when"],
        severity=default.table["severity"],
        model="penguins",
        version=3,
        value=0.05,
        value_text="5 %",
        threshold=0.01,
        why="50 of 1000 requests failed",
        started="2026-11-24T12:00:00Z",
        at="2026-11-24T12:00:00Z",
        owner="Ada",
        contact="#penguins",
        page=page_of(default.name),
        meaning=default.guidance.meaning,
        checks=default.guidance.checks,
        roll_back=default.guidance.roll_back,
        store="s3://models",
    )


def _default_row(one: Rule) -> str:
    over = lengths.shown(one.over_s) if one.when.measure.windowed else ""
    for_ = lengths.shown(one.timing.for_s) if one.timing.for_s else ""
    return f"| [`{one.name}`](../alerts/{one.name}.md) | `{one.when.text}` | {over} | {for_} | {one.severity} |"


def _transition_row(phase: AlertPhase) -> str:
    return f"| {phase} | {' | '.join(phases.TABLE[phase].values())} |"


def _sink(one: type[Sink]) -> str:
    rows = "\n".join(_option_row(each) for each in one.options)
    return f"""### `kind = "{one.kind}"`

{one.meaning[:1].upper()}{one.meaning[1:]}. {_first_line(one)}

| key | default | meaning |
|---|---|---|
{rows}"""


def _option_row(one: Option) -> str:
    default = "required" if one.required else "" if one.default is None else f"`{one.default}`"
    words = f": {', '.join(f'`{word}`' for word in one.words)}" if one.words else ""
    name = f"`{one.name}`, `{one.name}_file`" if one.secret else f"`{one.name}`"
    return f"| {name} | {default} | {one.meaning}{words} |"


def alert_pages() -> str:
    """The index of the defaults' pages."""
    rows = "\n".join(f"- [{one.title}]({one.name}.md): `{one.table['when']}`" for one in DEFAULTS)
    return f"""# Alerts

The rules that hold from the first start: what each means, the first three checks, when to roll back. Notices carry the
same, and so does the dashboard: choose a rule on the page of a model. How to be told:
[get alerts](../how-to/get-alerts.md); everything a rule may say: [reference](../reference/alerts.md).

{rows}
"""


PAGES: dict[str, Callable[[], str]] = {
    "alerts.md": alerts,
    "../alerts/index.md": alert_pages,
    **{f"../alerts/{one.name}.md": partial(page, one) for one in DEFAULTS},
    "answers.md": answers,
    "commands.md": commands,
    "errors.md": error_tree,
    "exit-statuses.md": exit_statuses,
    "flavors.md": flavors,
    "limits.md": limits,
    "problems.md": problems,
    "python.md": python,
    "metrics.md": metrics,
    "settings.md": settings,
    "twin.md": twin,
}


def main(arguments: list[str]) -> int:
    """Write the pages, or with `--check` name those that would change and exit with 1."""
    made = {REFERENCE / name: NOTICE + page() for name, page in PAGES.items()}
    stale = [path for path, text in made.items() if not path.exists() or path.read_text("utf-8") != text]
    if "--check" in arguments:
        for path in stale:
            print(f"{_shown(path)} is not up to date; run: make docs-reference")
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(exist_ok=True)
        path.write_text(made[path], "utf-8")
        print(f"wrote {_shown(path)}")
    return 0


def _shown(path: Path) -> Path:
    return path.resolve().relative_to(REFERENCE.resolve().parents[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
