"""
A process that ends when another one does, whatever both are doing.

The one that is to be outlived by nobody keeps the writing end of a pipe; the kernel kills everybody who holds
on to the reading end as soon as the writing end is closed, by `close` or by death. Unlike PR_SET_PDEATHSIG this
does not need the two to be parent and child, and a stopped or computing process ends just the same.
Standard library only. Linux only.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal

_F_SETSIG = 10  # <linux/fcntl.h>; the fcntl module does not name it


class Lifeline:
    """The side that others depend on; `reader` is what they inherit."""

    def __init__(self) -> None:
        self.reader, self._writer = os.pipe()

    def cut(self) -> None:
        """Kill whoever holds on to it."""
        os.close(self._writer)
        os.close(self.reader)


def hold(reader: int) -> None:
    """From now on this process is killed when the lifeline *reader* is cut; at once where it already is."""
    # A description of its own: the owner of the signal belongs to the description, which a fork shares.
    own = os.open(f"/proc/self/fd/{reader}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    os.close(reader)
    fcntl.fcntl(own, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(own, _F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(own, fcntl.F_SETFL, fcntl.fcntl(own, fcntl.F_GETFL) | os.O_ASYNC)
    poll = select.poll()
    poll.register(own, 0)
    if poll.poll(0):
        os.kill(os.getpid(), signal.SIGKILL)
