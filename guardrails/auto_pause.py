"""What pauses sending by itself. Owns: bounces, complaints and opt-outs over rolling windows.

Judged in the transaction that writes an outcome down, over the times at which things happened, so
that deliveries in any order, any number, and at once come to the same pauses. One e-mail counts
once, at every time that was told of it: were it the earliest, a pause would depend on which was
told first.
Refuses to count what is not ours: outcomes of e-mails that neither the ledger nor one of its
mailboxes knows.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, exists, func, or_, select

from guardrails.clock import iso, parse
from guardrails.config.models.people import AutoPause
from guardrails.ledger_pauses import EVERYBODY, pause
from guardrails.ledger_rows import Status
from guardrails.outcomes import OutcomeKind
from guardrails.store.people_tables import outcomes
from guardrails.store.write_tables import writes

HOUR, DAY, RATE_WINDOW = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
_COUNTING = 0x434F554E  # any number, the same everywhere
_UNIT = func.coalesce(outcomes.c.write_key, outcomes.c.lead_id, outcomes.c.outcome_id)
_OURS = or_(
    outcomes.c.write_key.is_not(None),
    exists().where(writes.c.mailbox_hash == outcomes.c.mailbox_hash, writes.c.counts.is_(True)),
)
# Built once: building a statement costs more than running it.
_TIMES = (
    select(outcomes.c.at, _UNIT)
    .where(outcomes.c.kind == bindparam("kind"), _OURS)
    .where(outcomes.c.at > bindparam("low"), outcomes.c.at < bindparam("high"))
)
_SENT = select(writes.c.dispatched_at).where(
    writes.c.counts.is_(True),
    writes.c.status == Status.SENT.value,
    writes.c.dispatched_at > bindparam("low"),
    writes.c.dispatched_at <= bindparam("high"),
)
_OF_SENT = (
    select(outcomes.c.at, writes.c.key, writes.c.dispatched_at)
    .join(writes, writes.c.key == outcomes.c.write_key)
    .where(outcomes.c.kind == bindparam("kind"), writes.c.status == Status.SENT.value)
    .where(writes.c.counts.is_(True), writes.c.dispatched_at > bindparam("low"))
    .where(writes.c.dispatched_at <= bindparam("high"))
)


@dataclass(frozen=True)
class Finding:
    """A threshold that was reached.

    Args:
        code: bounces, complaints, unsubscribes, bounce_rate, complaint_rate, complaint_rate_warn.
        until: sending is paused until then; None: a warning.
        count: so many, of `of` e-mails sent for a rate.
        limit: the configured threshold.
    """

    code: str
    text: str
    until: datetime | None
    count: int
    limit: float
    of: int | None = None

    @property
    def key(self) -> str:
        """Names this finding for ever: for the record, and for who is told."""
        when = iso(self.until) if self.until else self.text
        return f"auto-pause:{self.code}:{when}"


Tell = Callable[[Connection, str, str, datetime], object]


def pause_if_due(
    conn: Connection, rules: AutoPause, kind: OutcomeKind, at: datetime, now: datetime, tell: Tell
) -> tuple[Finding, ...]:
    """Pause sending as far as an outcome of `kind` at `at` asks for it; call it in the
    transaction that wrote the outcome.

    Args:
        tell: `(conn, key, text, at)` queues a notice, once for its key.

    Returns:
        What was reached, changed or not: for the record.
    """
    if conn.dialect.name == "postgresql":  # who counts at the same moment sees what we wrote
        conn.execute(select(func.pg_advisory_xact_lock(_COUNTING)))
    found = tuple(judge(conn, rules, kind, at))
    for one in found:
        if one.until is not None:
            pause(conn, EVERYBODY, one.until, one.text, now)
        if one.until is None or one.until > now:
            tell(conn, one.key, _notice(one), now)
    return found


def judge(conn: Connection, rules: AutoPause, kind: OutcomeKind, at: datetime) -> Iterable[Finding]:
    """Every threshold that this outcome reaches, or helps to reach."""
    match kind:
        case OutcomeKind.BOUNCE:
            limit, hours = rules.bounces_per_hour, rules.bounces_pause_hours
            yield from _counted(conn, kind, at, HOUR, limit, hours, "bounces")
            yield from _bounce_rate(conn, rules, at)
        case OutcomeKind.COMPLAINT:
            limit, hours = rules.complaints_per_day, rules.complaint_pause_hours
            yield from _counted(conn, kind, at, DAY, limit, hours, "complaints")
            yield from _complaint_rate(conn, rules, at)
        case OutcomeKind.UNSUBSCRIBE:
            limit, hours = rules.unsubscribes_per_day, rules.unsubscribes_pause_hours
            yield from _counted(conn, kind, at, DAY, limit, hours, "unsubscribes")
        case _:
            return


def _counted(
    conn: Connection,
    kind: OutcomeKind,
    at: datetime,
    window: timedelta,
    limit: int,
    hours: float,
    code: str,
) -> Iterable[Finding]:
    """The last window around `at` that is full."""
    around = {"kind": kind.value, "low": iso(at - window), "high": iso(at + window)}
    heard = sorted((parse(moment), unit) for moment, unit in conn.execute(_TIMES, around))
    for last, _ in reversed(heard):
        count = len({unit for moment, unit in heard if last - window < moment <= last})
        if count >= limit:
            span = "an hour" if window == HOUR else "a day"
            text = f"{count} {code if count > 1 else code[:-1]} within {span} (limit {limit})"
            yield Finding(code, text, last + timedelta(hours=hours), count, limit)
            return


def _bounce_rate(conn: Connection, rules: AutoPause, at: datetime) -> Iterable[Finding]:
    for when, failed, sent in reversed(_rates(conn, OutcomeKind.BOUNCE, at)):
        if sent >= rules.rate_min_sent and failed / sent > rules.bounce_rate:
            text = (
                f"{failed} of {sent} e-mails of 7 days bounced: {failed / sent:.2%}, over "
                f"{rules.bounce_rate:.2%}"
            )
            until = when + timedelta(hours=rules.bounce_rate_pause_hours)
            yield Finding("bounce_rate", text, until, failed, rules.bounce_rate, sent)
            return


def _complaint_rate(conn: Connection, rules: AutoPause, at: datetime) -> Iterable[Finding]:
    """Stops before the limit: when one more would reach it. Warned is of the latest moment, and
    hides no earlier one that stops.
    """
    warning: Finding | None = None
    for when, failed, sent in reversed(_rates(conn, OutcomeKind.COMPLAINT, at)):
        if sent < rules.rate_min_sent:
            continue
        shown = f"{failed} complaints over {sent} e-mails of 7 days: {failed / sent:.2%}"
        if (failed + 1) / sent >= rules.complaint_rate_stop:
            text = f"{shown}; one more would reach {rules.complaint_rate_stop:.2%}"
            until = when + timedelta(hours=rules.complaint_pause_hours)
            limit = rules.complaint_rate_stop
            yield Finding("complaint_rate", text, until, failed, limit, sent)
            return
        if warning is None and failed / sent >= rules.complaint_rate_warn:
            limit = rules.complaint_rate_warn
            warning = Finding("complaint_rate_warn", shown, None, failed, limit, sent)
    if warning is not None:
        yield warning


def _rates(conn: Connection, kind: OutcomeKind, at: datetime) -> list[tuple[datetime, int, int]]:
    """(moment, failed, sent) over the 7 days before each failure from `at` on, oldest first.

    A failure of an e-mail that is older than that says nothing of these 7 days.
    """
    around = {"low": iso(at - RATE_WINDOW), "high": iso(at + RATE_WINDOW)}
    sent = sorted(parse(moment) for moment in conn.execute(_SENT, around).scalars())
    failures = [_failure(*row) for row in conn.execute(_OF_SENT, around | {"kind": kind.value})]
    recent = {failed for failed, _, gone in failures if gone > failed - RATE_WINDOW}
    moments = sorted(when for when in recent if at <= when <= at + RATE_WINDOW)
    return [(when, _failed(failures, when), _within(sent, when)) for when in moments]


def _failure(failed: str, key: str, dispatched: str) -> tuple[datetime, str, datetime]:
    """A vendor's clock that is behind ours cannot let an e-mail fail before it went."""
    gone = parse(dispatched)
    return max(parse(failed), gone), key, gone


def _failed(failures: Sequence[tuple[datetime, str, datetime]], when: datetime) -> int:
    low = when - RATE_WINDOW
    return len({key for failed, key, sent in failures if failed <= when and low < sent <= when})


def _within(sent: Sequence[datetime], when: datetime) -> int:
    return bisect_right(sent, when) - bisect_right(sent, when - RATE_WINDOW)


def _notice(found: Finding) -> str:
    if found.until is None:
        return f"Complaints are near the limit: {found.text}."
    return f"Sending is paused until {found.until:%Y-%m-%d %H:%M} UTC: {found.text}."
