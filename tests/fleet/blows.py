"""The blows that a fleet gets, and when. Owns: their order, seeded, and the supervisor's part.

Whoever dies is started again at once, as `swarm up` would. The rest is left to the fleet: nobody
tells a machine what another had in its hands.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import psycopg

from guardrails.clock import iso, parse, utc_now
from tests.fleet.machines import Fleet, Machine, until
from tests.fleet.person import resolve_unknown

_JUMPS = 24  # of the sandbox's clock, until the last time zone has had its day
_LONG_S = 5_400.0
_LOOK_S = 1.0
_VENDOR_S = 200.0  # a vendor's lists lag, and are read again after a minute, two, ...
_DECIDED = "SELECT count(*) AS n FROM run_items WHERE state IS NOT NULL"
_UNDECIDED = "SELECT count(*) AS n FROM run_items WHERE state IS NULL"
_SENT = "SELECT count(*) AS n FROM writes WHERE counts AND status = 'sent'"
_ON_THE_WAY = (
    "SELECT count(*) AS n FROM deliveries WHERE state IN ('queued', 'unknown') "
    "OR (state = 'sent' AND not_before IS NOT NULL)"
)
_QUEUED = "SELECT count(*) AS n FROM deliveries WHERE state = 'queued'"
_DUE = (
    "SELECT count(*) AS n FROM deliveries WHERE state = 'queued' "
    "OR (state = 'deferred' AND not_before <= ?)"
)
_UNDER_WAY = "SELECT count(*) AS n FROM writes WHERE status IN ('claimed', 'dispatching')"
_DEFERRED = "SELECT count(*) AS n FROM deliveries WHERE state = 'deferred'"


@dataclass(frozen=True)
class Plan:
    """What happens. `every_s` is between two SIGKILLs."""

    seed: int
    every_s: float
    cut_s: float
    leads: int
    cap: int
    lease_s: float


@dataclass
class Told:
    """What was done to the fleet, and what it took."""

    blows: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)
    sent: dict[str, int] = field(default_factory=dict)
    resolved: Counter[str] = field(default_factory=Counter)  # by a person


class Storm:
    """One storm over one fleet."""

    def __init__(self, fleet: Fleet, plan: Plan, leads: Path, say: Callable[[str], None]) -> None:
        self._fleet = fleet
        self._plan = plan
        self._leads = leads
        self._say = say
        self._dice = random.Random(plan.seed)
        self._busy: set[int] = set()  # machines that another blow has in its hands
        self._threads: list[threading.Thread] = []
        self._began = time.monotonic()
        self.told = Told()

    def play(self) -> None:
        """To the end of all leads."""
        self._import_and_die()
        for machine in self._fleet.machines:
            machine.queen()
        for machine in self._fleet.machines:
            machine.ready()
        total = self._plan.leads
        marks: list[tuple[float, Callable[[], None]]] = [
            (0.10 * total, self._freeze), (0.30 * total, lambda: self._restart("fast")),
            (0.45 * total, self._cut), (0.65 * total, lambda: self._restart("immediate")),
        ]  # fmt: skip
        self._storm(lambda: self._count(_UNDECIDED) == 0 and self._count(_QUEUED) == 0, marks)
        self._settle("the first day")
        for jump in range(1, _JUMPS + 1):
            if self._count(_DEFERRED) == 0:
                break
            self._jump()
            self._storm(lambda: self._count(_DUE, self._sandbox_now()) == 0, [], kills=jump == 1)
            self._settle(f"jump {jump}")

    def _import_and_die(self) -> None:
        """The file is read by a run that is killed with leads in its hands."""
        first = self._fleet.machines[0]
        first.run(self._leads)
        until(lambda: self._count(_DECIDED) >= min(30, self._plan.leads // 4), 600, first)
        first.kill()
        self.told.blows["the run that read the file is killed"] += 1
        self._tell("the file is read, and whoever read it is dead")

    def _storm(
        self,
        over: Callable[[], bool],
        marks: list[tuple[float, Callable[[], None]]],
        *,
        kills: bool = True,
    ) -> None:
        """Kill one every few seconds until it is over; at each mark something else as well."""
        next_kill = time.monotonic() + self._plan.every_s
        deadline = time.monotonic() + _LONG_S
        while not over() or marks or any(thread.is_alive() for thread in self._threads):
            if time.monotonic() > deadline:
                raise AssertionError("the fleet did not come to an end")
            done = self._count(_DECIDED)
            while marks and done >= marks[0][0]:
                marks.pop(0)[1]()
            self._restart_the_dead()
            if kills and time.monotonic() >= next_kill:
                self._kill()
                next_kill = time.monotonic() + self._plan.every_s
                self._tell("")
            time.sleep(_LOOK_S)

    def _settle(self, what: str) -> None:
        """No more blows: wait until nothing is under way, or to be told the CRM. Who died in the
        middle of a write is believed to be at it for some minutes; what the vendor cannot tell
        then is a person's to say.
        """
        self._restart_the_dead()
        until(lambda: self._count(_UNDER_WAY) == 0, 900)
        unknown = "SELECT count(*) AS n FROM writes WHERE status = 'unknown'"
        if self._count(unknown) > 0:
            time.sleep(_VENDOR_S)
            self.told.resolved.update(resolve_unknown(self._fleet))
        until(lambda: self._count(_ON_THE_WAY) == 0 and self._count(_UNDER_WAY) == 0, 900)
        self.told.seconds[what] = time.monotonic() - self._began
        self.told.sent[what] = self._count(_SENT)
        self._tell(f"{what} is over")

    def _jump(self) -> None:
        """The sandbox's clock goes on to when the next of those who wait may be written to."""
        [row] = self._fleet.ask(
            "SELECT min(not_before) AS at FROM deliveries WHERE state = 'deferred'"
        )
        ahead = (parse(row["at"]) - parse(self._sandbox_now())).total_seconds() + 300.0
        for machine in self._fleet.machines:
            if machine.alive:
                machine.end()
            machine.offset_s += max(ahead, 0.0)
        for machine in self._fleet.machines:
            machine.queen()
        for machine in self._fleet.machines:
            machine.ready()

    def _sandbox_now(self) -> str:
        return iso(utc_now() + timedelta(seconds=self._fleet.machines[0].offset_s))

    def _kill(self) -> None:
        able = [m for m in self._fleet.machines if m.alive and m.number not in self._busy]
        if able:
            victim = self._dice.choice(able)
            victim.kill()
            victim.queen()
            self.told.blows["a worker is killed (SIGKILL) and started again"] += 1

    def _restart_the_dead(self) -> None:
        """A queen who could not start, or whose database was away when she began."""
        for machine in self._fleet.machines:
            if not machine.alive and machine.number not in self._busy:
                machine.queen()
                self.told.blows["a worker that ended by itself is started again"] += 1

    def _freeze(self) -> None:
        """One stands still for longer than its lease, then goes on."""
        self._apart("stopped (SIGSTOP) past its lease, and woken", self._frozen)

    def _frozen(self, machine: Machine) -> None:
        pids = machine.freeze()
        time.sleep(self._plan.lease_s + 15)
        machine.thaw(pids)

    def _cut(self) -> None:
        """One does not reach the database any more; what it does in the meantime is counted."""
        self._apart(f"cut off from the database for {self._plan.cut_s:.0f} s", self._cut_off)

    def _cut_off(self, machine: Machine) -> None:
        assert machine.way is not None
        machine.way.cut()
        time.sleep(self._plan.cut_s)
        machine.way.heal()

    def _apart(self, what: str, blow: Callable[[Machine], None]) -> None:
        able = [m for m in self._fleet.machines if m.alive and m.number not in self._busy]
        machine = self._dice.choice(able)
        self._busy.add(machine.number)

        def work() -> None:
            try:
                blow(machine)
            finally:
                self._busy.discard(machine.number)

        self._tell(f"machine {machine.number}: {what}")
        self.told.blows[f"a worker is {what}"] += 1
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _restart(self, how: str) -> None:
        self._fleet.postgres.restart(how)
        words = {"fast": "restarted", "immediate": "crashed and started again"}[how]
        self.told.blows[f"PostgreSQL is {words}"] += 1
        self._tell(f"PostgreSQL was {words}")

    def _count(self, statement: str, *values: str) -> int:
        """-1 while the database is away, or its tables are not there yet."""
        try:
            return int(self._fleet.one(statement, *values))
        except (psycopg.Error, ValueError):
            return -1

    def _tell(self, what: str) -> None:
        passed = time.monotonic() - self._began
        told = f"{self._count(_DECIDED)} decided, {self._count(_SENT)} sent"
        self._say(f"{passed:6.0f} s  {told}  {what}")
