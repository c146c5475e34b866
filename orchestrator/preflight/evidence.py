"""What the three days left on record. Owns: shadow run, approvals and lessons, for these versions.

Read from the database and from the audit record of each decision: under which policy and by which
code it was made. Refuses evidence from other versions, whatever it shows.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from guardrails.bank import Bank
from guardrails.config.loader import policy_version
from guardrails.model import Mode
from guardrails.store.people_tables import approvals, lessons
from guardrails.store.tables import run_items, runs
from guardrails.store.write_tables import writes
from guardrails.versions import with_mode
from orchestrator.preflight.ground import Ground
from orchestrator.preflight.model import Check, fail, ok

_RUNS = 20  # of the latest, which may be too short or unfinished
_RUN = "Run it: python scripts/deploy_shadow_mode.py --leads data/initial_batch.csv{flags}"


@dataclass(frozen=True)
class ShadowEvidence:
    """The latest whole shadow run that is long enough."""

    run_id: str
    created_at: str
    states: Counter[str]
    audit_ids: tuple[str, ...]


def latest_shadow(conn: Connection, *, leads: int, sandbox: bool) -> ShadowEvidence | None:
    """The latest finished one of at least so many leads; a finished run has crashed of none."""
    found = conn.execute(
        select(runs)
        .where(runs.c.mode == "shadow", runs.c.status == "finished", runs.c.sandbox == sandbox)
        .order_by(runs.c.created_at.desc())
        .limit(_RUNS)
    ).all()
    for run in found:
        rows = conn.execute(
            select(run_items.c.state, run_items.c.audit_id).where(run_items.c.run_id == run.run_id)
        ).all()
        if len(rows) < leads or any(row.state is None or not row.audit_id for row in rows):
            continue
        states = Counter(str(row.state) for row in rows)
        ids = tuple(row.audit_id for row in rows)
        return ShadowEvidence(run.run_id, run.created_at, states, ids)
    return None


def check_shadow(ground: Ground) -> Check:
    """Day 1. Raises StoreUnavailable, AuditBroken."""
    wanted = ground.config.production.readiness.shadow_leads
    with ground.store.read() as conn:
        found = latest_shadow(conn, leads=wanted, sandbox=ground.hive.sandbox)
    if found is None:
        told = f"no finished shadow run of {wanted} leads or more"
        return fail("shadow_run", told, _RUN.format(flags=ground.flags))
    total = found.states.total()
    states = ", ".join(f"{count} {state}" for state, count in sorted(found.states.items()))
    told = f"{found.run_id}: {total}/{total} leads without a crash ({states})"
    other = other_versions(ground, found.audit_ids, Mode.SHADOW)
    if other:
        return fail("shadow_run", f"{told}, but {other}", _RUN.format(flags=ground.flags))
    return ok("shadow_run", f"{told}, on these versions")


def check_approvals(ground: Ground) -> Check:
    """Day 3. Raises StoreUnavailable, AuditBroken."""
    rules = ground.config.production.readiness
    by_state = {state: _decided(ground, state) for state in ("approved", "rejected")}
    mine = {
        state: [one for one in found if not other_versions(ground, [one], Mode.ASSISTED)]
        for state, found in by_state.items()
    }
    yes, no = len(mine["approved"]), len(mine["rejected"])
    told = f"{yes} of {rules.approvals} approved and {no} of {rules.rejections} rejected by people"
    older = sum(map(len, by_state.values())) - yes - no
    told += f" ({older} more on other versions)" if older else ""
    if yes >= rules.approvals and no >= rules.rejections:
        return ok("approvals", told)
    do = "Work in assisted mode: approve drafts in Slack or by `swarm approvals`, and reject one."
    return fail("approvals", told, do)


def check_learned(ground: Ground) -> Check:
    """Each rejection of a person stands in the bank. Raises StoreUnavailable, BankUnreadable."""
    with ground.store.read() as conn:
        documents = conn.execute(select(lessons.c.document)).scalars().all()
    events = [told["event_id"] for told in map(json.loads, documents) if _is_rejection(told)]
    if not events:
        do = "Reject one draft: `swarm approvals reject ID --reason CODE`, or in Slack."
        return fail("learned", "nothing was rejected yet", do)
    bank = Bank(ground.hive.bank_file, ground.config.policy.bank, ground.clock)
    known = {mark.event_id for item in bank.items() for mark in item.evidence}
    left = [event for event in events if event not in known]
    told = f"{len(events) - len(left)} of {len(events)} rejections stand in the bank"
    if left:
        return fail("learned", told, "`swarm up` folds them within a second; see its log.")
    return ok("learned", told)


def check_unknown_sends(ground: Ground) -> Check:
    """No write's fate is open. Raises StoreUnavailable."""
    with ground.store.read() as conn:
        count = conn.execute(
            select(func.count()).select_from(writes).where(writes.c.status == "unknown")
        ).scalar_one()
    if count:
        do = "`swarm sends unknown` lists them: look at the vendor, then `swarm sends resolve`."
        return fail("unknown_sends", f"{count} writes may have happened or not", do)
    return ok("unknown_sends", "none")


def other_versions(ground: Ground, audit_ids: Sequence[str], mode: Mode) -> str:
    """Why these decisions are no evidence for what stands here; empty when they are.

    Args:
        mode: the lowest one they must have been made in.
    """
    here = ground.versions.code
    modes = [one for one in Mode if one.rank >= mode.rank] if mode is not Mode.SHADOW else [mode]
    policies = {policy_version(with_mode(ground.config, one)) for one in modes}
    for body in _bodies(ground, audit_ids):
        if body is None:
            return "a decision of it is not on record"
        if body.get("policy_version") not in policies:
            return f"under another policy ({body.get('policy_version')})"
        if body.get("code_version") != here:
            return f"by other code ({body.get('code_version') or 'not told'})"
    return ""


def _bodies(ground: Ground, audit_ids: Sequence[str]) -> Iterable[dict[str, Any] | None]:
    """Bodies of the decisions; rows that never became a lead were decided under no policy."""
    audit = ground.audit
    for audit_id in audit_ids:
        record = audit.find(audit_id)
        if record is None:
            yield None
        elif record["kind"] == "review":
            yield record["body"]


def _decided(ground: Ground, state: str) -> list[str]:
    """The reviews of leads that people decided about, one for each lead."""
    with ground.store.read() as conn:
        found = conn.execute(
            select(approvals.c.lead_id, approvals.c.decision_audit_id)
            .where(approvals.c.state == state, approvals.c.ended_by != "swarm")
            .order_by(approvals.c.ended_at)
        ).all()
    return list({row.lead_id: row.decision_audit_id for row in found}.values())


def _is_rejection(told: dict[str, Any]) -> bool:
    return told.get("outcome") == "rejection"
