"""From each machine's own loopback to the twins. Owns: the way to the vendors, and who went it.

The sandbox takes loopback addresses only, and a namespace has a loopback of its own: in each one
the twins' port is listened on, and passed on to the twins. A machine that is cut off from the
database still reaches the vendors: the harder case. What each machine asked is noted, since the
twins cannot tell who did.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from typing import NamedTuple

import httpx

from tests.fleet.network import Place

_BLOCK = 65536
_READY_S = 10.0
_METHODS = (b"GET ", b"POST ", b"PUT ", b"PATCH ", b"DELETE ")


class Asked(NamedTuple):
    """One request of one machine: when (monotonic), and for what. `path` begins with the vendor."""

    machine: int
    at: float
    method: str
    path: str


class Doors:
    """What went through. Get it by `doors`."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.asked: list[Asked] = []

    def between(self, machine: int, begin: float, end: float) -> list[Asked]:
        """What that machine asked in that time."""
        return [one for one in self.asked if one.machine == machine and begin <= one.at < end]

    async def serve(
        self, listeners: Sequence[socket.socket], ready: Future[Callable[[], None]]
    ) -> None:
        """Pass on until what `ready` is given has been called, from any thread."""
        ended, loop = asyncio.Event(), asyncio.get_running_loop()
        for number, listener in enumerate(listeners):
            await asyncio.start_server(partial(self._through, number), sock=listener)
        ready.set_result(lambda: _from_anywhere(loop, ended))
        await ended.wait()

    async def _through(
        self, machine: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            writer.close()  # the twins are down: as if nobody listened
            return
        there = self._pass(reader, far_writer, machine)
        back = self._pass(far_reader, writer, None)
        await asyncio.gather(there, back)

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, machine: int | None
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_BLOCK):
                if machine is not None and data.startswith(_METHODS):
                    self._note(machine, data)
                writer.write(data)
                await writer.drain()
        writer.close()

    def _note(self, machine: int, data: bytes) -> None:
        """Clients send one request at a time on a connection, so that each begins a block."""
        method, target, *_ = data.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        self.asked.append(Asked(machine, time.monotonic(), method, target.partition("?")[0]))


def answer(place: Place, port: int) -> bool:
    """Whether the twins answer a machine that stands there."""
    url = f"http://127.0.0.1:{port}/_twin/health"
    try:
        return place.inside(lambda: httpx.get(url, trust_env=False, timeout=10).is_success)
    except httpx.HTTPError:
        return False


@contextlib.contextmanager
def doors(places: Sequence[Place], port: int) -> Iterator[Doors]:
    """A door in each place for the block, on a thread of its own."""
    made = Doors(port)
    listeners = [place.listen(port) for place in places]
    ready: Future[Callable[[], None]] = Future()
    serving = partial(asyncio.run, made.serve(listeners, ready))
    thread = threading.Thread(target=serving, name="doors", daemon=True)
    thread.start()
    end = ready.result(_READY_S)
    try:
        yield made
    finally:
        end()
        thread.join(_READY_S)


def _from_anywhere(loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    loop.call_soon_threadsafe(ended.set)
