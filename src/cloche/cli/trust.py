"""`cloche trust | sign | verify`: what may be opened here, who vouches for it, and whether it is what it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from cloche import audit
from cloche.api import trusting
from cloche.api.trusting import Signer, Verdict
from cloche.api.workplace import Workplace, workplace
from cloche.cli.output import json_option, print_json, print_store, print_table, store_option
from cloche.config import Grant
from cloche.errors import UsageError
from cloche.logs import one_line
from cloche.registry import Report, parse_reference
from cloche.signing import key_id

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
#: What a decision was about, and which digest says so.
_SUBJECTS = ("name", "key", "type", "function", "file")
_DIGESTS = ("digest", "sha256")


@click.command()
@click.argument("reference", required=False, metavar="[NAME@VERSION|SHA256]")
@click.option("--key", metavar="FILE", help="An Ed25519 public key (PEM): what its owner signs is trusted.")
@click.option("--name", metavar="WHO", help="Whose key it is [default: the name of its file].")
@click.option("--type", "type_", metavar="NAME", help="A class that models may hold: package.module.Class.")
@click.option("--function", metavar="NAME", help="A function that may be a model: package.module.function.")
@click.option("--reason", metavar="TEXT", help="Why; kept beside it and in the audit log.")
@click.option("--remove", is_flag=True, help="Trust it no longer; a key may be named by its id.")
@click.option("--log", "log", is_flag=True, help="Show the decisions on record, newest last.")
@click.option("--last", type=click.IntRange(1), default=50, show_default=True, help="With --log: at most so many.")
@store_option
@json_option
def trust(
    reference: str | None, key: str | None, name: str | None, type_: str | None, function: str | None,
    reason: str | None, remove: bool, log: bool, last: int, store: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Trust an artifact, a key, a class or a function; without arguments list what is trusted.

    A trusted artifact may run code that came with it. What is trusted is written to trust.json in your own
    configuration folder, with who, when and why; servers read it when they start.
    """
    here = workplace(store)
    asked = {"artifact": reference, "key": key, "type": type_, "function": function}
    given = {kind: what for kind, what in asked.items() if what is not None}
    alone = not given and (remove or reason is not None)
    if alone or len(given) > 1 or (log and given) or (name is not None and key is None):
        raise UsageError("trust: expected one of NAME@VERSION, --key (with --name), --type, --function, --log")
    if log:
        _print_log(here, last, as_json=as_json)
    elif not given:
        _print_trusted(here, as_json=as_json)
    else:
        kind, what = next(iter(given.items()))
        grant = _take_back(here, kind, what) if remove else _give(here, kind, what, name, reason)
        _print_grant(here, grant, removed=remove, as_json=as_json)


@click.command()
@click.argument("reference", required=False, metavar="[NAME[@VERSION|@ROUTE]]")
@click.option("--key", type=_FILE, metavar="FILE", help="Ed25519 private key (PEM) [default: CLOCHE_SIGNING_KEY].")
@click.option(
    "--generate", type=click.Path(path_type=Path), metavar="FILE", help="Make a key pair instead: FILE and FILE.pub."
)
@store_option
@json_option
def sign(reference: str | None, key: Path | None, generate: Path | None, store: str | None, as_json: bool) -> None:
    """Sign a version that is in the store; several people may sign one.

    The signature is over the exact bytes of its manifest and lies beside the version.
    """
    if (reference is None) == (generate is None):
        raise UsageError("sign: expected NAME[@VERSION], or --generate FILE for a new key pair")
    if generate is not None:
        public, identity = trusting.generate(generate)
        if as_json:
            print_json({"private": str(generate), "public": str(public), "key": identity})
            return
        click.echo(f"key {identity}: {generate} signs, keep it secret; {public} is for those who trust it:")
        click.echo(f"cloche trust --key {public} --name WHO")
        return
    here = workplace(store)
    record, signature, new = trusting.sign(here, str(reference), key)
    if as_json:
        print_json({"store": here.store.describe(), "new": new, "key": signature.key_id, "signature": signature})
        return
    print_store(here.store.describe())
    told = "signed" if new else "was signed before"
    click.echo(f"{record.name}@{record.version} {told} with key {signature.key_id} (sha256 {record.manifest[:12]}…)")


