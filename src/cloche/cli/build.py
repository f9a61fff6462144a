"""`cloche build`: the build context of an image that serves one version."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from cloche.api.opening import naming
from cloche.api.workplace import Workplace, workplace
from cloche.artifact import EngineChoice, check_trusted, chosen
from cloche.cli.output import json_option, print_json, print_store, store_option
from cloche.deploy.compose import commands
from cloche.deploy.context import Context, Wanted, context
from cloche.deploy.image import KEYS, UID
from cloche.deploy.writing import write
from cloche.errors import MissingExtraError, UsageError
from cloche.flavors import get_flavor
from cloche.manifest import Manifest
from cloche.registry import VersionRecord, excerpt

_PATH = click.Path(path_type=Path)
#: The files of an artifact that say what it needs; the others may be large.
_DESCRIBING = (".json", ".skops")


@click.command()
@click.argument("reference", metavar="NAME[@VERSION|@ROUTE]")
@click.option(
    "-o", "--output", "folder", required=True, type=_PATH, metavar="DIR", help="Write the build context there."
)
@click.option(
    "--fetch", is_flag=True, help="Fetch the model from the store at start; without it, it lies in the image."
)
@click.option(
    "--engine",
    type=click.Choice(("auto", "twin", "native", "onnx")),
    default="auto",
    help="What answers in the image [default: auto: as `cloche serve` would choose].",
)
@click.option("--base", metavar="IMAGE", help="Make it from this image [default: the slim one of the model's Python].")
@click.option(
    "--with",
    "with_",
    multiple=True,
    type=_PATH,
    metavar="FILE|DIR",
    help="Install this too: a wheel, a module, a package's or project's folder; repeat for several.",
)
@click.option("--trust", is_flag=True, help="Put what you trust into the image; without it, it trusts nothing.")
@click.option(
    "--insecure", is_flag=True, help="Let the image answer without keys; without it, it starts with keys only."
)
@store_option
@json_option
def build(
    reference: str,
    folder: Path,
    fetch: bool,
    engine: EngineChoice,
    base: str | None,
    with_: tuple[Path, ...],
    trust: bool,
    insecure: bool,
    store: str | None,
    as_json: bool,
) -> None:
    """Write a Dockerfile and all it needs to serve one version; build it with docker, podman or buildah.

    The same version gives the same bytes. Nothing is downloaded, and no engine is needed for it.
    """
    here = workplace(store)
    if fetch and here.store.root is not None:
        raise UsageError(
            f"--fetch: a container cannot reach {here.store.describe()}; name an s3://, gs:// or az:// store"
        )
    record = here.registry.resolve(reference).version
    manifest = here.registry.manifest_of(record)
    wanted = Wanted(
        reference=reference,
        engine=chosen(manifest, engine),
        base=base,
        fetched_from=here.store.url if fetch else None,
        with_=with_,
        trust=here.trust if trust else None,
        flavors=here.trust.flavors,
        insecure=insecure,
    )
    files = _files(here, record, manifest)
    made = context(wanted, record, manifest, files, {} if fetch else excerpt(here.registry, record))
    write(made.files, folder)
    notes = (*made.notes, *_notes(here, made, trusted=trust))
    typed = commands(made.image, str(folder))
    if as_json:
        print_json(_document(here, made, folder) | {"notes": notes, "commands": typed})
        return
    print_store(here.store.describe())
    size = sum(map(len, made.files.values())) / 1e6
    click.echo(f"{record.name}@{record.version} ({wanted.engine}): {len(made.files)} files, {size:.1f} MB in {folder}")
    for line in (*(f"note: {note}" for note in notes), *typed):
        click.echo(line)


def _files(here: Workplace, record: VersionRecord, manifest: Manifest) -> dict[str, bytes]:
    """What describes the artifact, every digest of it checked, and its signature as opening it would."""
    directory = here.registry.fetch(record, here.settings.cache, here.trust)
    with naming(record):
        check_trusted(directory, here.trust)
    return {name: (directory / name).read_bytes() for name in manifest.files if name.endswith(_DESCRIBING)}


def _notes(here: Workplace, made: Context, *, trusted: bool) -> Iterator[str]:
    """What would keep the image from answering."""
    image = made.image
    name, digest = f"{image.record.name}@{image.record.version}", image.record.manifest
    code = _code(here, image.manifest) if image.engine == "native" else None
    if code is not None and not (trusted and (digest in here.trust.trusted_digests or here.trust.signing_keys)):
        yield f"the image will refuse {name}: {code}. Run cloche trust {name}, and build with --trust"
    named = here.trust.allowed_types | here.trust.allowed_functions or here.trust.flavors
    if image.needs.modules and not (trusted and named):
        what = "cloche trust --type CLASS (or --function FUNCTION)"
        yield f"the image will refuse the model's own code: run {what}, and build with --trust"
    if image.insecure:
        yield "whoever reaches its ports may call: it asks for no key"
    elif image.baked:
        yield f"it starts with keys only: mount a key file at {KEYS} that uid {UID} may read (hashes only: chmod 644)"


def _code(here: Workplace, manifest: Manifest) -> str | None:
    """Why opening the model's own format runs code; unknown where its library is not installed."""
    try:
        return get_flavor(manifest.flavor, here.trust.flavors).code(manifest.options)
    except MissingExtraError:
        return None


def _document(here: Workplace, made: Context, folder: Path) -> dict[str, Any]:
    image = made.image
    return {
        "store": here.store.describe(),
        "folder": str(folder.absolute()),
        "model": image.record.name,
        "version": image.record.version,
        "artifact": image.record.manifest,
        "engine": image.engine,
        "base": image.base,
        "tag": image.tag,
        "fetch": not image.baked,
        "apt": image.needs.apt,
        "extras": image.needs.extras,
        "pins": dict(image.pins),
        "files": {path: len(content) for path, content in made.files.items()},
    }
