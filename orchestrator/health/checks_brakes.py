"""Are the brakes on? Owns: judging breakers, spending, rates, pauses, refused keys and the stop."""

from __future__ import annotations

from collections.abc import Iterator

from guardrails.brakes.spend_model import TOTAL, dollars, setting_of
from guardrails.ledger_pauses import EVERYBODY
from orchestrator.health.model import Finding, Limits, Severity, Snapshot, Undecided, lasted


def breakers(seen: Snapshot, limits: Limits) -> Iterator[Finding]:
    """A breaker that stays open: the vendor is away, and work waits."""
    assert seen.work is not None
    for vendor in seen.work.vendors:
        if vendor.damaged:
            yield Finding(
                f"breaker:{vendor.vendor}",
                Severity.CRITICAL,
                f"The state of {vendor.vendor}'s brakes is damaged: every call is refused",
                f"`swarm brakes reset {vendor.vendor} --reason TEXT` begins it anew.",
            )
    for one in seen.work.breakers:
        if one.since is None:
            continue
        open_for = (seen.at - one.since).total_seconds()
        if open_for <= limits.rules.breaker_open_s:
            continue
        yield Finding(
            f"breaker:{one.vendor}:{one.operation_class}",
            Severity.WARNING,
            f"The breaker of {one.vendor} ({one.operation_class}) has not closed for "
            f"{lasted(open_for)}",
            f"Look at {one.vendor}'s status page. It closes by itself when a probe is answered; "
            "`swarm failures` says what was seen.",
            one.since,
        )


def spend(seen: Snapshot, _limits: Limits) -> Iterator[Finding]:
    """50, 80 and 100 % of a cap."""
    assert seen.work is not None
    for mark in seen.work.spend:
        whose = "the swarm's" if mark.scope == TOTAL else f"{mark.scope}'s"
        full = mark.percent >= 100
        yield Finding(
            f"spend:{mark.day}:{mark.scope}:{mark.percent}",
            Severity.WARNING if full else Severity.NOTICE,
            f"{mark.percent} % of {whose} daily cap of {dollars(mark.cap_micros)} is spent "
            f"({mark.day})",
            f"Paid calls stop until tomorrow. `swarm spend`; the cap is {setting_of(mark.scope)}."
            if full
            else "Nothing; `swarm spend` says where it went.",
            mark.at,
            escalates=False,  # it ends by itself, and the cap holds
        )


def rates(seen: Snapshot, limits: Limits) -> Iterator[Finding]:
    """Bounces and complaints of the last seven days, by the limits that pause sending."""
    assert seen.work is not None
    found, rules = seen.work.rates, limits.auto_pause
    if found.sent < rules.rate_min_sent:
        return
    if found.bounces / found.sent > rules.bounce_rate:
        limit = rules.bounce_rate
        yield _rate("bounce", found.bounces, found.sent, limit, Severity.WARNING)
    if found.complaints and (found.complaints + 1) / found.sent >= rules.complaint_rate_stop:
        limit = rules.complaint_rate_stop
        yield _rate("complaint", found.complaints, found.sent, limit, Severity.CRITICAL)
    elif found.complaints / found.sent >= rules.complaint_rate_warn:
        limit = rules.complaint_rate_warn
        yield _rate("complaint", found.complaints, found.sent, limit, Severity.WARNING)


def _rate(name: str, number: int, sent: int, limit: float, severity: Severity) -> Finding:
    return Finding(
        f"rates:{name}",
        severity,
        f"The {name} rate is {number / sent:.2%} ({number} of {sent} e-mails in 7 days); the limit "
        f"is {limit:.2%}",
        "Mailbox providers will turn against the domain. Look at who was written to and where the "
        "addresses came from before sending goes on.",
    )


def pauses(seen: Snapshot, _limits: Limits) -> Iterator[Finding]:
    """Sending that paused itself."""
    assert seen.work is not None
    for one in seen.work.pauses:
        whose = "Sending" if one.scope == EVERYBODY else "Sending from one mailbox"
        yield Finding(
            f"pause:{one.scope[:24]}",
            Severity.WARNING,
            f"{whose} is paused until {one.until:%Y-%m-%d %H:%M} UTC: {one.reason}",
            "It goes on by itself. Find out why people complained or addresses bounced.",
            one.at,
            escalates=False,
        )


def keys(seen: Snapshot, _limits: Limits) -> Iterator[Finding]:
    """A vendor that does not take our key: expired, revoked, or without a scope."""
    assert seen.work is not None
    for one in seen.work.keys:
        yield Finding(
            f"key:{one.vendor}",
            Severity.CRITICAL,
            f"{one.vendor} refuses our key (401 or 403, {one.count} times)",
            "Has it expired or been revoked, and has it every scope? `swarm failures` shows the "
            "calls. Put a new one into .env and start `swarm up` again.",
            one.first,
        )


def stop(seen: Snapshot, _limits: Limits) -> Iterator[Finding | Undecided]:
    """The red button is pressed."""
    if seen.work is None:
        yield Undecided("stop:")
    if seen.work is not None and seen.work.stop_row is None:
        yield Undecided("stop:in_force")
        yield Finding(
            "stop:missing",
            Severity.CRITICAL,
            "The stop state is missing from the database: everything counts as stopped",
            "Restore the database from its backup.",
        )
    elif reason := seen.stopped:
        yield Finding(
            "stop:in_force",
            Severity.WARNING,
            f"The swarm is stopped: {reason}",
            "Nothing goes out. When the cause is gone, a person lifts it: `swarm resume`.",
            escalates=False,  # a person wanted it
        )