@click.command()
@click.argument("reference", required=False, metavar="[NAME[@VERSION|@ROUTE]]")
@store_option
@json_option
def verify(reference: str | None, store: str | None, as_json: bool) -> int:
    """Hash every stored byte again; exit status 1 if one is wrong.

    The chain of route events is followed too: each holds the digest of the one before. Of NAME@VERSION it also says
    who signed it and whether it would be opened here, and ends with 1 where it would not.
    """
    here = workplace(store)
    wanted = None if reference is None else parse_reference(reference)
    if reference is None or wanted is None or "@" not in reference:
        report, verdict = here.registry.verify(None if wanted is None else wanted.name), None
    else:
        record = here.registry.resolve(reference).version
        report = here.registry.verify_version(record)
        verdict = None if _failed(report) else trusting.verdict(here, record)
    if as_json:
        document: dict[str, Any] = {"checked": report.checked, "findings": report.findings}
        print_json({"store": here.store.describe(), **document, **({"trust": verdict} if verdict else {})})
    else:
        print_store(here.store.describe())
        for finding in report.findings:
            click.echo(f"{finding.severity}: {finding.where}: {finding.what}")
        click.echo(f"{report.checked} objects checked, {len(report.findings)} findings")
        for line in () if verdict is None else _verdict_lines(verdict):
            click.echo(line)
    return 1 if _failed(report) or (verdict is not None and not verdict.opens) else 0


def _failed(report: Report) -> bool:
    return any(finding.severity == "error" for finding in report.findings)


def _verdict_lines(verdict: Verdict) -> Iterator[str]:
    yield f"{verdict.name}@{verdict.version}  sha256 {verdict.digest}"
    for one in verdict.signers:
        yield f"  signed by  {_signer(one)}"
    if verdict.unknown_signatures:
        yield f"  signed by  {verdict.unknown_signatures} more, by keys that are not trusted here"
    if not verdict.signers and not verdict.unknown_signatures:
        yield "  signed by  nobody"
    yield f"  code       {verdict.code or 'opening it runs none'}"
    yield f"  verdict    {'trusted' if verdict.opens else 'refused'}: {verdict.why}"


def _signer(one: Signer) -> str:
    words = [f"{one.name}, key {one.key}" if one.name else f"key {one.key}"]
    words.append("trusted" if one.trusted else "not trusted here")
    if one.at is not None:
        words.append(f"added {one.at[:10]} by {one.by}")
    return ", ".join(words)


# -- granting --------------------------------------------------------------------------------------


def _give(here: Workplace, kind: str, what: str, name: str | None, reason: str | None) -> Grant:
    if kind == "artifact":
        return trusting.trust_artifact(here, what, reason=reason)
    if kind == "key":
        return trusting.trust_key(here, Path(what), name=name, reason=reason)
    return trusting.trust_name(here, "type" if kind == "type" else "function", what, reason=reason)


def _take_back(here: Workplace, kind: str, what: str) -> Grant:
    kinds = {"artifact": "artifact", "key": "key", "type": "type", "function": "function"}
    return trusting.distrust(here, kinds[kind], what)  # type: ignore[arg-type]


def _print_grant(here: Workplace, grant: Grant, *, removed: bool, as_json: bool) -> None:
    where = str(here.settings.trust_file)
    if as_json:
        print_json({"file": where, "removed": removed, "grant": grant})
        return
    what = key_id(grant.what.encode()) if grant.kind == "key" else grant.what
    shown = f"{grant.name} ({what})" if grant.name else what
    click.echo(f"{grant.kind} {shown} is {'no longer trusted' if removed else 'trusted'}: {where}")


# -- showing ---------------------------------------------------------------------------------------


def _print_trusted(here: Workplace, *, as_json: bool) -> None:
    found = trusting.listing(here)
    required = here.trust.require_signature
    if as_json:
        print_json({"require_signature": required, "file": str(here.settings.trust_file), "trusted": found})
        return
    click.echo(f"a signature by a trusted key is {'' if required else 'not '}required")
    if not found:
        click.echo("nothing beyond cloche's own list of types is trusted")
        return
    print_table(
        ("kind", "what", "name", "why", "by", "at", "in"),
        ((t.kind, t.what, t.name, t.reason, t.by, (t.at or "")[:10], t.where) for t in found),
    )


def _print_log(here: Workplace, last: int, *, as_json: bool) -> None:
    path = here.settings.audit_log
    entries = list(audit.entries(path))[-last:]
    if as_json:
        print_json({"file": str(path), "entries": entries})
        return
    click.echo(f"audit log: {path}", err=True)
    headers = ("time", "who", "what", "verdict", "subject", "why")
    print_table(headers, ([one_line(cell) for cell in _row(entry)] for entry in entries))


def _row(entry: Mapping[str, Any]) -> Iterator[Any]:
    yield str(entry.get("time", ""))[:19]
    yield from (entry.get(key, "") for key in ("who", "what", "verdict"))
    digest = next((str(entry[key])[:12] for key in _DIGESTS if key in entry), "")
    names = [str(entry[key]) for key in _SUBJECTS if key in entry]
    yield " ".join([*names, digest]).strip()
    yield entry.get("why", "")
