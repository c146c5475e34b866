"""A network of the trial's own: a bridge, and for each machine a namespace with an address.

The database listens on the bridge's address, and a machine reaches nothing else: it has a wire to
the bridge and no route beyond. `Place.cut` takes the host's end of that wire down, like a pulled
cable: no RST, no FIN, packets vanish in both directions. Everything is named after the process that
made it, so that `sweep` can remove what a trial left that crashed. Needs root and iproute2.
"""

from __future__ import annotations

import contextlib
import ctypes
import ipaddress
import json
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psutil

T = TypeVar("T")
PREFIX = "swft"
_OURS = re.compile(PREFIX + r"(?P<pid>\d+)(b|[hn]\d+)")
_NEWNET = 0x40000000  # CLONE_NEWNET
_COMMAND_S = 30.0
_CONNECT_S = 3.0


class Unable(Exception):
    """This machine cannot make such a network; the text says what is missing."""


@dataclass(frozen=True)
class Place:
    """Where one machine stands: its namespace, its address, and the host's end of its wire."""

    name: str
    link: str
    address: str

    def command(self, words: Sequence[str]) -> list[str]:
        """The same command, within."""
        return ["ip", "netns", "exec", self.name, *words]

    def cut(self) -> None:
        """Pull the cable."""
        _ip("link", "set", self.link, "down")

    def heal(self) -> None:
        """Plug it in again."""
        _ip("link", "set", self.link, "up")

    def listen(self, port: int) -> socket.socket:
        """A listening socket on its own loopback; whoever holds it may stand anywhere."""
        return self.inside(lambda: socket.create_server(("127.0.0.1", port)))

    def reaches(self, address: str, port: int) -> bool:
        """Whether somebody there can be connected to from here."""

        def connected() -> bool:
            try:
                with socket.create_connection((address, port), timeout=_CONNECT_S):
                    return True
            except OSError:
                return False

        return self.inside(connected)

    def inside(self, work: Callable[[], T]) -> T:
        """`work()` on a thread that stands in the namespace: its sockets stay there."""

        def moved() -> T:
            libc = ctypes.CDLL(None, use_errno=True)
            with Path(f"/run/netns/{self.name}").open() as namespace:
                if libc.setns(namespace.fileno(), _NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), f"setns to {self.name}")
            return work()

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(moved).result()


@dataclass(frozen=True)
class Network:
    """A bridge with an address, and the places at it."""

    subnet: str
    address: str
    places: tuple[Place, ...]


@contextlib.contextmanager
def network(number: int) -> Iterator[Network]:
    """That many places at one bridge; all of it is gone after the block, with who still runs there.

    Raises:
        Unable: there is no root, no `ip`, or the kernel refuses.
    """
    if lacking := missing():
        raise Unable("; ".join(lacking))
    name = f"{PREFIX}{os.getpid()}"
    try:
        yield _built(name, _free_subnet(os.getpid()), number)
    finally:
        _remove(lambda pid: pid == os.getpid())


def missing() -> list[str]:
    """What a trial needs and does not find here."""
    lacking = []
    if os.geteuid() != 0:
        lacking.append("it must run as root, which alone may make network namespaces")
    if shutil.which("ip") is None:
        lacking.append("the command `ip` (iproute2) is not installed")
    return lacking


def sweep() -> list[str]:
    """Remove what trials have left whose process does not live any more; gives the names."""
    return _remove(lambda pid: not psutil.pid_exists(pid))


def _built(name: str, subnet: ipaddress.IPv4Network, number: int) -> Network:
    bridge, own = f"{name}b", str(subnet[1])
    _ip("link", "add", bridge, "type", "bridge")
    _ip("addr", "add", f"{own}/{subnet.prefixlen}", "dev", bridge)
    _ip("link", "set", bridge, "up")
    places = []
    for each in range(number):
        place = Place(f"{name}n{each}", f"{name}h{each}", str(subnet[10 + each]))
        _ip("netns", "add", place.name)
        _ip("link", "add", place.link, "type", "veth", "peer", "name", "eth0", "netns", place.name)
        _ip("link", "set", place.link, "master", bridge, "up")
        within = ("-n", place.name)
        _ip(*within, "link", "set", "lo", "up")
        _ip(*within, "addr", "add", f"{place.address}/{subnet.prefixlen}", "dev", "eth0")
        _ip(*within, "link", "set", "eth0", "up")
        places.append(place)
    return Network(str(subnet), own, tuple(places))


def _free_subnet(start: int) -> ipaddress.IPv4Network:
    """Of 10.0.0.0/8 a part that this machine knows nothing of; two that look at once begin apart.

    Raises:
        Unable: there is none.
    """
    taken = []
    for route in json.loads(_ip("-j", "-4", "route", "show", "table", "all") or "[]"):
        if route["dst"] != "default":
            taken.append(ipaddress.IPv4Network(route["dst"], strict=False))
    for address in json.loads(_ip("-j", "-4", "addr", "show") or "[]"):
        for one in address.get("addr_info", []):
            taken.append(ipaddress.IPv4Network(f"{one['local']}/{one['prefixlen']}", strict=False))
    for each in range(start, start + 65536):
        subnet = ipaddress.IPv4Network(f"10.{each >> 8 & 255}.{each & 255}.0/24")
        if not any(subnet.overlaps(other) for other in taken):
            return subnet
    raise Unable("no part of 10.0.0.0/8 is free here")


def _remove(whose: Callable[[int], bool]) -> list[str]:
    """Namespaces with whoever runs in them, then wires and bridges."""
    gone: list[str] = []
    if shutil.which("ip") is None:
        return gone
    for name in sorted(found.name for found in Path("/run/netns").glob(f"{PREFIX}*")):
        if _is_of(name, whose):
            for pid in _ip("netns", "pids", name).split():
                with contextlib.suppress(psutil.Error):
                    psutil.Process(int(pid)).kill()
            _ip("netns", "del", name)
            gone.append(name)
    for name in sorted((link.name for link in Path("/sys/class/net").iterdir()), reverse=True):
        if _is_of(name, whose):
            with contextlib.suppress(Unable):  # its other end went with its namespace, and it too
                _ip("link", "del", name)
            gone.append(name)
    return gone


def _is_of(name: str, whose: Callable[[int], bool]) -> bool:
    found = _OURS.fullmatch(name)
    return found is not None and whose(int(found["pid"]))


def _ip(*words: str) -> str:
    done = subprocess.run(
        ["ip", *words], capture_output=True, text=True, timeout=_COMMAND_S, check=False
    )
    if done.returncode != 0:
        raise Unable(f"`ip {' '.join(words)}`: {done.stderr.strip() or done.returncode}")
    return done.stdout
