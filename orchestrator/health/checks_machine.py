"""Is the ground firm? Owns: judging hive, database, disk, audit, clock and certificate."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from orchestrator.health.model import Finding, Limits, Severity, Snapshot, Undecided, lasted

_SOON = timedelta(days=2)


def hive(seen: Snapshot, _limits: Limits) -> Iterator[Finding]:
    """The directory of state itself."""
    if not seen.hive_there:
        yield Finding(
            "hive:gone",
            Severity.CRITICAL,
            "The hive's directory is gone or cannot be read",
            "Is its disk mounted? Everything fails closed meanwhile: nothing is sent.",
        )


def database(seen: Snapshot, _limits: Limits) -> Iterator[Finding | Undecided]:
    """Reachable, and writable."""
    if seen.work is None:
        yield Undecided("database:unwritable")
        yield Finding(
            "database:away",
            Severity.CRITICAL,
            f"The database cannot be read: {seen.why.get('database', 'no answer')}",
            "Check the server or the file, free disk space and permissions. Nothing is sent "
            "meanwhile.",
        )
    elif seen.write_error is not None:
        yield Finding(
            "database:unwritable",
            Severity.CRITICAL,
            f"The database cannot be written: {seen.write_error}",
            "Is the disk full, or does another program hold a lock? Nothing is sent meanwhile.",
        )


def disk(seen: Snapshot, limits: Limits) -> Iterator[Finding]:
    """Room for the audit: without it nothing may be decided."""
    assert seen.disk is not None
    free = seen.disk.free_mb
    if free >= limits.rules.disk_warn_mb:
        return
    critical = free < limits.rules.disk_critical_mb
    yield Finding(
        "disk:space",
        Severity.CRITICAL if critical else Severity.WARNING,
        f"{free} MB are free on the hive's disk",
        "Make room: without it no decision can be recorded, and nothing is sent.",
    )


def audit(seen: Snapshot, _limits: Limits) -> Iterator[Finding | Undecided]:
    """The chain holds."""
    if seen.audit_problem is not None:
        yield Finding(
            "audit:broken",
            Severity.CRITICAL,
            f"The audit does not hold: {seen.audit_problem}",
            "`swarm audit verify` names the first bad record. Keep the files as they are; nothing "
            "more is appended to them.",
        )
    elif not seen.audit_checked:
        yield Undecided("audit:")


def clock(seen: Snapshot, limits: Limits) -> Iterator[Finding]:
    """Sending windows, permits and Slack's signatures rest on the time."""
    assert seen.skew_s is not None
    if abs(seen.skew_s) <= limits.rules.clock_skew_s:
        return
    way = "ahead of" if seen.skew_s > 0 else "behind"
    yield Finding(
        "clock:skew",
        Severity.WARNING,
        f"This machine's clock is {lasted(abs(seen.skew_s))} {way} that of {seen.skew_of}",
        "Let it follow a time server: `timedatectl set-ntp true`.",
    )


def certificate(seen: Snapshot, limits: Limits) -> Iterator[Finding]:
    """Of the gateway's public address: webhooks and unsubscribe links need it."""
    renew = "Renew it at the reverse proxy or tunnel; webhooks and unsubscribe links need it."
    if seen.certificate_problem is not None:
        yield Finding(
            "certificate:gateway",
            Severity.CRITICAL,
            f"The gateway's certificate does not verify: {seen.certificate_problem}",
            renew,
        )
        return
    assert seen.certificate_ends is not None
    left = seen.certificate_ends - seen.now
    if left >= timedelta(days=limits.rules.certificate_days):
        return
    yield Finding(
        "certificate:gateway",
        Severity.CRITICAL if left < _SOON else Severity.WARNING,
        f"The gateway's certificate ends on {seen.certificate_ends:%Y-%m-%d %H:%M} UTC",
        renew,
    )
