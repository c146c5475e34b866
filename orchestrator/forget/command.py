"""What `swarm forget` does. Owns: the order of an erasure, its record, and what it tells.

On record first, by the salted id; then nobody may write to them any more; then everything that
could name them goes, in the database, in the bank, in the files; then the hive is searched. Doing
it again does no harm and finishes one that was interrupted.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from guardrails.addresses import without_addresses
from guardrails.approvals import Approvals
from guardrails.audit import AuditEntry, AuditLog
from guardrails.bank import Bank
from guardrails.clock import Clock, utc_now
from guardrails.config import Config, load_config
from guardrails.errors import BadInput, Refused
from guardrails.hive import Hive
from guardrails.leases import read_workers
from guardrails.store import Store, open_store
from guardrails.suppression import suppress
from orchestrator.approvals.opening import open_approvals
from orchestrator.environment import Environment
from orchestrator.forget import rows
from orchestrator.forget.engine_rows import erase_checkpoints
from orchestrator.forget.files import erase_files, left_in
from orchestrator.forget.person import Person
from orchestrator.report import console
from orchestrator.visitors import one_at_a_time

Json = dict[str, Any]
_COMPACT_S = 30.0
OUTSIDE = (
    "GoHighLevel: the contact, its notes and conversations",
    "Instantly: the lead in its campaign, and its e-mails",
    "Clay and RB2B: what they returned, by their own deletion requests",
    "Slack: cards and notices older than 30 days (the gateway empties newer ones)",
    "Supabase: erased there as soon as it answers (`swarm memory status`); other databases that "
    "use the same project know the person too: forget there as well",
    "CSV files that they came from, and backups of the hive",
)


class Forgetting:
    """One erasure."""

    def __init__(
        self,
        hive: Hive,
        store: Store,
        audit: AuditLog,
        approvals: Approvals,
        config: Config,
        clock: Clock = utc_now,
    ) -> None:
        self._hive = hive
        self._store = store
        self._audit = audit
        self._approvals = approvals
        self._config = config
        self._clock = clock

    async def forget(self, email: str, reason: str) -> Json:
        """Erase whoever has this address.

        Raises:
            BadInput: not an address, or no reason.
            Refused: a lead of theirs is in work at this moment, or among others in the inbox.
            AuditUnwritable, StoreUnavailable, BankUnreadable: not, or not all; do it again.
        """
        said = without_addresses(reason).strip()
        if not said:
            raise BadInput("an erasure needs a reason", remedy="Say --reason; it is on record.")
        salt = self._hive.salt()
        person = Person.of(salt, email)
        await self._store.query(lambda conn: _require_at_rest(conn, person))
        audit_id = await self._on_record(person, said)
        await self._store.run(lambda conn: self._suppress(conn, salt, email))
        await self._approvals.withdraw("erased", lead_id=person.lead_id)
        counts = await self._erase(person)
        left, problem = await asyncio.to_thread(self._finish, person)
        elsewhere = await self._store.query(self._other_hives)
        return {
            "lead_id": person.lead_id,
            "audit_id": audit_id,
            "erased": counts,
            "suppressed": True,
            "left_in": [str(path.relative_to(self._hive.path)) for path in left],
            "problem": problem,
            "outside": [*elsewhere, *OUTSIDE],
        }

    def _other_hives(self, conn: Connection) -> list[str]:
        """Their files, and their banks with reviewers' words, are on machines of their own."""
        mine = self._hive.chain_id()
        return [
            f"The files of {one.worker} on {one.host}, which works on the same database: "
            "run the same command there"
            for one in read_workers(conn)
            if one.worker != mine
        ]

    async def _on_record(self, person: Person, reason: str) -> str:
        # Not under the lead's id: `swarm explain LEAD` tells the lead's decision.
        body = {"lead": person.lead_id, "reason": reason, "keeps": "hashed suppression"}
        (ref,) = await self._audit.record([AuditEntry("erasure", "operator", body)])
        return ref.audit_id

    def _suppress(self, conn: Connection, salt: bytes, email: str) -> None:
        suppress(conn, salt, email, "email", "erased", "operator", self._clock())

    async def _erase(self, person: Person) -> Json:
        def in_database(conn: Connection) -> tuple[Json, frozenset[str]]:
            one_at_a_time(conn)  # they may have come in since we looked
            _require_at_rest(conn, person)
            checkpoints = erase_checkpoints(conn, rows.workflows(conn, person))
            events = rows.lesson_events(conn, person)
            counts: Json = dict(rows.erase(conn, person, self._clock()))
            return counts | ({"checkpoints": checkpoints} if checkpoints else {}), events

        counts, events = await self._store.run(in_database)
        bank = Bank.open(self._hive.bank_file, self._config.policy.bank, self._clock)
        counts["bank_items"] = await asyncio.to_thread(
            bank.erase_words, events, person.lead_id, person.pattern
        )
        counts["files"] = await asyncio.to_thread(erase_files, self._hive, person)
        return counts

    def _finish(self, person: Person) -> tuple[list[Path], str | None]:
        """Have the database forget what it freed, then search everything."""
        problem = None
        if self._store.dialect == "sqlite":
            problem = compact(self._hive.database_file)
        else:
            problem = (
                "PostgreSQL keeps freed rows until it vacuums, and in its archives: run "
                "VACUUM FULL when the swarm is at rest, and let old backups expire."
            )
        return left_in(self._hive, person), problem


