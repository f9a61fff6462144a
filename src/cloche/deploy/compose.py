"""How the image is run: a compose file, and the commands that a person types."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator

from cloche.deploy.image import DATA_PORT, KEYS, MANAGEMENT_PORT, STATE, STOP_S, STORE, Image


def compose(image: Image) -> str:
    """
    `compose.yaml`: everything read-only but the volumes, no capability, ports on this machine alone.

    YAML takes what JSON writes, so that no name can break out of its line.
    """
    return "".join(f"{line}\n" for line in _compose(image))


def _compose(image: Image) -> Iterator[str]:
    yield "services:"
    yield f"  {json.dumps(image.title)}:"
    yield "    build: ."
    yield f"    image: {json.dumps(image.tag)}"
    yield "    read_only: true"
    yield "    tmpfs: [/tmp]"
    yield "    cap_drop: [ALL]"
    yield '    security_opt: ["no-new-privileges:true"]'
    yield f"    stop_grace_period: {STOP_S}s"
    yield "    restart: unless-stopped"
    yield "    ports:"
    yield f'      - "127.0.0.1:{DATA_PORT}:{DATA_PORT}"'
    yield f'      - "127.0.0.1:{MANAGEMENT_PORT}:{MANAGEMENT_PORT}"'
    yield "    volumes:"
    for name, where in _volumes(image).items():
        yield f"      - {name}:{where}"
    if image.baked and not image.insecure:
        yield f"      - ./keys.jsonl:{KEYS}:ro"
    if not image.baked:
        yield "    # Credentials of the store are read from its usual variables (AWS_ACCESS_KEY_ID …)."
        yield "    env_file: [{path: store.env, required: false}]"
    yield "volumes:"
    for name in _volumes(image):
        yield f"  {name}: {{}}"


def commands(image: Image, folder: str) -> tuple[str, ...]:
    """What builds the context in *folder* and runs it; `podman` takes the same words."""
    volumes = [f"-v {image.title}-{name}:{where}" for name, where in _volumes(image).items()]
    ports = [f"-p 127.0.0.1:{port}:{port}" for port in (DATA_PORT, MANAGEMENT_PORT)]
    safe = ["--read-only", "--tmpfs /tmp", "--cap-drop ALL", f"--stop-timeout {STOP_S}"]
    keys = [f'-v "$PWD/keys.jsonl:{KEYS}:ro"'] if image.baked and not image.insecure else []
    store = [] if image.baked else ["--env-file store.env"]
    run = " ".join(["docker run --rm", *safe, *ports, *volumes, *keys, *store, image.tag])
    return (f"docker build -t {image.tag} {shlex.quote(folder)}", run)


def _volumes(image: Image) -> dict[str, str]:
    """Where something is kept. Of a store that lies in the image, the log alone."""
    return {"state": STATE} | ({"log": f"{STORE}/log"} if image.baked else {})
