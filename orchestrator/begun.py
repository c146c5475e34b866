"""The nursery's process before anything is asked of it. Owns: its start and its end.

A command line begins it first of all, so that it imports while the queen does. Until it is told
what to fork it only imports what every server needs, and it ends with whoever began it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.processes import clean_environment


@dataclass(frozen=True)
class Begun:
    """The process, and our end of its socket."""

    process: subprocess.Popen[bytes]
    wire: socket.socket

    async def end(self) -> None:
        """Kill it, and with it every server that it forked."""
        self.process.kill()
        await asyncio.to_thread(self.process.wait)
        self.wire.close()


def can_begin() -> bool:
    """Whether servers are forked here; where not, each is spawned."""
    return sys.platform == "linux" and hasattr(os, "pidfd_open")


def of_hive(path: Path) -> dict[str, str]:
    """Its variables: whoever looks at processes sees whose they are."""
    return {"HIVE_MIND_DIR": str(path.absolute())}


def begin_early(hive: Path) -> Begun | None:
    """For a command that will start servers. None where they are spawned; nothing fails here."""
    if not can_begin():
        return None
    with contextlib.suppress(OSError):  # it is tried once more when it is needed
        return begin(of_hive(hive))
    return None


def begin(env: Mapping[str, str]) -> Begun:
    """Start it with these variables and a few harmless ones.

    What goes wrong before it has a log is on our stderr. Raises OSError.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    try:
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "servers.common.nursery"],
                stdin=theirs.fileno(), stdout=subprocess.DEVNULL,
                env=clean_environment(env), start_new_session=True,
            )  # fmt: skip
    except BaseException:
        ours.close()
        raise
    return Begun(process, ours)
