"""The preloaded parent that forks the servers. Owns: one import for all of them, and the fork.

A server's imports cost half a second of CPU and sixty megabytes; forked from here it is ready in
milliseconds and shares them. No secret is ever in this process: a server gets its variables down
its own stdin, after the fork. Refuses to fork what it was not started with, or out of more than
one thread.

`python -P -m servers.common.nursery`, with a SEQPACKET socket as stdin. The first message names the
modules to preload, with a descriptor of the log; what they share is imported before it is there. A
request is `NUMBER MODULE` with the descriptors of stdin, stdout and stderr;
the answer is `NUMBER PID` with a pidfd, or `NUMBER 0 WHY`. What comes first on a server's stdin is
its environment: four bytes of length, then a JSON object. Linux only; elsewhere the queen spawns
each server.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from guardrails.kernel import die_with_parent

if TYPE_CHECKING:
    from servers.common.main import Opened

_MESSAGE = 1024
_STANDARD = 3  # stdin, stdout, stderr
_LENGTH = struct.Struct("!I")
_PROC = Path("/proc/self")
_ARG_START, _ARG_END = 45, 46  # in /proc/self/stat, counted from the state letter
# What libraries load at a server's first await, client and query: otherwise each of them would.
_LOADED_LATE = ("anyio._backends._asyncio", "httpcore", "sqlalchemy.dialects.sqlite")

Opener = Callable[[], "Opened"]


def main() -> None:
    """Import, then fork on request until the queen closes the socket or dies."""
    die_with_parent()
    gc.disable()  # what is imported is there to stay; a server collects again
    # structlog and httpx take it in where it is found, for a terminal that no server has.
    sys.modules["rich"] = None  # type: ignore[assignment]
    os.umask(0o077)
    queen = socket.socket(fileno=0)
    for shared in ("servers.common.main", *_LOADED_LATE):
        importlib.import_module(shared)
    told, logs, _, _ = socket.recv_fds(queen, _MESSAGE, 1)
    for log_to in logs:
        os.dup2(log_to, 2)
        os.close(log_to)
    modules = told.decode().split()
    openers = {module: importlib.import_module(module).open_server for module in modules}
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps: never a zombie, even stopped
    while True:
        request, fds, _, _ = socket.recv_fds(queen, _MESSAGE, _STANDARD)
        if not request:
            return
        number, _, module = request.partition(b" ")
        try:
            pid, pidfd = _fork(module.decode(), openers, fds)
        except (OSError, RuntimeError, KeyError) as error:
            queen.send(b"%s 0 %s" % (number, repr(error).encode()[: _MESSAGE // 2]))
            continue
        finally:
            for fd in fds:
                os.close(fd)
        socket.send_fds(queen, [b"%s %d" % (number, pid)], [pidfd])
        os.close(pidfd)


def _fork(module: str, openers: dict[str, Opener], fds: Sequence[int]) -> tuple[int, int]:
    """Fork a server; its pid and pidfd. Only the nursery returns from here.

    Raises:
        KeyError: no such server was preloaded.
        RuntimeError: another thread runs: a lock that it holds would be held for ever. Or a
            descriptor is missing: the server would read what is meant for the nursery.
        OSError: the kernel refuses.
    """
    open_server = openers[module]
    if len(fds) != _STANDARD:
        raise RuntimeError(f"{len(fds)} descriptors")
    if len(list((_PROC / "task").iterdir())) != 1:
        raise RuntimeError("more than one thread")
    nursery = os.getpid()
    pid = os.fork()
    if pid == 0:
        _serve(module, open_server, fds, nursery)
    return pid, os.pidfd_open(pid)


def _serve(module: str, open_server: Opener, fds: Sequence[int], nursery: int) -> NoReturn:
    """Be that server from here to the end. Ends without the interpreter's farewell: what must be
    closed is closed by `run`, and what is left is the kernel's.
    """
    from servers.common.main import run  # noqa: PLC0415 - by now it is there

    code = 1
    try:
        os.setsid()
        die_with_parent(nursery)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for standard, fd in enumerate(fds):
            os.dup2(fd, standard)
        _close_the_rest()
        _retitle(module.removesuffix(".__main__"))
        _take_environment()
        gc.enable()
        run(open_server)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - the edge of the process: nothing may reach `main`
        traceback.print_exc()
    finally:
        _leave(code)


def _close_the_rest() -> None:
    for entry in list((_PROC / "fd").iterdir()):
        if int(entry.name) >= _STANDARD:
            with contextlib.suppress(OSError):
                os.close(int(entry.name))


def _leave(code: int) -> NoReturn:
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _take_environment() -> None:
    """Read this server's variables from stdin, in place of the nursery's.

    Raises:
        SystemExit: the queen changed her mind: stdin ended.
    """
    (length,) = _LENGTH.unpack(_exactly(_LENGTH.size))
    given = json.loads(_exactly(length))
    os.environ.clear()
    os.environ.update(given)


def _exactly(count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = os.read(0, count - len(data))
        if not part:
            raise SystemExit(1)
        data += part
    return data


def _retitle(title: str) -> None:
    """Have `ps` show what runs here, in the room of the nursery's own name."""
    old = (_PROC / "cmdline").read_bytes()
    start = old.find(b"servers.common.nursery")
    new = title.encode()
    if start < 0 or len(new) >= len(old) - start:
        return
    fields = (_PROC / "stat").read_text().rpartition(")")[2].split()
    first, last = int(fields[_ARG_START]), int(fields[_ARG_END])
    if last - first == len(old):
        ctypes.memmove(first + start, new.ljust(len(old) - start, b"\0"), len(old) - start)


if __name__ == "__main__":
    main()
