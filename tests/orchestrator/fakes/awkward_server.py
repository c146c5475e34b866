"""A real MCP server that misbehaves on request. Started as a process by the tests."""

import asyncio
import os
import random
import secrets
import signal
import ssl
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from mcp.server.lowlevel import Server

from guardrails.errors import VendorUnavailable
from servers.common.contract import Args, Result, ToolSpec
from servers.common.main import run
from servers.common.toolserver import Binding, build


class Do(Args):
    what: str
    text: str = ""


class Done(Result):
    text: str
    pid: int
    env: dict[str, str]


DO = ToolSpec("do", "Do", "Do something awkward.", Do, Done)
DO_ONCE = ToolSpec("do", "Do", "The same, not to be repeated.", Do, Done, False, False)


async def do(args: Do) -> Done:
    if args.what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if args.what == "die_first_time" and not Path(args.text).exists():
        Path(args.text).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if args.what == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    if args.what == "sleep":
        await asyncio.sleep(60)
    if args.what == "grandchild":
        grandchild = subprocess.Popen(["sleep", "60"])  # noqa: ASYNC220
        Path(args.text).write_text(str(grandchild.pid))
        os.kill(os.getpid(), signal.SIGKILL)
    if args.what == "print":
        sys.stdout.write("not the protocol\n")
        sys.stdout.flush()
    if args.what == "draw":
        drawn = random.random(), uuid.uuid4(), secrets.token_hex(), ssl.RAND_bytes(8).hex()
        return done(" ".join(str(each) for each in drawn))
    if args.what == "descriptors":
        return done(" ".join(open_files()))
    if args.what == "fail":
        raise VendorUnavailable("no answer", vendor="ghl", operation="get", retry_after_s=3)
    if args.what == "crash":
        raise ZeroDivisionError("secret detail")
    return done(args.text)


def open_files() -> list[str]:
    """What each descriptor is: a file's path, or a kind in brackets."""
    found = []
    for each in list(Path("/proc/self/fd").iterdir()):
        with suppress(FileNotFoundError):  # that of the listing itself
            found.append(str(each.readlink()).partition(":")[0])
    return found


def done(text: str) -> Done:
    return Done(text=text, pid=os.getpid(), env=dict(os.environ))


@asynccontextmanager
async def open_server() -> AsyncIterator[Server[Any]]:
    if os.environ.get("REFUSE_TO_START"):
        sys.stderr.write("cannot start: the moon is in the wrong place\n")
        raise SystemExit(2)
    yield build("awkward", "Misbehaves.", [Binding(DO, do)])


if __name__ == "__main__":
    run(open_server)
