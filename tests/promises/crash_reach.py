"""Reaching a point of a send from outside, and holding everybody there.

Servers are stopped and woken, the twins answer late, the swarm's own failure injection loses or
delays one request, and locks are held that the swarm waits for: nothing in the swarm knows that it
is being tested.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.processes.live import Sandbox
from tests.promises.crash_book import Book
from tests.promises.crash_cases import Case, Point, Step
from tests.promises.crash_servers import Server, Servers

LATENCY_MS = 350.0
ENOUGH_S = 60.0
_TRIES = 20
_IDLE_S = 0.08  # CPU that waiting costs meanwhile
_WRITES = b'"authorize_write"'
_ASKS_FOR = {Step.EMAIL: b'"authorize_send"'}
_PATHS = {
    Step.CAMPAIGN: "/campaigns", Step.ACTIVATE: "/activate", Step.CONTACT: "/contacts/upsert",
    Step.TAGS: "/tags", Step.NOTE: "/notes", Step.OPPORTUNITY: "/opportunities/",
}  # fmt: skip
# Whose dispatching says that this step comes next.
_BEFORE = {
    Step.ACTIVATE: Step.CAMPAIGN,
    Step.CONTACT: Step.EMAIL,
    Step.TAGS: Step.CONTACT,
    Step.NOTE: Step.TAGS,
    Step.OPPORTUNITY: Step.NOTE,
}


class Reach:
    """One run under way, to be brought to a case's point.

    Args:
        locks: what is held at the point; closing it lets go.
        out: what the queen says, for the message when the point is never reached.
    """

    def __init__(
        self,
        case: Case,
        queen: subprocess.Popen[bytes],
        book: Book,
        sandbox: Sandbox,
        email: str,
        out: Path,
    ) -> None:
        self.servers = Servers(queen.pid)
        self.locks = contextlib.ExitStack()
        self._case = case
        self._queen = queen
        self._book = book
        self._sandbox = sandbox
        self._email = email
        self._out = out
        self._before = len(sandbox.writes())

    def point(self) -> None:
        """Come to the point; who must not go on is stopped there."""
        step = self._case.step
        match self._case.point:
            case Point.QUEUED:
                self._decided()
            case Point.CLAIMING:
                self._decided()
                self.locks.enter_context(self._book.unrecorded())
                self.servers.of("guardrails").resume()
                self.until("the claim", lambda: self._book.status(step) == "claimed")
            case Point.CLAIMED:
                self._claimed()
            case Point.DISPATCHING:
                self._dispatching()
            case Point.ACTED:
                self._dispatching()
                self._acted()
            case Point.ANSWERED:
                self._dispatching()
                self._acted()
                self.locks.enter_context(self._book.locked())
                self.settle()  # the answer has come, and there is no way to say so
                assert self._book.status(step) == "dispatching", "the answer was before us"
            case Point.ENDED:
                self._claimed()
                self._queen.send_signal(signal.SIGSTOP)
                self.servers.of(self._case.sender).resume()
                self.until("its end", lambda: self._book.status(step) not in _OPEN)
            case _:
                self.until("sent", lambda: self._book.status(Step.EMAIL) == "sent")

    def let_go(self) -> None:
        """Whoever is alive goes on."""
        self.locks.close()
        self.servers.wake()
        if self._queen.poll() is None:
            self._queen.send_signal(signal.SIGCONT)

    def _decided(self) -> None:
        """Guardrails is stopped, and the queen waits for its leave to do the step."""
        before = _BEFORE.get(self._case.step)
        if before is None:
            self.until("the decision", lambda: bool(self._book.deliveries()))
        else:
            self.until(
                f"the step before the {self._case.step}",
                lambda: self._book.status(before) == "dispatching",
            )
        guardrails, asks = self.servers.of("guardrails"), _ASKS_FOR.get(self._case.step, _WRITES)
        self._suspend(guardrails)
        self.until("the queen's question", lambda: guardrails.is_asked(asks))

    def _claimed(self) -> None:
        """The sender is stopped, and its permit lies in its hands."""
        step = self._case.step
        self._decided()
        sender = self.servers.of(self._case.sender)
        self._suspend(sender)
        self.servers.of("guardrails").resume()
        self.until(
            "the claim", lambda: self._book.status(step) == "claimed" and self._book.bound(step)
        )
        self.until("the sender's permit", lambda: sender.is_asked(b'"permit"'))

    def _dispatching(self) -> None:
        step = self._case.step
        self.until("dispatching", lambda: self._book.status(step) == "dispatching")

    def _acted(self) -> None:
        if self._case.step is Step.EMAIL:
            self.until("the e-mail", self._mailed)
        else:
            self.until(f"the {self._case.step}", self._written)

    def _suspend(self, server: Server) -> None:
        """Stop it, but not in the middle of a transaction that all others would wait for."""
        for _ in range(_TRIES):
            server.suspend()
            if self._book.is_free():
                return
            server.resume()
            time.sleep(0.02)
        raise AssertionError(f"{self._case.name}: whenever it is stopped it holds the database")

    def settle(self) -> None:
        """Wait until, for several answers' time, the twins were asked nothing and nobody worked."""
        seen, since = (-1, 0.0), time.monotonic()
        deadline = since + ENOUGH_S
        while time.monotonic() - since < 4 * LATENCY_MS / 1000:
            total, busy = self._sandbox.get("counts")["total"], self.servers.busy_s()
            if total != seen[0] or busy - seen[1] > _IDLE_S:
                seen, since = (total, busy), time.monotonic()
            if since > deadline:
                raise AssertionError(f"{self._case.name}: they never came to rest")
            time.sleep(0.05)

    def until(self, what: str, holds: Callable[[], bool]) -> None:
        """Wait for it while the queen lives, bounded."""
        try:
            wait_for(self._queen, holds)
        except AssertionError:
            told = self._out.read_text()[-500:]
            raise AssertionError(f"{self._case.name}: never came to {what}: {told}") from None

    def _written(self) -> bool:
        path = _PATHS[self._case.step]
        return any(one["path"].endswith(path) for one in self._sandbox.writes()[self._before :])

    def _mailed(self) -> bool:
        return any(one["to"] == self._email for one in self._sandbox.outbox())


def wait_for(queen: subprocess.Popen[bytes], holds: Callable[[], bool]) -> None:
    """Wait for it while this queen lives, bounded."""
    deadline = time.monotonic() + ENOUGH_S
    while not holds():
        if time.monotonic() > deadline or queen.poll() is not None:
            raise AssertionError("the queen has ended, or it took too long")
        time.sleep(0.003)


_OPEN = {"", "pending", "claimed", "dispatching"}
