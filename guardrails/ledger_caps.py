"""How many e-mails may go out. Owns: counting the ledger's rows against `sending_limits`.

An e-mail counts from its claim on, as of when it was dispatched; one that is claimed and not yet
dispatched counts in every window, since it may leave in any. So the caps hold for the moments at
which e-mails leave, not only for those at which somebody asked. Works under the ledger's lock.
Refuses with `NotYet`, which says when there is room by what the ledger holds now.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, and_, bindparam, case, func, or_, select

from guardrails.clock import iso, parse
from guardrails.config.models import SendingLimits
from guardrails.errors import NotYet
from guardrails.ledger_pauses import EVERYBODY, Pause, of_mailbox, pauses
from guardrails.ledger_rows import HELD, Status, WriteEntry
from guardrails.model import WriteAction
from guardrails.store.write_tables import writes

HOUR = timedelta(hours=1)
# A row is looked for by when it was claimed; it was dispatched minutes later at most.
_SLACK = timedelta(days=1)


@dataclass(frozen=True)
class _Full:
    """One cap without room."""

    code: str
    text: str
    not_before: datetime


_C = writes.c
_MOMENT = func.coalesce(_C.dispatched_at, _C.claimed_at)
_WAITING = _C.status == Status.CLAIMED.value
_COUNTED = and_(
    _C.counts.is_(True),
    _C.status.in_([status.value for status in HELD]),
    _C.claimed_at >= bindparam("low"),
    _C.key != bindparam("own"),
)
_IN_DAY = or_(_WAITING, bindparam("day") <= _MOMENT)
_IN_HOUR = or_(_WAITING, bindparam("hour") < _MOMENT)
_SAME_MAILBOX = _C.mailbox_hash == bindparam("mailbox")
_SAME_DOMAIN = _C.domain_hash == bindparam("domain")


def _sum(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


# Built once: building a statement costs more than running it.
_HELD = select(
    _sum(_IN_DAY).label("day"),
    _sum(_IN_HOUR).label("hour"),
    _sum(and_(_IN_HOUR, _SAME_DOMAIN)).label("domain_hour"),
    _sum(and_(_IN_DAY, _SAME_MAILBOX)).label("mailbox_day"),
    func.max(_MOMENT).label("last"),
    func.max(case((_WAITING, _C.claimed_at))).label("waiting"),
).where(_COUNTED)
_MOMENTS = select(_MOMENT).where(_COUNTED, _IN_HOUR).order_by(_MOMENT)
_MOMENTS_OF_DOMAIN = _MOMENTS.where(_SAME_DOMAIN)
_SENT_BEFORE = (
    select(_MOMENT)
    .where(_C.counts.is_(True), _C.status == Status.SENT.value)
    .where(_C.claimed_at < bindparam("before"), _C.claimed_at >= bindparam("low"))
    .where(bindparam("since") <= _MOMENT, bindparam("before") > _MOMENT)
    .order_by(_C.claimed_at.desc())
    .limit(1)
)


class SendingCaps:
    """The caps of one configuration.

    Args:
        zone: where a day is cut.
        lease: how long a claim that nobody dispatches holds its place.
    """

    def __init__(self, limits: SendingLimits, zone: ZoneInfo, lease: timedelta) -> None:
        self._limits = limits
        self._zone = zone
        self._lease = lease

    def require_room(self, conn: Connection, entry: WriteEntry, now: datetime) -> dict[str, Any]:
        """What is held of each cap, when one more e-mail fits under all of them.

        Raises:
            NotYet: it does not; carries the cap that frees last.
        """
        today = now.astimezone(self._zone).date()
        low = min(self._starts(today), now - HOUR) - _SLACK
        asked = {
            "low": iso(low),
            "own": entry.key,
            "day": iso(self._starts(today)),
            "hour": iso(now - HOUR),
            "mailbox": entry.mailbox_hash,
            "domain": entry.domain_hash,
        }
        held = dict(conn.execute(_HELD, asked).mappings().one())
        in_force = pauses(conn, {EVERYBODY, of_mailbox(entry.mailbox_hash or "")})
        clean = self._clean_days(conn, today, in_force)
        full = [
            *_paused(in_force, now),
            *self._full_days(held, clean, today),
            *self._full_hours(conn, held, asked),
            *self._ramp_tier(entry, clean, today),
            *self._spacing(held, now),
        ]
        if full:
            last = max(full, key=lambda one: one.not_before)
            said = "; ".join(one.text for one in full)
            raise NotYet(said, not_before=last.not_before, because=last.code)
        return self._snapshot(held, clean)

    def held(self, conn: Connection, now: datetime) -> dict[str, Any]:
        """What is held of the caps that hold for everybody, for people to read; decides nothing."""
        today = now.astimezone(self._zone).date()
        low = min(self._starts(today), now - HOUR) - _SLACK
        asked = {
            "low": iso(low), "own": "", "day": iso(self._starts(today)), "hour": iso(now - HOUR),
            "mailbox": None, "domain": None,
        }  # fmt: skip
        found = dict(conn.execute(_HELD, asked).mappings().one())
        told = self._snapshot(found, self._clean_days(conn, today, pauses(conn)))
        return {name: told[name] for name in ("day", "hour", "last", "ramping")}

    def _full_days(self, held: dict[str, Any], clean: int, today: date) -> Iterator[_Full]:
        tomorrow = self._starts(today + timedelta(days=1))
        for name, code, cap in (
            ("day", "cap_day", self._day_cap(clean)),
            ("mailbox_day", "cap_mailbox_day", self._limits.per_mailbox_day),
        ):
            if held[name] >= cap:
                what = "of this mailbox " if name == "mailbox_day" else ""
                ramp = ", ramping up" if code == "cap_day" and self._ramping(clean) else ""
                yield _Full(code, f"{held[name]} of {cap} e-mails {what}today{ramp}", tomorrow)

    def _full_hours(
        self, conn: Connection, held: dict[str, Any], asked: dict[str, Any]
    ) -> Iterator[_Full]:
        for name, code, cap, within in (
            ("hour", "cap_hour", self._limits.per_hour, _MOMENTS),
            (
                "domain_hour",
                "cap_recipient_domain_hour",
                self._limits.per_recipient_domain_hour,
                _MOMENTS_OF_DOMAIN,
            ),
        ):
            if held[name] < cap:
                continue
            moments = conn.execute(within, asked).scalars().all()
            count = len(moments)
            if count < cap:
                continue  # it was full a moment ago: one of them certainly did not leave
            what = "to this company's domain " if name == "domain_hour" else ""
            text = f"{count} of {cap} e-mails {what}within the hour"
            # So many of the oldest have to leave the window that one more fits.
            yield _Full(code, text, parse(moments[count - cap]) + HOUR)

    def _ramp_tier(self, entry: WriteEntry, clean: int, today: date) -> Iterator[_Full]:
        # Whoever wrote to us gets an answer, whatever their score.
        if not self._ramping(clean) or entry.tier == 1 or entry.action is WriteAction.REPLY_EMAIL:
            return
        left = self._limits.ramp_clean_days - clean
        text = f"only tier 1 until {left} more clean days"
        yield _Full("ramp_tier", text, self._starts(today + timedelta(days=left)))

    def _spacing(self, held: dict[str, Any], now: datetime) -> Iterator[_Full]:
        apart = timedelta(seconds=self._limits.spacing_s)
        if not apart or held["last"] is None:
            return
        free = parse(held["last"]) + apart
        if free <= now and held["waiting"] is not None:
            # It may still leave at any moment: until its claim ends nobody knows when it did.
            free = parse(held["waiting"]) + self._lease
        if free > now:
            yield _Full("spacing", f"{self._limits.spacing_s} s apart", free)

    def _snapshot(self, held: dict[str, Any], clean: int) -> dict[str, Any]:
        caps = {
            "day": self._day_cap(clean),
            "hour": self._limits.per_hour,
            "domain_hour": self._limits.per_recipient_domain_hour,
            "mailbox_day": self._limits.per_mailbox_day,
        }
        told: dict[str, Any] = {
            name: {"held": int(held[name]), "cap": cap} for name, cap in caps.items()
        }
        return told | {"last": held["last"], "ramping": self._ramping(clean)}

    def _day_cap(self, clean: int) -> int:
        per_day = self._limits.per_day
        return min(per_day, self._limits.ramp_per_day) if self._ramping(clean) else per_day

    def _ramping(self, clean: int) -> bool:
        return clean < self._limits.ramp_clean_days

    def _clean_days(self, conn: Connection, today: date, found: tuple[Pause, ...]) -> int:
        """Days before today on which e-mails went out, since the last pause; enough will do."""
        since = low = ""
        if found:
            paused = max(one.at for one in found).astimezone(self._zone).date()
            first = self._starts(paused + timedelta(days=1))
            since, low = iso(first), iso(first - _SLACK)
        day, count = today, 0
        while count < self._limits.ramp_clean_days:
            asked = {"before": iso(self._starts(day)), "since": since, "low": low}
            moment = conn.execute(_SENT_BEFORE, asked).scalar()
            if moment is None:
                break
            day, count = parse(moment).astimezone(self._zone).date(), count + 1
        return count

    def _starts(self, day: date) -> datetime:
        return datetime.combine(day, time(), self._zone)


def _paused(found: tuple[Pause, ...], now: datetime) -> Iterator[_Full]:
    for one in found:
        if one.until > now:
            whose = "sending" if one.scope == EVERYBODY else "this mailbox"
            yield _Full("paused", f"{whose} is paused: {one.reason}", one.until)
