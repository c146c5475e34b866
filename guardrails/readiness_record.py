"""Putting a statement on record. Owns: signing it, and its number among this hive's.

Signed with the key that permits are signed with: a rotation after a leak voids what the leaked key
may have said. Refuses to say the same twice: what carries the mode already is answered.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping

from pydantic import ValidationError

from guardrails.audit import AuditEntry, AuditLog, without_addresses
from guardrails.clock import Clock
from guardrails.config import Config
from guardrails.config.loader import describe
from guardrails.errors import BadInput, Refused
from guardrails.hive import Hive
from guardrails.keys import signing_key
from guardrails.model import Mode
from guardrails.readiness import MAX_STATEMENTS, decision_of, statements
from guardrails.readiness_model import KIND, Answer, Held, Statement, StatementKind
from guardrails.versions import versions_of


class Registrar:
    """States what was earned, or overridden, in one hive.

    Args:
        config: whose policy it is about.
    """

    def __init__(self, hive: Hive, audit: AuditLog, config: Config, clock: Clock) -> None:
        self._hive = hive
        self._audit = audit
        self._config = config
        self._clock = clock

    async def state(
        self,
        kind: StatementKind,
        mode: Mode,
        checks: Mapping[str, Answer],
        by: str,
        reason: str = "",
    ) -> tuple[Held, bool]:
        """The statement, signed and on record; True when it was made now.

        Args:
            by: who, e.g. `person:ops`; an address in it or in the reason is blanked.

        Raises:
            BadInput: shadow, an override without a reason, or checks that do not hold.
            Refused: it cannot be signed.
            AuditUnwritable, AuditBroken, StoreUnavailable: it is not on record.
        """
        for number in range(1, MAX_STATEMENTS):
            if self._audit.find(decision_of(self._hive.chain_id(), number)) is not None:
                continue
            former = self._standing_already(kind, mode)
            if former is not None:
                return former, False
            statement = self._statement(number, kind, mode, checks, by, reason)
            [ref] = await self._audit.record([self._entry(statement)])
            if not ref.existing:  # else somebody took the number a moment ago
                return Held(statement, ref.audit_id), True
        raise Refused("this hive has too many statements")

    def _standing_already(self, kind: StatementKind, mode: Mode) -> Held | None:
        """An earned one suffices for both; an override does not stand for having earned it."""
        here = versions_of(self._config)
        for held in statements(self._hive, self._audit, self._clock):
            said = held.statement
            enough = said.mode.rank >= mode.rank and said.versions == here
            if enough and (said.kind == "earned" or kind == "override"):
                return held
        return None

    def _statement(
        self,
        number: int,
        kind: StatementKind,
        mode: Mode,
        checks: Mapping[str, Answer],
        by: str,
        reason: str,
    ) -> Statement:
        try:
            return Statement(
                number=number,
                kind=kind,
                mode=mode,
                versions=versions_of(self._config),
                chain=self._hive.chain_id(),
                sandbox=self._hive.sandbox,
                issued_at=self._clock(),
                by=without_addresses(by.strip()),
                reason=without_addresses(" ".join(reason.split())),
                checks=dict(checks),
            )
        except ValidationError as error:
            raise BadInput(describe(error)) from error

    def _entry(self, statement: Statement) -> AuditEntry:
        return AuditEntry(
            kind=KIND,
            actor=statement.by,
            body=signed_body(statement, self._hive),
            decision_id=decision_of(statement.chain, statement.number),
        )


def signed_body(statement: Statement, hive: Hive) -> dict[str, object]:
    """The record's body: the statement and the hive's signature over it.

    Raises:
        Refused: the key cannot be read or written.
    """
    signature = signing_key(hive.keys_dir).sign(statement.signed_bytes())
    return {
        "statement": statement.model_dump(mode="json"),
        "signature": base64.b64encode(signature).decode("ascii"),
    }
