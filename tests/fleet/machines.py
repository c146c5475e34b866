"""Machines of a fleet: a hive each, a queen each with servers of her own, one database for all.

All stand on this machine, each in a network of its own if it is given a place there; what each
knows of the others comes through the database alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.fleet.network import Place
from tests.fleet.partition import Partition
from tests.fleet.postgres import TcpPostgres
from tests.processes.live import Sandbox, live_command, live_config, query
from tests.processes.swarm import SWARM, environment

# Short leases, so that a takeover can be waited for; the rest is as in production.
QUICK = {"lease_seconds": 6, "lease_renew_seconds": 1}
_READY_S = 90.0
_ENDS_S = 60.0


@dataclass
class Machine:
    """One of them. Its process is a queen, or a run of a leads file."""

    number: int
    folder: Path
    config: Path
    sandbox: Sandbox
    url: str  # as this machine reaches the database
    offset_s: float
    place: Place | None = None
    process: subprocess.Popen[bytes] | None = None
    lives: int = 0
    told: list[dict[str, Any]] = field(default_factory=list)

    @property
    def hive(self) -> Path:
        return self.folder / f"hive-{self.number}"

    @property
    def out(self) -> Path:
        """What the present life has said."""
        return self.folder / f"machine-{self.number}.{self.lives}.out"

    def queen(self, *extra: str) -> None:
        """Start her; `ready` waits for her."""
        self._start([
            *SWARM, "queen", "--sandbox", "--json", "--twins", str(self.sandbox.port),
            "--hive", str(self.hive), "--config", str(self.config), *extra,
        ])  # fmt: skip

    def run(self, leads: Path, *extra: str) -> None:
        """Start a run of that file."""
        self._start(live_command(self.hive, leads, self.config, self.sandbox, *extra))

    def _start(self, command: list[str]) -> None:
        assert self.process is None or self.process.poll() is not None
        self.lives += 1
        with self.out.open("w") as said, self.out.with_suffix(".err").open("w") as cried:
            self.process = subprocess.Popen(
                self.there(command), cwd=self.folder, env=self.environment(), stdout=said,
                stderr=cried, start_new_session=True,
            )  # fmt: skip

    def there(self, command: Sequence[str]) -> list[str]:
        """The command, where this machine stands."""
        return self.place.command(command) if self.place else list(command)

    def environment(self) -> dict[str, str]:
        """What its commands are started with."""
        return environment(SWARM_SANDBOX_OFFSET_S=repr(self.offset_s), SWARM_DATABASE_URL=self.url)

    def ready(self) -> None:
        """Wait until the queen says that she works."""
        until(lambda: self.works, _READY_S, self)

    @property
    def works(self) -> bool:
        """Whether its present life has said so."""
        return bool(self.out.read_text().strip())

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """SIGKILL to the queen; her servers end with her."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(_ENDS_S)

    def freeze(self) -> list[int]:
        """SIGSTOP to the queen and every process of hers; gives whom."""
        assert self.process is not None
        queen = psutil.Process(self.process.pid)
        family = [queen, *queen.children(recursive=True)]
        for one in family:
            with contextlib.suppress(psutil.Error):
                one.suspend()
        return [one.pid for one in family]

    def thaw(self, pids: list[int]) -> None:
        """SIGCONT to those."""
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def end(self) -> int:
        """End it in order; its exit code."""
        assert self.process is not None
        if self.alive:
            os.kill(self.process.pid, signal.SIGTERM)
        return self.process.wait(_ENDS_S)


@dataclass
class Fleet:
    """All machines, and what the database shows."""

    folder: Path
    postgres: TcpPostgres
    sandbox: Sandbox
    machines: list[Machine]

    def ask(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        """Rows of the database."""
        return query(self.machines[0].hive, statement, *values, url=self.postgres.url())

    def one(self, statement: str, *values: Any) -> Any:
        """The only value of the only row."""
        [row] = self.ask(statement, *values)
        return next(iter(row.values()))

    def reaches_database(self, place: Place) -> bool:
        """Whether who stands there can connect to it."""
        return place.reaches(self.postgres.address, self.postgres.port)

    def written(self) -> int:
        """How many writes have reached the twins."""
        return int(self.sandbox.get("counts")["by_kind"]["write"])

    def swarm(self, number: int, *arguments: str) -> tuple[int, dict[str, Any]]:
        """A command on that machine, with --json."""
        machine = self.machines[number]
        command = machine.there([*SWARM, *arguments, "--hive", str(machine.hive), "--json"])
        done = subprocess.run(
            command, cwd=self.folder, env=machine.environment(), capture_output=True, text=True,
            timeout=240, check=False,
        )  # fmt: skip
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)


@contextlib.contextmanager
def fleet(
    folder: Path,
    postgres: TcpPostgres,
    sandbox: Sandbox,
    number: int,
    offset_s: float,
    limits: dict[str, int] | None = None,
    ways: Sequence[Partition] = (),
    places: Sequence[Place] = (),
    **sections: dict[str, Any],
) -> Iterator[Fleet]:
    """That many machines, none of them started; whatever was started ends with the block.

    Args:
        ways: a proxy to the database for each, all on this machine's loopback.
        places: one for each in a network of which the database's is the bridge's address.
    """
    work = QUICK | sections.pop("work", {})
    config = live_config(folder, limits, work=work, **sections)
    machines = [
        Machine(
            each, folder, config, sandbox,
            postgres.url_in_network() if places else postgres.url(_port(ways, each)), offset_s,
            places[each] if places else None,
        )
        for each in range(number)
    ]  # fmt: skip
    try:
        yield Fleet(folder, postgres, sandbox, machines)
    finally:
        for machine in machines:
            if machine.alive:
                machine.kill()


def _port(ways: Sequence[Partition], number: int) -> int | None:
    return ways[number].port if ways else None


def until(holds: Callable[[], bool], seconds: float, machine: Machine | None = None) -> float:
    """Wait until something is so; gives how long it took."""
    began = time.monotonic()
    while not holds():
        if machine is not None and not machine.alive:
            said = machine.out.with_suffix(".err").read_text()[-2000:]
            raise AssertionError(f"machine {machine.number} has ended: {said}")
        if time.monotonic() - began > seconds:
            raise AssertionError(f"not so within {seconds:.0f} s")
        time.sleep(0.1)
    return time.monotonic() - began
