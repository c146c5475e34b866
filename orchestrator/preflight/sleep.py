"""The guide's last checklist: monitor, cap, red button; and the copy of the hive.

Owns: when each was last seen to work.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from guardrails.brakes.spend_model import dollars
from guardrails.brakes.stop import StopSwitch
from guardrails.clock import Clock, parse
from guardrails.heartbeats import read_heartbeats
from orchestrator.health.model import lasted
from orchestrator.preflight.ground import Ground
from orchestrator.preflight.model import Check, fail, ok, unknown, warn

_PRESS = (
    "STOP_SWARM=1 python scripts/emergency_stop.py --reason drill{hive}, read what it says, then "
    "`swarm resume --reason drill{hive}` at a terminal."
)
_SPARE = 3  # rounds of silence that are none


def check_monitor(ground: Ground, now: Clock) -> Check:
    """By its own heartbeat. `now` is what time it really is. Raises StoreUnavailable."""
    rules = ground.config.production.monitor
    with ground.store.read() as conn:
        beats = [beat for beat in read_heartbeats(conn) if beat.role == "monitor"]
    do = f"Start it in the background: python scripts/health_monitor.py{ground.flags}"
    if not beats:
        return fail("monitor", "it has never run here", do)
    last = max(beats, key=lambda beat: beat.beat_at)
    quiet = (now() - last.beat_at).total_seconds()
    told = f"{last.name} (pid {last.pid}), heard {lasted(max(0.0, quiet))} ago"
    if last.ended_at is not None:
        return fail("monitor", f"{told}: it has ended", do)
    if quiet > max(rules.silent_after_s, _SPARE * last.interval_s):
        return fail("monitor", f"{told}: silent", do)
    return ok("monitor", told)


def check_spend_cap(ground: Ground) -> Check:
    """Ours, since no vendor's can be relied on."""
    production = ground.config.production
    spend, sane = production.spend, production.readiness.sane_daily_cap_micros
    caps = {str(vendor): cap for vendor, cap in spend.vendor_daily_cap_micros.items()}
    told = f"{dollars(spend.daily_cap_micros)} a day ({spend.time_zone})"
    told += "".join(f", {vendor} {dollars(cap)}" for vendor, cap in sorted(caps.items()))
    told += "; Clay's own limit cannot be relied on, this one is counted before each paid call"
    if spend.daily_cap_micros > sane:
        return fail(
            "spend_cap", f"{told}: more than {dollars(sane)}",
            "Lower spend.daily_cap_micros, or raise readiness.sane_daily_cap_micros knowingly.",
        )  # fmt: skip
    if not spend.daily_cap_micros or not caps.get("clay"):
        return warn("spend_cap", told, "A cap of nothing: no paid source will be asked.")
    return ok("spend_cap", told)


def check_red_button(ground: Ground) -> Check:
    """The last press whose result was verified. Raises AuditBroken, StoreUnavailable."""
    days = ground.config.production.readiness.drill_days
    press = _PRESS.format(hive=ground.flags.removeprefix(" --sandbox"))
    since = ground.clock() - timedelta(days=days)
    presses = sorted(_results(ground, since), key=lambda one: one[0])
    good = [one for one in presses if one[1].get("verified") is True]
    if good:
        at, body = good[-1]
        return ok("red_button", f"{at:%Y-%m-%d %H:%M}Z, all of it verified ({_why(body)})")
    if presses:
        at, body = presses[-1]
        left = ", ".join(map(str, body.get("residue") or ())) or "something"
        told = f"{at:%Y-%m-%d %H:%M}Z: not verified: {left}"
        return fail("red_button", told, f"Mend that and press again: {press}")
    return fail("red_button", f"not tried in the last {days} days", f"Drill it: {press}")


def check_not_stopped(ground: Ground) -> Check:
    """Whether it could work at all now. Raises StoreUnavailable."""
    state = StopSwitch(ground.hive, ground.store).state()
    if state.stopped:
        do = "When it is safe: `swarm resume --reason TEXT`, at a terminal."
        return warn("not_stopped", f"stopped: {state.reason}", do)
    return ok("not_stopped", f"it may run (stop epoch {state.epoch})")


def check_backup(ground: Ground) -> Check:
    """The newest file where copies are put."""
    rules = ground.config.production.readiness
    if rules.backup_dir is None:
        return warn(
            "backup", "readiness.backup_dir names no place",
            "Copy the hive daily (docs/operations.md) and name the place: without keys/ known "
            "people are not recognised.",
        )  # fmt: skip
    place = Path(rules.backup_dir).expanduser()
    try:
        newest = max((path.stat().st_mtime for path in place.iterdir()), default=None)
    except OSError as error:
        return unknown("backup", f"{place}: {error.strerror}", "Is the disk there?")
    if newest is None:
        return fail("backup", f"{place} is empty", "Make a copy of the hive.")
    age = max(0.0, time.time() - newest)
    told = f"the newest in {place} is {lasted(age)} old"
    if age > rules.backup_hours * 3600:
        return fail("backup", told, f"Older than {rules.backup_hours:g} hours: see to the job.")
    return ok("backup", told)


def _results(ground: Ground, since: datetime) -> Iterator[tuple[datetime, dict[str, Any]]]:
    """What presses came to since then; days before are not opened."""
    audit = ground.audit
    day, today = since.date(), ground.clock().date() + timedelta(days=1)
    while day <= today:
        for record in audit.iter_records(day.isoformat()):
            if record["kind"] == "stop" and record["body"].get("stop") == "result":
                at = parse(record["at"])
                if at >= since:
                    yield at, record["body"]
        day += timedelta(days=1)


def _why(body: dict[str, Any]) -> str:
    return " ".join(str(body.get("reason") or "no reason given").split())[:60]
