"""How the swarm stands, why, what it learned and what fails. Owns: small answers from the record.

Reads only. The status works while things are down and names what could not be read.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from guardrails.bank import Pattern
from guardrails.brakes.failure_clusters import Cluster, clusters
from guardrails.clock import iso, parse
from guardrails.explain import explain
from guardrails.identity import dedupe_key, lead_id, normalise_email
from guardrails.replay import find_decision
from orchestrator.fixes.model import FixFiles, Proposal
from orchestrator.fixes.show import diff
from orchestrator.mcp import pages
from orchestrator.mcp.alive import said
from orchestrator.mcp.contract_insight import (
    Brake,
    ConsultPattern,
    DecisionExplained,
    ExplainDecision,
    FailureCause,
    FailurePage,
    FixLine,
    FixPage,
    GetStatus,
    ListFailures,
    ListFixes,
    ModeNow,
    PatternKnown,
    SpendLine,
    StopNow,
    SwarmStatus,
)
from orchestrator.mcp.parts import Parts
from orchestrator.status import Status

Json = dict[str, Any]
_MICROS = 1_000_000
_DETAIL = 300
_MOST = 1_000  # causes that pages reach
_APPLY = "A person applies one at a terminal: `swarm fixes apply ID`; `revert ID` takes it back."


class InsightService:
    """Over open parts. Close it to close the status."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._status = Status(
            parts.hive, parts.config_path, parts.database_url, clock=parts.clock, now=parts.now
        )
        self._reading = asyncio.Lock()

    def close(self) -> None:
        """Forget the status's connections."""
        self._status.close()

    async def status(self, _args: GetStatus) -> SwarmStatus:
        """Everything at a glance; never raises for what is down."""
        async with self._reading:
            told = await asyncio.to_thread(self._status.read)
        return _status_of(told)

    async def explain(self, args: ExplainDecision) -> DecisionExplained:
        """One record, told. Raises NotFound, AuditBroken, StoreUnavailable."""
        record, newest = await asyncio.to_thread(
            find_decision, self._parts.audit, self._named(args.id)
        )
        body = record["body"]
        return DecisionExplained(
            audit_id=record["audit_id"],
            at=parse(record["at"]),
            kind=record["kind"],
            lead_id=record["lead_id"],
            run_id=record["run_id"],
            state=body.get("state"),
            verdict=body.get("verdict"),
            text=explain(record, newest),
        )

    async def consult(self, args: ConsultPattern) -> PatternKnown:
        """Ask the bank. Raises BankUnreadable."""
        pattern = Pattern(lead_id=None, scope=args.scope(), template_hash=None, features={})
        answer = await asyncio.to_thread(self._parts.bank.consult, pattern)
        return PatternKnown(answer=answer)

    async def failures(self, args: ListFailures) -> FailurePage:
        """One page of causes. Raises BadInput, StoreUnavailable."""
        at = pages.start(args.cursor)
        since = iso(self._parts.clock() - timedelta(hours=args.hours))
        most = min(at + args.limit + 1, _MOST)
        found = await self._parts.store.query(lambda conn: clusters(conn, since=since, limit=most))
        more = len(found) > at + args.limit
        return FailurePage(
            causes=tuple(_cause(one) for one in found[at : at + args.limit]),
            next_cursor=pages.following(at + args.limit) if more else None,
        )

    async def fixes(self, args: ListFixes) -> FixPage:
        """One page of proposals. Raises BadInput."""
        at = pages.start(args.cursor)
        found = await asyncio.to_thread(FixFiles(self._parts.hive).all)
        more = len(found) > at + args.limit
        return FixPage(
            fixes=tuple(_fix(one) for one in found[at : at + args.limit]),
            next_cursor=pages.following(at + args.limit) if more else None,
            next_step=_APPLY if found else "`swarm fixes list` diagnoses the latest failures.",
        )

    def _named(self, id: str) -> str:
        """An e-mail address becomes its lead id. Raises BadInput: it is none."""
        if "@" not in id:
            return id
        return lead_id(self._parts.hive.salt(), dedupe_key(normalise_email(id)))


