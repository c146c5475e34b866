"""The queen's side of a submission: a real hunter and a real gate behind her, and ways to die."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from guardrails.audit import AuditLog
from guardrails.bank import Bank
from guardrails.config import load_config
from guardrails.errors import SwarmError
from guardrails.gate import Gate
from guardrails.hive import Hive
from guardrails.model import Mode
from guardrails.store import Store
from orchestrator.inbox import Inbox, Received, Source
from orchestrator.mcp_session import ToolFailed
from orchestrator.submission_rows import Submission, hand_in, submission_id
from orchestrator.submissions import Submissions
from servers.guardrails.contract import RECORD_INTAKE, Recorded, RecordedRow
from servers.hunter.rows import Rules
from servers.hunter.service import Hunter
from tests.conftest import SteppableClock
from tests.decision_samples import SENDER, new_bank
from tests.guardrails.authorize_samples import Desk, in_mode

HEADER = "Email,First Name,Last Name,Company\n"
RECENT = timedelta(days=90)


class Killed(BaseException):
    """As good as a kill -9: nothing after it runs."""


class Mortal:
    """Dies at the nth chance. `chances` counts them."""

    def __init__(self, at: int | None = None) -> None:
        self._at = at
        self.chances = 0

    def maybe(self) -> None:
        """A moment at which a process can die."""
        self.chances += 1
        if self.chances == self._at:
            raise Killed


class MortalStore:
    """The store, with a death before and after each transaction."""

    def __init__(self, store: Store, mortal: Mortal) -> None:
        self._store = store
        self._mortal = mortal

    async def run(self, call: Callable[[Any], Any]) -> Any:
        self._mortal.maybe()
        result = await self._store.run(call)
        self._mortal.maybe()
        return result

    async def query(self, call: Callable[[Any], Any]) -> Any:
        return await self._store.query(call)

    def read(self) -> Any:
        return self._store.read()


class Servers:
    """Hunter and guardrails, in this process; what they refuse arrives as over a pipe."""

    def __init__(self, gate: Gate, hunter: Hunter, mortal: Mortal) -> None:
        self._gate = gate
        self._hunter = hunter
        self._mortal = mortal

    async def call(self, _server: str, spec: Any, args: Any) -> Any:
        self._mortal.maybe()
        try:
            result = await self._answer(spec, args)
        except SwarmError as error:
            raise ToolFailed(error.as_failure()) from error
        self._mortal.maybe()
        return result

    async def _answer(self, spec: Any, args: Any) -> Any:
        if spec is not RECORD_INTAKE:
            return await self._hunter.import_leads(args)
        placed = await self._gate.record_intake(args.run_id, args.rows)
        rows = tuple(RecordedRow(row=row, audit_id=ref.audit_id) for row, ref in placed)
        return Recorded(rows=rows)


def bank_of(hive: Hive, clock: SteppableClock) -> Bank:
    """The hive's bank, made when it has none."""
    if not hive.bank_file.exists():
        return new_bank(hive, clock)
    return Bank(hive.bank_file, load_config().policy.bank, clock)


class Queen:
    """Everything that takes a submission up, over one hive and store."""

    def __init__(self, hive: Hive, store: Store, clock: SteppableClock) -> None:
        self.hive, self.store, self.clock = hive, store, clock
        self.audit = AuditLog(hive, store, clock)
        self.config = in_mode(Mode.ASSISTED)
        self.desk = Desk(hive, store, clock, self.audit, bank_of(hive, clock), self.config, SENDER)
        free = frozenset(load_config().exclusions.free_mail)
        self.hunter = Hunter(Rules(salt=hive.salt(), sandbox=True, free_mail=free, bands=()), [])
        self.inbox = Inbox(store, clock)

    def close(self) -> None:
        self.hunter.close()
        self.audit.close()

    def submissions(self, mortal: Mortal | None = None) -> Submissions:
        """As a process that has just started has it."""
        mortal = mortal or Mortal()
        return Submissions(
            MortalStore(self.store, mortal),  # type: ignore[arg-type]
            Servers(self.desk.gate, self.hunter, mortal),
            self.clock,
            Mode.ASSISTED,
            self.hive.salt(),
            sandbox=True,
            recent=RECENT,
        )

    async def submitted(self, csv_text: str, key: str | None = None) -> Received | None:
        """Hand it in; what the inbox holds for the queen then."""
        id = submission_id(csv_text, key)
        submission = Submission(submission_id=id, csv_text=csv_text)
        await self.store.run(lambda conn: hand_in(conn, submission, self.clock()))
        waiting = {one.id: one for one in await self.inbox.next_batch(100, [Source.SUBMISSION])}
        return waiting.get(f"submission:{id}")

    async def rows(self) -> list[tuple[str, int, str, str | None]]:
        """Every row of every run."""
        query = text("SELECT run_id, row, lead_id, state FROM run_items ORDER BY run_id, row")
        found = await self.store.query(lambda conn: conn.execute(query).all())
        return [(row.run_id, row.row, row.lead_id, row.state) for row in found]

    async def kept(self, id: str) -> tuple[str, str | None, str | None]:
        """State, body and note of a delivery."""
        query = text("SELECT state, body, note FROM inbox WHERE id = :id")
        row = await self.store.query(lambda conn: conn.execute(query, {"id": id}).one())
        return row.state, row.body, row.note


def people(*names: str) -> str:
    """A CSV with one of each."""
    return HEADER + "".join(f"{name}@{name}.example,{name},Doe,{name} Ltd\n" for name in names)
