"""The blows that a fleet gets, and when. Owns: their order, seeded, and the supervisor's part.

Whoever dies is started again at once, as `swarm up` would. The rest is left to the fleet: nobody
tells a machine what another had in its hands.
"""

from __future__ import annotations

import contextlib
import json
import math
import random
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

from guardrails.clock import iso, parse, utc_now
from tests.fleet.counts import Counts
from tests.fleet.doors import Doors, answer
from tests.fleet.machines import Fleet, Machine, until
from tests.fleet.person import resolve_unknown
from tests.fleet.stops import stopped
from tests.fleet.told import LANDED_S, Cut, Plan, Told

_JUMPS = 24  # of the sandbox's clock, until the last time zone has had its day
_LONG_S = 5_400.0
_LOOK_S = 1.0
_UP_S = 120.0
_APART_S = 20.0  # from one blow to the next: all are at work again
_BUSY_S = 3.0
_BACK_S = 10.0  # so long after the cable is there again the stop goes on holding
_VENDOR_S = 200.0  # a vendor's lists lag, and are read again after a minute, two, ...


class Storm:
    """One storm over one fleet."""

    def __init__(
        self, fleet: Fleet, ways: Doors, plan: Plan, leads: Path, say: Callable[[str], None]
    ) -> None:
        self._fleet = fleet
        self._now = Counts(fleet)
        self._ways = ways
        self._plan = plan
        self._leads = leads
        self._say = say
        self._dice = random.Random(plan.seed)
        self._apart: set[int] = set()  # machines that another blow has in its hands
        self._next_kill = math.inf
        self._began = time.monotonic()
        self.told = Told()

    def play(self) -> None:
        """To the end of all leads."""
        self._import_and_die()
        for machine in self._fleet.machines:
            machine.queen()
        for machine in self._fleet.machines:
            machine.ready()
        blows = (
            (0.06, self._freeze), (0.16, self._stop), (0.28, lambda: self._restart("fast")),
            (0.36, self._cut), (0.60, lambda: self._restart("immediate")),
        )  # fmt: skip
        # Each a little later by the dice: never at the same row.
        marks = [
            ((share + self._dice.uniform(0, 0.06)) * self._plan.leads, blow)
            for share, blow in blows
        ]
        self._storm(lambda: self._now.undecided() == 0 and self._now.queued() == 0, marks)
        self._settle("the first day")
        for jump in range(1, _JUMPS + 1):
            if self._now.deferred() == 0:
                break
            self._jump()
            self._storm(lambda: self._now.due(self._sandbox_now()) == 0, [], kill=False)
            self._settle(f"jump {jump}")

    def _import_and_die(self) -> None:
        """The file is read by a run that is killed with leads in its hands."""
        first = self._fleet.machines[0]
        first.run(self._leads)
        until(lambda: self._now.decided() >= min(30, self._plan.leads // 4), 600, first)
        first.kill()
        self.told.blows["the run that read the file is killed"] += 1
        self._tell("the file is read, and whoever read it is dead")

    def _storm(
        self,
        over: Callable[[], bool],
        marks: list[tuple[float, Callable[[], None]]],
        *,
        kill: bool = True,
    ) -> None:
        """Kill one every few seconds until it is over; at each mark something else as well."""
        self._next_kill = time.monotonic() + self._plan.every_s if kill else math.inf
        deadline = time.monotonic() + _LONG_S
        while not over() or marks:
            if time.monotonic() > deadline:
                raise AssertionError("the fleet did not come to an end")
            if marks and self._now.decided() >= marks[0][0]:
                marks.pop(0)[1]()
                self._pass(_APART_S)
            self._tick()

    def _tick(self) -> None:
        """A second passes: who is dead is started again, and from time to time one is killed."""
        self._restart_the_dead()
        if time.monotonic() >= self._next_kill:
            self._kill()
            self._next_kill = time.monotonic() + self._plan.every_s
            self._tell("")
        time.sleep(_LOOK_S)

    def _pass(self, seconds: float) -> None:
        """So long the others get what they get all the time."""
        until_ = time.monotonic() + seconds
        while time.monotonic() < until_:
            self._tick()

    def _settle(self, what: str) -> None:
        """No more blows: wait until nothing is under way, or to be told the CRM. Who died in the
        middle of a write is believed to be at it for some minutes; what the vendor cannot tell
        then is a person's to say.
        """
        self._restart_the_dead()
        until(lambda: self._now.under_way() == 0, 900)
        if self._now.unknown() > 0:
            time.sleep(_VENDOR_S)
            self.told.resolved.update(resolve_unknown(self._fleet))
        until(lambda: self._now.on_the_way() == 0 and self._now.under_way() == 0, 900)
        self.told.seconds[what] = time.monotonic() - self._began
        self.told.sent[what] = self._now.sent()
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
        able = self._able()
        if able:
            victim = self._dice.choice(able)
            victim.kill()
            victim.queen()
            self.told.blows["a worker is killed (SIGKILL) and started again"] += 1

    def _able(self) -> list[Machine]:
        """Those that live, and that no other blow has in its hands."""
        return [m for m in self._fleet.machines if m.alive and m.number not in self._apart]

    def _restart_the_dead(self) -> None:
        """A queen who could not start, or whose database was away when she began."""
        for machine in self._fleet.machines:
            if not machine.alive and machine.number not in self._apart:
                machine.queen()
                self.told.blows["a worker that ended by itself is started again"] += 1

    def _all_work(self) -> bool:
        self._restart_the_dead()
        return all(machine.works for machine in self._fleet.machines)

    def _freeze(self) -> None:
        """One stands still for longer than its lease, then goes on."""
        with self._one("stopped (SIGSTOP) past its lease, and woken") as machine:
            pids = machine.freeze()
            self._pass(self._plan.lease_s + 15)
            machine.thaw(pids)

    def _stop(self) -> None:
        """On one machine, while all work; some are killed and started again before it is lifted."""
        until(self._all_work, _UP_S)
        number = self._dice.choice(self._able()).number
        self._stopped(number, "all four work", lambda: self._pass(3 * self._plan.every_s))

    def _cut(self) -> None:
        """One loses its cable. Within that minute another is told to stop; the cable is plugged in
        again while the fleet still stands, and only then does a person lift the stop.
        """
        words = f"cut off from the database for {self._plan.cut_s:.0f} s, its link down"
        until(lambda: self._busiest() is not None, _UP_S)
        with self._one(words, self._busiest()) as machine:
            place = machine.place
            assert place is not None
            began = time.monotonic()
            place.cut()

            def heal() -> None:
                self._pass(began + self._plan.cut_s - time.monotonic())
                database = self._fleet.reaches_database(place)
                vendors = answer(place, self._fleet.sandbox.port)
                ended = time.monotonic()
                place.heal()
                self.told.cuts.append(Cut(machine.number, began, ended, database, vendors))
                self._tell(f"machine {machine.number} is there again, and the fleet still stopped")
                self._pass(_BACK_S)

            self._pass(LANDED_S + self._dice.uniform(0, 5))
            number = self._dice.choice(self._able()).number
            self._stopped(number, f"machine {machine.number} is cut off", heal)

    def _busiest(self) -> Machine | None:
        """Who has asked the vendors most just now; None when nobody has."""
        now = time.monotonic()
        asked = {
            m.number: len(self._ways.between(m.number, now - _BUSY_S, now)) for m in self._able()
        }
        most = max(asked, key=asked.__getitem__, default=None)
        return self._fleet.machines[most] if most is not None and asked[most] > 0 else None

    def _stopped(self, number: int, while_: str, hold: Callable[[], None]) -> None:
        self._tell(f"machine {number}: swarm stop, while {while_}")
        stop = stopped(self._fleet, number, while_, hold)
        self.told.stops.append(stop)
        self.told.blows[f"swarm stop on one machine, while {while_}; resumed"] += 1
        self._tell(f"resumed; {json.dumps(stop.told())}")

    @contextlib.contextmanager
    def _one(self, what: str, chosen: Machine | None = None) -> Iterator[Machine]:
        """Some machine, which gets nothing else in the meantime."""
        machine = chosen or self._dice.choice(self._able())
        self._apart.add(machine.number)
        self._tell(f"machine {machine.number}: {what}")
        self.told.blows[f"a worker is {what}"] += 1
        try:
            yield machine
        finally:
            self._apart.discard(machine.number)

    def _restart(self, how: str) -> None:
        self._fleet.postgres.restart(how)
        words = {"fast": "restarted", "immediate": "crashed and started again"}[how]
        self.told.blows[f"PostgreSQL is {words}"] += 1
        self._tell(f"PostgreSQL was {words}")

    def _tell(self, what: str) -> None:
        passed = time.monotonic() - self._began
        told = f"{self._now.decided()} decided, {self._now.sent()} sent"
        self._say(f"{passed:6.0f} s  {told}  {what}")