def _status_of(told: Json) -> SwarmStatus:
    mode = told["mode"]
    return SwarmStatus(
        at=told["at"],
        sandbox=told["sandbox"],
        mode=ModeNow(
            configured=mode["configured"], in_force=mode["in_force"], notes=tuple(mode["notes"])
        ),
        queen=_queen(told),
        stop=StopNow(**told["stop"]),
        brakes=tuple(_brakes(told)) if _is_read(told, "breakers") else None,
        approvals_waiting=_number(told, "approvals", "waiting"),
        approvals_overdue=_number(told, "approvals", "overdue"),
        next_approval_due=told.get("approvals", {}).get("next_due"),
        inbox_waiting=_number(told, "inbox", "count"),
        sent_today=_number(told | told.get("sends", {}), "day", "held"),
        sends_of_unknown_fate=_number(told, "unknown_sends", "count"),
        spend=tuple(_spend(told)) if _is_read(told, "spend") else None,
        needs_a_person=tuple(_needs(told)),
        unread=told["unread"],
    )


def _is_read(told: Json, part: str) -> bool:
    """Whether a part was read; where nothing has ever run there is nothing to read."""
    return part in told or told.get("started") is False


def _number(told: Json, part: str, name: str) -> int | None:
    return told.get(part, {}).get(name, 0) if _is_read(told, part) else None


def _queen(told: Json) -> str:
    """As the status sees the processes."""
    if not _is_read(told, "processes"):
        return "nobody can tell: the heartbeats cannot be read (`unread` says why)"
    queens = [one for one in told.get("processes", ()) if one["name"].startswith("queen@")]
    for one in queens:
        if one["state"] == "running":
            waits = one["says"].get("waits_because")
            return f"running, and waits: {waits}" if waits else "running"
    if not queens:
        return said([], parse(told["at"]))
    why = f": {queens[0]['why']}" if queens[0]["why"] else ""
    return f"{queens[0]['state']}{why}; start one with `swarm up`"


def _brakes(told: Json) -> list[Brake]:
    breakers = [
        Brake(what=f"{one['vendor']} {one['class']}", state=one["state"],
              since_or_until=one["since"])
        for one in told.get("breakers", ())
    ]  # fmt: skip
    return breakers + [
        Brake(
            what=f"pause of {one['scope']}: {one['reason']}",
            state="paused",
            since_or_until=one["until"],
        )
        for one in told.get("pauses", ())
    ]


def _spend(told: Json) -> list[SpendLine]:
    return [
        SpendLine(
            scope=one["scope"],
            held_usd=one["held_micros"] / _MICROS,
            cap_usd=one["cap_micros"] / _MICROS,
        )
        for one in told.get("spend", {}).get("scopes", ())
    ]


def _needs(told: Json) -> list[str]:
    found = [f"{one['severity']}: {one['what']} {one['do']}" for one in told["incidents"]]
    if told.get("unknown_sends", {}).get("count"):
        found.append("E-mails of unknown fate: `swarm sends unknown`.")
    if told.get("inbox", {}).get("failed"):
        found.append("Deliveries that failed again and again: `swarm inbox list`.")
    if told.get("approvals", {}).get("overdue"):
        found.append("Approvals are overdue: list_approvals, then ask_approver.")
    return found


def _cause(one: Cluster) -> FailureCause:
    return FailureCause(
        signature=one.signature,
        kind=str(one.kind),
        vendor=one.vendor,
        server=one.server,
        operation=one.operation,
        status=one.status,
        count=one.count,
        leads=one.leads,
        first_seen=one.first_seen,
        last_seen=one.last_seen,
        per_hour=round(one.per_hour, 2),
        cost_usd=one.cost_micros / _MICROS,
        detail=(one.details[0] if one.details else "")[:_DETAIL],
        injected=one.injected,
    )


def _fix(one: Proposal) -> FixLine:
    return FixLine(
        fix_id=one.id,
        status=one.status,
        title=one.title,
        text=one.text,
        failures=one.evidence.failures,
        diff=tuple(diff(one)),
        steps=one.steps,
        measured=one.measured.text if one.measured else one.not_measurable,
    )
