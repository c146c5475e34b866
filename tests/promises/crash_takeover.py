"""A run that stands still, another that takes over, and the first that wakes up (P3).

The queen and all her servers get SIGSTOP at a point of a send. Another queen goes on: on the same
hive, whose lock file somebody has removed because "it hangs", or, on PostgreSQL, on another
machine with a copy of the hive. Then the first ones get SIGCONT, and finish what they were at.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tests.processes.live import Sandbox, live_command, run_live
from tests.processes.swarm import environment
from tests.promises.crash_book import LATER_S, Book
from tests.promises.crash_cases import CHANNELS, Case, Point, Step, Verdict
from tests.promises.crash_judge import Judge
from tests.promises.crash_play import configured
from tests.promises.crash_reach import ENOUGH_S, LATENCY_MS, Reach, wait_for

# The permit still holds when the first wakes up: only ledger and single use stand in its way.
_PERMIT_S = 300
OTHER_HIVE = "hive-of-another-machine"
_MEETING_MS = 3000.0  # shorter than a lost answer is waited for


@dataclass(frozen=True)
class Takeover(Case):
    """One cell.

    Attributes:
        late: the other comes when the write counts as given up.
        rival: the first wakes up while the other is in the middle of the same write.
        leaving: the first stands still with its request about to leave, in the middle of a
            transaction of the brakes (PostgreSQL alone).
    """

    late: bool = False
    rival: bool = False
    leaving: bool = False

    @property
    def name(self) -> str:
        """For a person."""
        when = "late" if self.late else "at once"
        woken = "woken meanwhile" if self.rival else "woken"
        point = "dispatching, about to leave" if self.leaving else self.point
        return f"{self.channel}: {self.step} {point}; stopped, taken over {when}, {woken}"

    @property
    def injected(self) -> str | None:
        """None for a request that is to leave when its process wakes up."""
        return None if self.leaving else super().injected


TAKEOVERS = (
    *(Takeover(channel, Point.CLAIMED, rival=True) for channel in CHANNELS),
    *(
        Takeover(channel, point, late=late)
        for channel in CHANNELS
        for point in (Point.CLAIMED, Point.DISPATCHING, Point.ACTED, Point.ANSWERED, Point.ENDED)
        for late in (False, True)
    ),
    *(
        Takeover(channel, point, step=step)
        for channel in CHANNELS
        for step in (Step.CONTACT, Step.TAGS, Step.NOTE, Step.OPPORTUNITY)
        for point in (Point.CLAIMED, Point.ACTED)
    ),
    Takeover("instantly", Point.CLAIMED, step=Step.CAMPAIGN),
    Takeover("instantly", Point.ACTED, step=Step.CAMPAIGN),
)


class Revival:
    """One takeover under way.

    Args:
        url: PostgreSQL; the other then has a copy of the hive.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        offset_s: float,
        case: Takeover,
        folder: Path,
        email: str,
        url: str | None = None,
    ) -> None:
        self._sandbox = sandbox
        self._offset_s = offset_s
        self._case = case
        self._folder = folder
        self._email = email
        self._url = url
        self._verdict = Verdict(case)
        self._before = len(sandbox.writes())
        self._config = configured(case, folder, email, permit_seconds=_PERMIT_S)

    def play(self) -> Verdict:
        """To the end of everything, and its judgment."""
        hive = self._folder / "hive"
        self._sandbox.behave(vendor_latency_ms=dict.fromkeys(CHANNELS, LATENCY_MS))
        with self._started(hive, "queen.out") as queen:
            out, book = self._folder / "queen.out", Book(hive, self._url)
            reach = Reach(self._case, queen, book, self._sandbox, self._email, out)
            try:
                self._stand_still(reach)
                second = self._taken_over(hive)
                if self._case.rival:
                    self._meet(second, reach)
                else:
                    self._sandbox.behave(vendor_latency_ms={})
                    self._run(second, self._offset_s + (LATER_S if self._case.late else 0))
            finally:
                reach.let_go()
            queen.wait(ENOUGH_S * 2)
        return self._judged(second)

    def _stand_still(self, reach: Reach) -> None:
        if self._case.leaving:
            assert self._url is not None
            reach.locks.enter_context(_slow_brakes(self._url))
        reach.point()
        reach.servers.freeze()
        reach.locks.close()

    def _meet(self, second: Path, first: Reach) -> None:
        """Wake the first while the other's e-mail is on its way."""
        self._sandbox.behave(vendor_latency_ms=dict.fromkeys(CHANNELS, _MEETING_MS))
        with self._started(second, "second.out") as queen:
            book = Book(second, self._url)
            wait_for(queen, lambda: book.status(Step.EMAIL) == "dispatching")
            first.let_go()
            self._sandbox.behave(vendor_latency_ms={})
            queen.wait(ENOUGH_S * 2)

    @contextlib.contextmanager
    def _started(self, hive: Path, out: str) -> Iterator[subprocess.Popen[bytes]]:
        """A queen under way; dead afterwards."""
        command = live_command(hive, self._folder / "leads.csv", self._config, self._sandbox)
        env = environment(SWARM_SANDBOX_OFFSET_S=repr(self._offset_s), **self._database())
        with (self._folder / out).open("w") as said:
            queen = subprocess.Popen(command, cwd=self._folder, env=env, stdout=said, stderr=said)
        try:
            yield queen
        finally:
            queen.kill()
            queen.wait()
            self._sandbox.behave(vendor_latency_ms={})

    def _judged(self, hive: Path) -> Verdict:
        book = Book(hive, self._url)
        self._verdict.resumes, code = book.finish(
            lambda offset_s: self._run(hive, offset_s), self._offset_s + LATER_S
        )
        judge = Judge(self._verdict, book, self._sandbox, self._before)
        return judge.judge(self._email, code or 0)

    def _taken_over(self, first: Path) -> Path:
        """The hive of whoever takes over."""
        if self._url is None:
            (first / "queen.lock").unlink()
            return first
        second = first.with_name(OTHER_HIVE)
        shutil.copytree(first, second, ignore=shutil.ignore_patterns("queen.lock", "*.sock"))
        return second

    def _run(self, hive: Path, offset_s: float) -> int:
        leads = self._folder / "leads.csv"
        code, _ = run_live(hive, leads, self._config, self._sandbox, offset_s, env=self._database())
        return code

    def _database(self) -> Mapping[str, str]:
        return {"SWARM_DATABASE_URL": self._url} if self._url else {}


@contextlib.contextmanager
def _slow_brakes(url: str) -> Iterator[None]:
    """From outside: a write of the brakes waits while a send is dispatching."""
    with psycopg.connect(url, autocommit=True) as held:
        held.execute(_WAITS_WHILE_DISPATCHING)
        held.execute("SELECT pg_advisory_lock(7)")
        yield


_WAITS_WHILE_DISPATCHING = """
CREATE FUNCTION waits_while_dispatching() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM writes WHERE status = 'dispatching') THEN
    PERFORM pg_advisory_xact_lock_shared(7);
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER slow_brakes BEFORE UPDATE ON vendor_brakes
FOR EACH ROW EXECUTE FUNCTION waits_while_dispatching();
"""
