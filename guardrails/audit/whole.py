"""Looking at a whole chain before anything rests on it. Owns: that a broken one is an error."""

from __future__ import annotations

from contextlib import closing

from guardrails.audit.log import AuditLog
from guardrails.clock import Clock
from guardrails.errors import AuditBroken
from guardrails.hive import Hive
from guardrails.store import Store


def require_whole_audit(hive: Hive, store: Store, clock: Clock) -> int:
    """Verify every record, and give how many there are; appending looks at the chain's end only.

    Raises:
        AuditBroken: a record was edited, removed or forged, wherever it stands.
    """
    with closing(AuditLog(hive, store, clock)) as audit:
        report = audit.verify()
    if not report.ok:
        raise AuditBroken(f"the audit does not hold: {report.problem}")
    return report.records
