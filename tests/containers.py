"""
Images built with buildah and run with podman, from a stand-in for the official Python image.

The stand-in is this machine's own Debian (mmdebstrap), with what pip here is configured to: a build goes to the same
index. Its root file system is kept in the user's cache folder. Nothing of it gets into a Dockerfile.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

PROGRAMS = ("buildah", "podman", "runc", "netavark", "iptables", "mmdebstrap")
#: Debian puts netavark where podman alone looks.
_BESIDE = ("/usr/lib/podman", "/usr/sbin", "/sbin")
_AS_ROOT = () if os.geteuid() == 0 else ("sudo", "-n", "--preserve-env=CONTAINERS_CONF")
#: Not `~`: the tests have a home of their own.
_CACHE = Path(pwd.getpwuid(os.geteuid()).pw_dir) / ".cache" / "cloche-tests"
_LEFT_OUT = ("doc", "man", "locale")
_PACKAGES = "ca-certificates,python3-venv,python3-pip"
_TRUSTED = "/etc/ssl/certs/ca-certificates.crt"
#: Images and build stages take 1 GB.
_PLENTY = 4 << 30
#: What a machine without systemd and with cgroups of both kinds takes; podman's defaults do not start here.
_CONF = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
log_driver = "k8s-file"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
"""


def missing_program() -> str | None:
    """The first program that is not installed."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *_BESIDE])
    return next((name for name in PROGRAMS if shutil.which(name, path=path) is None), None)


@dataclass
class Containers:
    """A place of its own for images and containers."""

    home: Path
    started: list[str] = field(default_factory=list)

    def run(self, *words: str | Path, within_s: float = 300.0, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program of the machine as root; what it said stands in the failure."""
        environment = {**os.environ, "CONTAINERS_CONF": str(self.home / "containers.conf")}
        done = subprocess.run(
            [*_AS_ROOT, *map(str, words)], capture_output=True, text=True, timeout=within_s, check=False,
            env=environment, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{' '.join(map(str, words))}\n{done.stdout}\n{done.stderr}"
        return done

    def buildah(self, *words: str | Path) -> str:
        """What `buildah` prints."""
        return self.run("buildah", *self._storage(), *words).stdout.strip()

    def podman(self, *words: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """What `podman` did."""
        return self.run("podman", *self._storage(), *words, check=check)

    def _storage(self) -> tuple[str, ...]:
        return ("--root", str(self.home / "root"), "--runroot", str(self.home / "run"), "--storage-driver", "overlay")

    def stand_in(self, name: str) -> None:
        """Make the image *name*: Debian's Python, the certificates and the pip settings of this machine."""
        made = self.buildah("from", "scratch")
        self.buildah("add", "--quiet", made, _root_file_system(self), "/")
        settings = _pip_settings()
        for file in {_TRUSTED, *settings.values()}:
            if Path(file).is_file():
                self.buildah("add", "--quiet", made, file, file)
        for setting in ("PATH=/usr/local/bin:/usr/bin:/bin", *(f"{key}={value}" for key, value in settings.items())):
            self.buildah("config", "--env", setting, made)
        self.buildah("commit", "--quiet", "--rm", made, name)

    def build(self, folder: Path, tag: str) -> None:
        """Build the context in *folder* as it stands; what was built before is built on."""
        self.buildah(
            "build", "--layers", "--isolation", "chroot", "--pull-never", "--network", "host", "--format", "docker",
            "--tag", tag, folder,
        )  # fmt: skip

    def megabytes(self, name: str) -> float:
        """The layers of an image together."""
        (about,) = json.loads(self.podman("image", "inspect", name).stdout)
        return float(about["Size"]) / 1e6

    def start(self, image: str, *flags: str, words: tuple[str, ...] = ()) -> str:
        """Start a container in the background; its name. (Without systemd nothing runs its health check by itself.)"""
        self.podman("run", "--detach", "--pull", "never", "--health-interval", "disable", *flags, image, *words)
        name = self.podman("ps", "--latest", "--format", "{{.Names}}").stdout.strip()
        self.started.append(name)
        return name

    def state(self, name: str) -> tuple[int, bool]:
        """The exit status of a container that has ended, and whether memory ended it."""
        (about,) = json.loads(self.podman("inspect", name).stdout)
        return int(about["State"]["ExitCode"]), bool(about["State"]["OOMKilled"])

    def logs(self, name: str) -> str:
        """What a container has said."""
        done = self.podman("logs", name)
        return done.stdout + done.stderr

    def clear(self) -> None:
        """Take containers, volumes, images and the folder away."""
        for name in self.started:
            self.podman("rm", "--force", "--volumes", "--time", "0", name, check=False)
        self.run("umount", "--lazy", self.home / "root" / "overlay", check=False)
        self.run("rm", "-rf", self.home, check=False)


@contextlib.contextmanager
def containers() -> Iterator[Containers]:
    """A place that lasts as long as the block, in memory where there is plenty: disks take a minute longer."""
    made = Containers(Path(tempfile.mkdtemp(prefix="cl-", dir=_memory())))  # short: it holds Unix sockets
    (made.home / "containers.conf").write_text(_CONF)
    try:
        yield made
    finally:
        made.clear()


def _root_file_system(here: Containers) -> Path:
    """The tar of a small Debian with Python; made once a machine, a minute."""
    suite = platform_codename()
    kept = _CACHE / f"python-{suite}-1.tar"
    if kept.is_file():
        return kept
    _CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_memory()) as folder:
        made = Path(folder) / "made.tar"
        here.run(
            "env", f"TMPDIR={folder}", "mmdebstrap", "--quiet", "--variant=minbase", f"--include={_PACKAGES}",
            "--dpkgopt=force-unsafe-io", *(f"--dpkgopt=path-exclude=/usr/share/{one}/*" for one in _LEFT_OUT),
            suite, made, *_mirror(suite), within_s=600,
        )  # fmt: skip
        staged = kept.with_name(f"{kept.name}.{os.getpid()}")
        shutil.copyfile(made, staged)
        staged.replace(kept)
    return kept


def _memory() -> str | None:
    shared = Path("/dev/shm")
    return str(shared) if shared.is_dir() and shutil.disk_usage(shared).free > _PLENTY else None


def platform_codename() -> str:
    """`bookworm`: what this machine runs."""
    lines = Path("/etc/os-release").read_text().splitlines()
    return next(line.partition("=")[2].strip('"') for line in lines if line.startswith("VERSION_CODENAME="))


def _mirror(suite: str) -> list[str]:
    """Where apt here gets the packages of *suite*."""
    which = ["Created-By: Packages", f"Codename: {suite}", "Component: main"]
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", *which]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.split()[:1]


def _pip_settings() -> dict[str, str]:
    """What pip is configured to here, as the variables that say so; what is a path of this machine is left out."""
    done = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    found = {}
    for line in done.stdout.splitlines():
        key, _, value = line.partition("=")
        name = key.rpartition(".")[2]
        if name in ("index-url", "trusted-host", "proxy", "default-timeout", "cert"):
            found[f"PIP_{name.upper().replace('-', '_')}"] = value.strip("'")
    if Path(_TRUSTED).is_file():
        found.setdefault("PIP_CERT", _TRUSTED)
    return found
