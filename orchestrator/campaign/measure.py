"""From what the acts left to findings and the record. Owns: which measurement answers what."""

from __future__ import annotations

import os
import platform
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from guardrails.audit import AuditReport
from guardrails.brakes.failures import clusters
from guardrails.clock import iso, utc_now
from guardrails.config import Config
from guardrails.hive import Hive
from guardrails.store import Store
from orchestrator.campaign import aftermath, counts
from orchestrator.campaign.acts import Seen
from orchestrator.campaign.checks import ask
from orchestrator.campaign.derive import Derived
from orchestrator.campaign.findings import Coverage, Findings
from orchestrator.campaign.outage import per_second
from orchestrator.campaign.plan import Plan
from orchestrator.campaign.record import CampaignRecord, FaultSeen
from orchestrator.campaign.rounds import Round
from orchestrator.campaign.verdicts import differences, lead_results
from orchestrator.campaign.watch import Watch
from orchestrator.fixes.propose import propose


@dataclass(frozen=True)
class Ended:
    """A campaign whose processes have all ended, its hive open once more."""

    plan: Plan
    campaign_id: str
    started_at: str
    config: Config
    derived: Derived
    seen: Seen
    watch: Watch
    hive: Hive
    store: Store
    orphans: tuple[int, ...]
    coverage: Coverage | None = None


@dataclass(frozen=True)
class Fixes:
    """Clusters of failures and what Auto-Fix makes of them, as documents."""

    clusters: tuple[dict[str, Any], ...]
    proposals: tuple[dict[str, Any], ...]


async def fixes_of(ended: Ended) -> Fixes:
    """Ask Auto-Fix about the failures since the faults began."""
    began = ended.watch.began
    hours = (utc_now() - began).total_seconds() / 3600
    proposals = await propose(ended.store, ended.hive, ended.derived.faulty, utc_now, hours=hours)
    since = iso(began)
    found = await ended.store.query(lambda conn: clusters(conn, since=since))
    return Fixes(
        tuple(asdict(each) for each in found),
        tuple(each.model_dump(mode="json") for each in proposals),
    )


def measure(ended: Ended, fixes: Fixes) -> tuple[Findings, tuple[FaultSeen, ...]]:
    """Everything that is asked about, and every fault in order of time."""
    seen, watch, production = ended.seen, ended.watch, ended.derived.production
    runs = [each.run_id for each in seen.rounds if each.run_id]
    calm = [each.run_id for each in (seen.baseline, seen.baseline_again, seen.after) if each]
    audit = aftermath.audit_of(ended.hive, ended.store)
    with ended.store.read() as conn:
        faults = counts.faults_seen(conn, runs, watch.began)
        changes = counts.breaker_changes(conn, watch.began)
        calls = counts.calls_by_vendor(conn, [*runs, *calm])
        spend = aftermath.spend_of(conn, production.spend)
    items, bank_problem = aftermath.bank_of(ended.hive, ended.config.policy)
    logs = aftermath.logs_of(ended.hive.logs_dir)
    until = counts.later(watch.began, seen.fault_s)
    spans = counts.spans((each for each in changes if each.at < until), watch.began, until)
    found = Findings(
        sandbox=ended.plan.sandbox,
        recovery_rounds=seen.recovery_rounds,
        recovery_s=seen.recovery_s,
        faults=dict(watch.faults()),
        spans=tuple(spans),
        outages=tuple(seen.outages),
        arrivals=seen.arrivals,
        calls=calls,
        retry_ratio=production.retry_budget.ratio,
        retry_reserve=production.retry_budget.reserve,
        proposals=fixes.proposals,
        clusters=fixes.clusters,
        bank_problem=bank_problem,
        bank_items=items,
        spend=spend,
        vendor_writes=sum(seen.writes) if seen.writes else -1,
        restarts=dict(watch.restarts),
        restarts_explained=logs.hung + seen.servers_killed,
        broken=(*(e for each in seen.rounds for e in each.broken), *logs.unforeseen),
        orphans=ended.orphans,
        round_memory=tuple(watch.round_memory),
        coverage=ended.coverage,
        **_of_rounds(seen),
        **_of_audit(audit),
    )
    return found, tuple(sorted([*faults, *seen.struck], key=lambda fault: fault.t))


def _of_rounds(seen: Seen) -> dict[str, Any]:
    baseline = seen.baseline or Round(0)
    return {
        "leads": lead_results(baseline, seen.rounds, seen.after),
        "unsteady": tuple(differences(baseline, seen.baseline_again)),
        "rounds": len(seen.rounds),
        "resumes": sum(each.resumes for each in seen.rounds),
        "halts": dict(Counter(code for each in seen.rounds for code in each.halts)),
        "crashed_rows": sum(len(each.crashed) for each in seen.rounds),
    }


def _of_audit(audit: AuditReport | str) -> dict[str, Any]:
    if isinstance(audit, str):
        return {"audit_problem": audit}
    return {
        "audit_ok": audit.ok,
        "audit_records": audit.records,
        "audit_problem": audit.problem or "",
    }


def record_of(
    ended: Ended, found: Findings, faults: tuple[FaultSeen, ...], seconds: float
) -> CampaignRecord:
    """The record, its questions answered."""
    plan = ended.plan
    held = sum(row.held for row in found.spend if row.scope == counts.TOTAL)
    cap = ended.derived.production.spend.daily_cap_micros
    return CampaignRecord(
        campaign_id=ended.campaign_id,
        kind=plan.kind,
        started_at=ended.started_at,
        seconds=round(seconds, 1),
        seed=plan.seed,
        rate=plan.rate,
        faults_allowed=plan.faults,
        sandbox=plan.sandbox,
        leads_file=str(plan.leads),
        rounds=found.rounds,
        command=plan.command,
        environment={
            "python": platform.python_version(),
            "system": platform.platform(terse=True),
            "cpus": str(os.cpu_count()),
            "database": "postgresql" if plan.database_url else "sqlite",
        },
        scaled=ended.derived.scaled,
        samples=tuple(ended.watch.samples),
        breakers=found.spans,
        faults=faults,
        arrivals=per_second(found.arrivals or ()),
        leads=found.leads,
        clusters=tuple(dict(each) for each in found.clusters),
        proposals=tuple(dict(each) for each in found.proposals),
        restarts=dict(found.restarts),
        spend={"held_micros": held, "cap_micros": cap},
        questions=ask(found),
    )
