"""The audit: what was decided, by whom and why, hash-chained and on disk before anybody acts."""

from guardrails.addresses import without_addresses
from guardrails.audit.log import AuditLog
from guardrails.audit.records import (
    AuditEntry,
    AuditHead,
    AuditRef,
    AuditReport,
    BadRecord,
    audit_id_of,
)

__all__ = [
    "AuditEntry",
    "AuditHead",
    "AuditLog",
    "AuditRef",
    "AuditReport",
    "BadRecord",
    "audit_id_of",
    "without_addresses",
]
