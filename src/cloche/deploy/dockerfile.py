"""The Dockerfile of an image, as text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from cloche.deploy.image import CONFIG, DATA_PORT, KEYS, MANAGEMENT_PORT, PREFIX, STATE, STORE, UID, Image

#: What numpy and scipy bring along for their own tests and for compilers. (f2py stays: scipy has numpy import it.)
_DEAD_FOLDERS = ("tests", "include", "_pyinstaller")
#: The same as files; and 500 languages that rich could highlight.
_DEAD_FILES = ("-name '*.pyi'", "-name '*.pyx'", "-name '*.pxd'", "-name '*.a'", "-path '*/pygments/lexers/[a-z]*.py'")
#: Installed because something asks for it, and not imported by a server.
_NOT_COMPILED = "/(pygments|pycparser|distutils|f2py)/"
_PYTHON = f"{PREFIX}/bin/python3"


def dockerfile(image: Image) -> str:
    """The whole file; the same text for the same image."""
    stages = (_head(image), _build_stage(image), _final_stage(image))
    return "\n".join(line for stage in stages for line in stage) + "\n"


def _head(image: Image) -> Iterator[str]:
    record = image.record
    yield f"# {record.name}@{record.version}, answered by its engine '{image.engine}'. Made by cloche {image.cloche}:"
    yield "# cloche build makes the same file again."
    yield f"# artifact sha256:{record.manifest}"
    yield from (f"# {' '.join(note.split())}" for note in image.needs.notes)
    yield ""


def _build_stage(image: Image) -> Iterator[str]:
    yield f"FROM {image.base} AS build"
    yield "# Another index than the base image's: --build-arg PIP_INDEX_URL=…"
    yield "ARG PIP_INDEX_URL"
    yield "ARG PIP_EXTRA_INDEX_URL"
    yield "WORKDIR /build"
    yield "COPY requirements.txt constraints.txt ./"
    yield "COPY wheels/ wheels/"
    if image.projects:
        yield "COPY projects/ projects/"
    yield f"RUN python3 -m venv --without-pip {PREFIX} \\"
    pip = f"python3 -m pip --python {_PYTHON}"
    install = f"{pip} install --no-cache-dir --no-compile --disable-pip-version-check --root-user-action=ignore"
    yield f" && {install} --constraint constraints.txt --requirement requirements.txt"
    if image.needs.bare:
        bare = " ".join(_pinned(image.pins, name) for name in image.needs.bare)
        yield "# Its shared library alone is loaded: what its package would draw in is left out."
        yield f"RUN {install} --no-deps {bare}"
    yield from _slimmed(image, pip)
    yield ""


def _slimmed(image: Image, pip: str) -> Iterator[str]:
    """Without what is never loaded; with byte code, since nothing can be written later."""
    names = " -o ".join(f"-name {name}" for name in _DEAD_FOLDERS)
    inside = "\\( -path '*/numpy/*' -o -path '*/scipy/*' \\)"
    steps = [f"{pip} uninstall --yes --quiet {' '.join(image.needs.unused)}"] if image.needs.unused else []
    steps += [
        f"find {PREFIX}/lib -type d {inside} \\( {names} \\) -prune -exec rm -rf {{}} +",
        f"find {PREFIX}/lib -type f \\( {' -o '.join(_DEAD_FILES)} \\) -delete",
        f"{_PYTHON} -m compileall -q -j 0 --invalidation-mode unchecked-hash -x '{_NOT_COMPILED}' {PREFIX}/lib",
    ]
    yield "# Tests and headers out, byte code in: a read-only image could not write it."
    yield "RUN " + " \\\n && ".join(steps)


def _final_stage(image: Image) -> Iterator[str]:
    yield f"FROM {image.base}"
    if image.needs.apt:
        yield "# The base image decides the versions: Debian keeps one of each."
        yield "# hadolint ignore=DL3008"
        yield "RUN apt-get update \\"
        yield f" && apt-get install --yes --no-install-recommends {' '.join(image.needs.apt)} \\"
        yield " && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log"
    yield f"COPY --from=build {PREFIX} {PREFIX}"
    writable = " ".join(_writable(image))
    yield f"RUN install -d -o {UID} -g {UID} {writable}"
    if image.config:
        yield f"COPY config/ {CONFIG}/"
    if image.baked:
        yield f"COPY store/ {STORE}/"
    yield from _labels(image)
    yield from _environment(image)
    yield f"USER {UID}:{UID}"
    yield "# Everything else may be read-only."
    yield f"VOLUME {json.dumps(_volumes(image))}"
    yield f"EXPOSE {DATA_PORT} {MANAGEMENT_PORT}"
    yield "STOPSIGNAL SIGTERM"
    yield "HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \\"
    yield f"  CMD {json.dumps([_PYTHON, '-m', 'cloche.deploy.health'])}"
    yield "# Flags of `cloche serve` may follow the image's name: docker run … IMAGE --workers 4"
    yield f"ENTRYPOINT {json.dumps([f'{PREFIX}/bin/cloche', 'serve', image.served])}"


def _writable(image: Image) -> Iterator[str]:
    yield from (STATE, f"{STATE}/cache", f"{STATE}/spool")
    if image.baked:
        yield from (f"{STORE}/log", f"{STORE}/agents")


def _volumes(image: Image) -> list[str]:
    return [STATE, f"{STORE}/log", f"{STORE}/agents"] if image.baked else [STATE]


def _labels(image: Image) -> Iterator[str]:
    manifest, record = image.manifest, image.record
    labels = {
        "org.opencontainers.image.title": image.title,
        "org.opencontainers.image.version": str(record.version),
        "org.opencontainers.image.revision": image.revision,
        "org.opencontainers.image.created": manifest.created,
        "org.opencontainers.image.base.name": image.base,
        "org.opencontainers.image.description": manifest.description,
        "org.opencontainers.image.licenses": manifest.license,
        "dev.cloche.artifact": f"sha256:{record.manifest}",
        "dev.cloche.model": f"{record.name}@{record.version}",
        "dev.cloche.contract": str(record.contract),
        "dev.cloche.engine": image.engine,
        "dev.cloche.version": image.cloche,
    }
    yield from _block("LABEL", {name: value for name, value in labels.items() if value})


def _environment(image: Image) -> Iterator[str]:
    variables = {
        "CLOCHE_STORE": f"file://{STORE}" if image.fetched_from is None else image.fetched_from,
        "CLOCHE_CACHE": f"{STATE}/cache",
        "CLOCHE_SPOOL": f"{STATE}/spool",
        "CLOCHE_AUDIT_LOG": f"{STATE}/audit.jsonl",
        "CLOCHE_SERVER_HOST": "0.0.0.0",  # noqa: S104  (of the container; who reaches it is decided outside)
        "CLOCHE_SERVER_PORT": str(DATA_PORT),
        "CLOCHE_SERVER_MANAGEMENT_PORT": str(MANAGEMENT_PORT),
        "CLOCHE_SERVER_ENGINE": image.engine,
        "CLOCHE_SERVER_MONITOR": "false",  # its libraries are 250 MB: `cloche monitor` runs elsewhere
        "HOME": "/tmp",  # noqa: S108  (in the container)
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }
    if image.baked:
        variables["CLOCHE_KEYS"] = KEYS
    if image.insecure:
        variables["CLOCHE_SERVER_INSECURE"] = "true"
    yield from _block("ENV", variables)


def _block(word: str, values: Mapping[str, str | None]) -> Iterator[str]:
    """`ENV` and `LABEL`, a name a line. What is quoted ends its line: neither may break out of it."""
    lines = [f"{name}={_quoted(value or '')}" for name, value in values.items()]
    yield " \\\n  ".join([f"{word} {lines[0]}", *lines[1:]])


def _quoted(text: str) -> str:
    """In double quotes, on one line, with nothing that a Dockerfile would expand."""
    flat = " ".join(text.split())
    for character in ("\\", '"', "$"):
        flat = flat.replace(character, "\\" + character)
    return f'"{flat}"'


def _pinned(pins: Mapping[str, str], name: str) -> str:
    return f"{name}=={pins[name]}" if name in pins else name
