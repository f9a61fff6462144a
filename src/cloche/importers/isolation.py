"""
A process shuts itself in, for good: no network, nothing to write to but its folder, no other process, little of all.

Linux namespaces by `unshare(2)`, without a privilege where the system lets users have namespaces of their own. What
holds in any case are the limits; what could not be had is a reason to refuse (`IsolationError`).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import resource
import sys
from pathlib import Path

_NEW_NS, _NEW_IPC, _NEW_USER, _NEW_PID, _NEW_NET = 0x00020000, 0x08000000, 0x10000000, 0x20000000, 0x40000000
_REST = _NEW_NET | _NEW_PID | _NEW_IPC | _NEW_NS
_MS_REC, _MS_PRIVATE, _MS_BIND, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 0x4000, 0x40000, 0x1000, 2, 4, 8
_AT_FDCWD, _AT_RECURSIVE, _ATTR_RDONLY, _SYS_MOUNT_SETATTR = -100, 0x8000, 1, 442
_PR_SET_NO_NEW_PRIVS, _PR_CAPBSET_DROP, _PR_SET_DUMPABLE = 38, 24, 4
_CAPABILITY_VERSION_3, _SYS_CAPSET = 0x20080522, {"x86_64": 126, "aarch64": 91}
_LAST_CAPABILITY = 63

CPU_S = 300
FILE_BYTES = 4 << 30
OPEN_FILES = 256
PROCESSES = 64
_LEAST_MEMORY = 4 << 30


class IsolationError(Exception):
    """This system does not let the process shut itself in."""


class _MountAttr(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("attr_set", "attr_clr", "propagation", "userns_fd")]


def limit(model_bytes: int) -> None:
    """Limits of CPU, memory (by the size of the model), file sizes, open files; no core file. They cannot be raised."""
    memory = max(_LEAST_MEMORY, 16 * model_bytes)
    wanted = {
        resource.RLIMIT_CPU: CPU_S,
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_FSIZE: FILE_BYTES,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_CORE: 0,
    }
    for kind, value in wanted.items():
        _limit(kind, value)


def _limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    least = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (least, least))


def shut_in(folder: Path) -> None:
    """
    No network, no process but our own, no privilege; of all files only those in *folder* can be written.

    The process is another one afterwards: it forks, and the first one waits for the second and ends as it does.

    Raises:
        IsolationError: something of this cannot be had here.
    """
    if sys.platform != "linux" or os.uname().machine not in _SYS_CAPSET:
        raise IsolationError(f"namespaces are not known here on {sys.platform} ({os.uname().machine})")
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.getuid(), os.getgid()
    _check(libc.unshare(_NEW_USER | _REST), "namespaces of its own")
    with contextlib.suppress(OSError):
        Path("/proc/self/setgroups").write_text("deny")
    for name, number in (("uid_map", uid), ("gid_map", gid)):
        Path(f"/proc/self/{name}").write_text(f"{number} {number} 1")
    _fork()
    _only_writable(libc, folder)
    _limit(resource.RLIMIT_NPROC, PROCESSES)
    _drop_privileges(libc)


def _check(result: int, what: str) -> None:
    if result != 0:
        raise IsolationError(f"{what}: {os.strerror(ctypes.get_errno())}")


def _fork() -> None:
    """Go on as the first process of the new process namespace: when it ends, whatever it started ends too."""
    child = os.fork()
    if child == 0:
        return
    _, status = os.waitpid(child, 0)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _only_writable(libc: ctypes.CDLL, folder: Path) -> None:
    """Everything is mounted read-only, and *folder* over itself to be written."""
    where = os.fsencode(folder)
    _check(libc.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None), "mounts of its own")
    _check(libc.mount(where, where, None, _MS_BIND | _MS_REC, None), "a mount of the folder")
    for private in _private(folder):
        libc.mount(b"none", os.fsencode(private), b"tmpfs", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, None)
    _set_attributes(libc, b"/", _AT_RECURSIVE, _MountAttr(attr_set=_ATTR_RDONLY))
    _set_attributes(libc, where, 0, _MountAttr(attr_clr=_ATTR_RDONLY))
    os.chdir(folder)  # what was the working directory is the folder below the mount
    # Other processes cannot be named any more; where the system forbids this view, theirs stays, and is read-only.
    libc.mount(b"proc", b"/proc", b"proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, None)


def _private(folder: Path) -> list[Path]:
    """
    Folders that the process has no business in, if none of its own lies there: the user's home, and where the sockets
    of other services are (what is mounted read-only can still be connected to).
    """
    needed = [folder, *map(Path, (sys.prefix, sys.base_prefix, sys.executable, *filter(None, sys.path)))]
    homes = [Path(pwd.getpwuid(os.getuid()).pw_dir)] if _has_home() else []
    found = (path.resolve() for path in (Path("/run"), *homes) if path.is_dir())
    return [one for one in found if one != Path("/") and not any(path.resolve().is_relative_to(one) for path in needed)]


def _has_home() -> bool:
    return any(user.pw_uid == os.getuid() for user in pwd.getpwall())


def _set_attributes(libc: ctypes.CDLL, where: bytes, flags: int, attributes: _MountAttr) -> None:
    size = ctypes.sizeof(attributes)
    result = libc.syscall(_SYS_MOUNT_SETATTR, _AT_FDCWD, where, flags, ctypes.byref(attributes), size)
    _check(result, "a read-only view of the files")


def _drop_privileges(libc: ctypes.CDLL) -> None:
    """The rights inside the new namespaces go as well, or the mounts could be undone."""
    _check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges")
    for number in range(_LAST_CAPABILITY + 1):
        libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _check(libc.syscall(_SYS_CAPSET[os.uname().machine], header, nothing), "no capabilities")
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
