"""Judging a case of the crash matrix: at the twin, in the ledger, and by what a person is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tests.processes.live import Sandbox
from tests.processes.swarm import swarm
from tests.promises.crash_book import Book
from tests.promises.crash_cases import Step, Verdict

_HELD = {"claimed", "dispatching", "sent", "unknown"}
_ENDS = {"sent", "failed", "unknown"}
# What may be at the vendor once at most, by the end of its path.
_ONCE = {Step.CAMPAIGN: "/campaigns", Step.NOTE: "/notes", Step.OPPORTUNITY: "/opportunities/"}
_AFTER = {
    Step.CONTACT: "/contacts/upsert", Step.TAGS: "/tags", Step.NOTE: "/notes",
    Step.OPPORTUNITY: "/opportunities/",
}  # fmt: skip


class Judge:
    """The promise, looked at from every side.

    Args:
        before: how many writes had reached the twins before the case.
    """

    def __init__(self, verdict: Verdict, book: Book, sandbox: Sandbox, before: int) -> None:
        self._verdict = verdict
        self._book = book
        self._writes = [one for one in sandbox.writes()[before:] if one["status"] < 300]
        self._outbox = sandbox.outbox()

    def judge(self, email: str, exit_code: int) -> Verdict:
        """Fill the verdict in."""
        verdict, book = self._verdict, self._book
        verdict.emails = sum(one["to"] == email for one in self._outbox)
        (delivery,) = book.deliveries()
        verdict.state, verdict.ledger = delivery["state"], book.status(Step.EMAIL) or "(none)"
        unknown = [row["key"] for row in book.writes() if row["status"] == "unknown"]
        self._emails(exit_code, delivery, unknown)
        for step, path in _ONCE.items():
            self._at_most_once(step, path)
        if verdict.state == "sent":
            self._crm_told(delivery)
        if unknown and book.url is None:
            self._shown(unknown)
        return verdict

    def _wrong(self, what: str) -> None:
        self._verdict.wrong.append(what)

    def _emails(self, exit_code: int, delivery: dict[str, Any], unknown: Sequence[str]) -> None:
        mails, state = self._verdict.emails, self._verdict.state
        if mails > 1:
            self._wrong(f"{mails} e-mails")
        if (state == "sent") != (mails == 1) and state != "unknown":
            self._wrong(f"{state}, and {mails} e-mails")
        waits = state == "deferred" and bool(delivery["reasons"])
        # A campaign of unknown fate is a person's, and the e-mail waits for it.
        if state not in _ENDS and not (waits and unknown):
            self._wrong(f"left {state}: {delivery['reasons']}")
        if unknown and exit_code != 1:
            self._wrong("an unknown fate, and the run says that all is well")
        held = [row for row in self._book.writes(Step.EMAIL) if row["status"] in _HELD]
        if len(held) < mails:
            self._wrong("the budget under-counts")

    def _at_most_once(self, step: Step, path: str) -> None:
        done = sum(one["path"].endswith(path) for one in self._writes)
        rows = Counter(row["status"] for row in self._book.writes(step))
        if done > 1 or rows.total() > 1:
            self._wrong(f"{step}: {done} at the vendor, {dict(rows)}")
        if done < rows["sent"] or done > rows["sent"] + rows["unknown"]:
            self._wrong(f"{step}: {done} at the vendor, and the ledger says {dict(rows)}")

    def _crm_told(self, delivery: dict[str, Any]) -> None:
        """Each follow-up was done, or the delivery says that nobody can tell."""
        for step, path in _AFTER.items():
            said = [row["status"] for row in self._book.writes(step)]
            # Found done when it was to be done again: the claim was given back.
            there = said == ["pending"] and any(one["path"].endswith(path) for one in self._writes)
            told = f"crm_{step}" in (delivery["reasons"] or "")
            if step is Step.CONTACT and not said:
                continue  # the CRM knew all of it
            if said != ["sent"] and not there and not told:
                self._wrong(f"{step}: {said}, and nobody is told")

    def _shown(self, unknown: Sequence[str]) -> None:
        code, found = swarm(self._book.hive, "sends", "unknown")
        listed = {write["key"] for write in found["writes"]}
        if code != 1 or not set(unknown) <= listed:
            self._wrong(f"unknown and not shown: {sorted(set(unknown) - listed)}")
