"""Are they alive? Owns: judging heartbeats, and what the queen says of her servers.

A process that never was, or that ended in order, is not missed. Dead is one whose number the
kernel does not know, or that said which error ended it; hung is one that is there and silent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from guardrails.clock import parse
from guardrails.heartbeats import Heartbeat
from orchestrator.health.model import Finding, Limits, Seen, Severity, Snapshot, Undecided, lasted

_UP = {
    "queen": "If `swarm up` still runs, it starts her again by itself; else start it. Leads in "
    "flight go on where they stood; nothing is sent twice. Her log is logs/queen.log in the hive.",
    "gateway": "If `swarm up` still runs, it starts it again by itself; else start it. Vendors "
    "repeat what they could not deliver. Its log is logs/gateway.log in the hive.",
    "monitor": "Start it again on that machine: scripts/health_monitor.py.",
}
_ENDED_BY = {"supervisor_died": "`swarm up`, which looked after it, has died"}
_FREE = "If it is meant to be gone: `swarm monitor --retire {name}`."


def processes(seen: Snapshot, limits: Limits) -> Iterator[Finding | Undecided]:
    """Queen, gateway, and monitors of other machines.

    Nobody can beat while the database cannot be written, nor while this machine slept: then
    silence proves nothing.
    """
    assert seen.work is not None
    deaf = seen.write_error is not None or seen.slept
    for beat in seen.work.heartbeats:
        if not beat.expected or (beat.role == "monitor" and seen.local(beat)):
            continue  # our own is told by whoever watches us: the dead man's switch
        state = state_of(beat, seen, limits)
        if state is None:
            yield from _came_back(beat, seen, limits)
            continue
        if deaf and state[0] != "dead":
            yield Undecided(f"process:{beat.name}")
            continue
        severity = Severity.WARNING if beat.role == "monitor" else Severity.CRITICAL
        advice = _UP.get(beat.role, "Look at its log in the hive.")
        if state[0] == "hung":
            advice = f"Kill it (`kill -9 {beat.pid}` on {beat.host}). {advice}"
        yield Finding(
            key=f"process:{beat.name}",
            severity=severity,
            what=f"{beat.name} is {state[0]}: {state[1]}",
            do=f"{advice} {_FREE.format(name=beat.name)}",
            since=beat.ended_at or beat.beat_at,
        )


def waits(seen: Snapshot, limits: Limits) -> Iterator[Finding | Undecided]:
    """A queen that lives and cannot work: what she says of it. A stop is told by itself."""
    assert seen.work is not None
    for beat in seen.work.heartbeats:
        if beat.role != "queen" or not beat.expected:
            continue
        key, why = f"waits:{beat.name}", beat.document.get("waits_because")
        if why == "stopped" or state_of(beat, seen, limits) is not None:
            yield Undecided(key)
        elif why:
            yield Finding(
                key,
                Severity.WARNING,
                f"{beat.name} lives and cannot work: {why}",
                "Nothing is decided or sent meanwhile, and nothing is lost. logs/queen.log says "
                "more; she goes on by herself when the cause is gone.",
            )


def _came_back(beat: Heartbeat, seen: Snapshot, limits: Limits) -> Iterator[Finding]:
    """It died, and somebody has started it again before we looked, or just after."""
    lived = (seen.now - beat.started_at).total_seconds()
    if not beat.after_death or lived > limits.rules.restart_shown_s:
        return
    lately = [at for at in beat.deaths if seen.now - at < timedelta(hours=1)]
    often = len(lately) >= limits.rules.restarts_in_an_hour
    yield Finding(
        f"process:{beat.name}",
        Severity.CRITICAL if often else Severity.WARNING,
        f"{beat.name} died"
        + (f" {len(lately)} times within the hour" if len(lately) > 1 else "")
        + " and was started again",
        f"Nothing now: it works. Why it died stands in logs/{beat.role}.log in the hive, or in the "
        "kernel's log if memory ran out.",
        beat.deaths[-1],
    )


def state_of(beat: Heartbeat, seen: Snapshot, limits: Limits) -> tuple[str, str] | None:
    """`dead` or `hung`, and the evidence; None for a process that lives or is not missed."""
    if not beat.expected:
        return None
    if beat.error is not None:
        return "dead", _ENDED_BY.get(beat.error, f"an error ended it ({beat.error})")
    silent = (seen.now - beat.beat_at).total_seconds()
    known = seen.seen.get(beat.pid) if seen.local(beat) else None
    if known is not None and not _is(known, beat.born) and silent > 2 * beat.interval_s:
        return "dead", f"its process {beat.pid} is gone"
    if silent <= _patience(beat, limits):
        return None
    said = f"silent for {lasted(silent)}"
    if known is None:
        return "dead or cut off", said
    stopped = ", and the kernel shows it stopped" if known.letter in ("T", "t") else ""
    return "hung", f"its process {beat.pid} is there and {said}{stopped}"


def servers(seen: Snapshot, limits: Limits) -> Iterator[Finding | Undecided]:
    """Each MCP server, by its last answer to the queen."""
    assert seen.work is not None
    for beat in seen.work.heartbeats:
        if beat.role != "queen" or not beat.expected:
            continue
        if seen.write_error is not None or seen.slept or state_of(beat, seen, limits) is not None:
            yield Undecided(f"server:{beat.place}/")  # she cannot say; she is the incident
            continue
        told = beat.document.get("servers")
        for name, one in (told if isinstance(told, dict) else {}).items():
            yield from _server(f"server:{beat.place}/{name}", name, one, beat, seen, limits)


def _server(
    key: str, name: str, told: Mapping[str, Any], beat: Heartbeat, seen: Snapshot, limits: Limits
) -> Iterator[Finding]:
    good_at = _moment(told.get("good_at")) or beat.started_at
    silent = (seen.now - good_at).total_seconds()
    pid = told.get("pid")
    known = seen.seen.get(pid) if isinstance(pid, int) and seen.local(beat) else None
    stopped = known is not None and known.letter in ("T", "t")
    if silent > limits.rules.silent_after_s or stopped:
        alive = known is not None and known.letter not in (None, "Z")
        how = "stopped" if stopped else "hung" if alive else "dead"
        yield Finding(
            key,
            Severity.CRITICAL,
            f"The {name} server on {beat.host} is {how}: no answer for {lasted(silent)}",
            f"The queen restarts a dead one at once and a hung one when a call to it has lasted "
            f"too long. Sooner: `kill -9 {pid}`. Its log is logs/{name}.log in the hive.",
            good_at,
        )
        return
    restarted = [moment for text in told.get("restarted", ()) if (moment := _moment(text))]
    shown = timedelta(seconds=limits.rules.restart_shown_s)
    if not restarted or seen.now - restarted[-1] > shown:
        return
    often = len(restarted)
    yield Finding(
        key,
        Severity.CRITICAL if often >= limits.rules.restarts_in_an_hour else Severity.WARNING,
        f"The {name} server on {beat.host} died"
        + (f" {often} times within the hour" if often > 1 else "")
        + "; the queen has restarted it",
        f"Nothing now: it answers again. Why it died stands in logs/{name}.log in the hive and in "
        "`swarm failures`.",
        restarted[0],
    )


def _patience(beat: Heartbeat, limits: Limits) -> float:
    return max(limits.rules.silent_after_s, 3.0 * beat.interval_s)


def _is(known: Seen, born: int | None) -> bool:
    """Whether that process still runs: its number may have been given to another."""
    if known.letter in (None, "Z", "X"):
        return False
    return not born or not known.born or known.born == born


def _moment(text: Any) -> datetime | None:
    try:
        return parse(text) if isinstance(text, str) else None
    except ValueError:
        return None