def _require_at_rest(conn: Connection, person: Person) -> None:
    if rows.in_hand(conn, person):
        raise Refused(
            "a lead of this person is being prepared, or its run was interrupted",
            remedy="Let the run end (the same command finishes it), then do this again.",
        )
    if delivery := rows.handed_in(conn, person):
        raise Refused(
            f"leads that were handed in and not taken up yet are about this person, too "
            f"({delivery})",
            remedy="Let the queen take them up (one that failed: `swarm inbox again`), or "
            "cancel the submission, then do this again.",
        )


def compact(file: Path, wait_s: float = _COMPACT_S) -> str | None:
    """Write the database anew without its freed pages, and empty its log; why not, if not."""
    deadline = time.monotonic() + wait_s
    while True:
        try:
            with closing(sqlite3.connect(file, timeout=5, isolation_level=None)) as conn:
                conn.execute("VACUUM")
                busy = conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            if not busy:
                return None
            why = "it is being read"
        except sqlite3.Error as error:
            why = str(error)
        if time.monotonic() > deadline:
            return (
                f"the database could not be compacted ({why}): freed pages may still hold the "
                "address until this command runs again with the swarm at rest"
            )
        time.sleep(0.2)


def forget_person(
    email: str, reason: str, hive: Path, config_path: Path | None, *, as_json: bool
) -> int:
    """The command: 0 when nothing is left here, 1 when something is."""
    opened = Hive.existing(hive)
    environment, config = Environment.read(Path(".env")), load_config(config_path)
    store = open_store(opened, environment.values.get("SWARM_DATABASE_URL"))
    audit = AuditLog(opened, store, utc_now)
    try:
        approvals = open_approvals(config, opened, store, audit, utc_now, environment)
        forgetting = Forgetting(opened, store, audit, approvals, config)
        told = asyncio.run(forgetting.forget(email, reason))
    finally:
        audit.close()
        store.close()
    if as_json:
        sys.stdout.write(json.dumps(told) + "\n")
    else:
        _print(told)
    return 1 if told["left_in"] else 0


def _print(told: Json) -> None:
    out = console()
    what = ", ".join(f"{number} {name}" for name, number in told["erased"].items() if number)
    out.print(f"{told['lead_id']} is forgotten; audit {told['audit_id']}", style="bold")
    out.print(f"Erased: {what or 'nothing was kept here'}")
    out.print("Kept: a hashed suppression (nobody is written to), and the record by salted id.")
    if told["problem"]:
        out.print(told["problem"], style="yellow")
    for name in told["left_in"]:
        out.print(f"The address still stands in {name}", style="bold red")
    out.print("\nNot ours to erase, and yours to do:")
    for place in told["outside"]:
        out.print(f"  {place}")
