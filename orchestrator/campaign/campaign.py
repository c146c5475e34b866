"""One campaign from its first act to its record. Owns: the order of things, and the files.

Everything lies in `<hive>/chaos/<id>/`: the campaign's own hive and configuration, and at the end
report.json and report.html. `<hive>/chaos/latest` names the newest.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import secrets
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from guardrails.clock import iso, utc_now
from guardrails.config import Config, load_config
from guardrails.errors import BadInput
from guardrails.brakes.failures import clusters
from guardrails.hive import Hive
from guardrails.store import Store, open_store
from orchestrator.campaign import aftermath, counts, proc
from orchestrator.campaign.acts import Acts, differences
from orchestrator.campaign.checks import ask
from orchestrator.campaign.derive import Derived, derive
from orchestrator.campaign.findings import Findings
from orchestrator.campaign.outage import per_second
from orchestrator.campaign.plan import Plan
from orchestrator.campaign.record import CampaignRecord
from orchestrator.campaign.verdicts import lead_results
from orchestrator.campaign.watch import Show, Watch
from orchestrator.environment import Environment
from orchestrator.fixes.propose import propose

_ORPHAN_WAIT_S = 5.0


@dataclass(frozen=True)
class Ground:
    """Where a campaign takes place."""

    campaign_id: str
    folder: Path
    hive: Path
    started_at: str
    environment: Environment


def lay_out(plan: Plan, environment: Environment) -> Ground:
    """The campaign's own folder.

    Raises:
        BadInput: no leads file, or the production database was given as the campaign's.
    """
    if plan.kind == "random" and not plan.leads.is_file():
        raise BadInput(f"{plan.leads}: no such file", remedy="Give --leads FILE (a CSV).")
    production = environment.values.get("SWARM_DATABASE_URL")
    if plan.database_url is not None and plan.database_url == production:
        raise BadInput(
            "the campaign would lock and fill the production database",
            remedy="Give --database-url of an empty database, or leave it out.",
        )
    now = utc_now()
    campaign_id = f"C-{now.strftime('%Y%m%dT%H%M%S')}-{secrets.token_hex(3)}"
    folder = plan.hive.absolute() / "chaos" / campaign_id
    folder.mkdir(mode=0o700, parents=True)
    values = dict(environment.values)
    values.pop("SWARM_DATABASE_URL", None)
    if plan.database_url is not None:
        values["SWARM_DATABASE_URL"] = plan.database_url
    own = Environment({name: value for name, value in values.items() if name != "SWARM_CONFIG"})
    return Ground(campaign_id, folder, folder / "hive", iso(now), own)


async def run_campaign(plan: Plan, ground: Ground, show: Show) -> CampaignRecord:
    """All acts and the answers.

    Raises:
        SwarmError: what keeps the swarm from starting at all, or the leads from being read.
    """
    config = load_config(plan.config)
    derived = derive(plan, config, ground.folder / "config")
    began = time.monotonic()
    watch = Watch(plan, ground.campaign_id, derived.production.spend.daily_cap_micros, show)
    acts = Acts(plan, derived, ground.hive, ground.environment, watch)
    with ending_early(acts):
        await acts.steady()
        await acts.faults()
    await acts.recovery()
    watch.phase = "checks"
    show(watch.snapshot())
    orphans = await asyncio.to_thread(_orphans, ground.hive, watch)
    hive = Hive.open(ground.hive, sandbox=plan.sandbox)
    store = open_store(hive, plan.database_url)
    try:
        fixes = await _fixes(store, hive, derived, watch)
        measured = _Measured(plan, hive, store, config, derived, acts.seen, watch, orphans, fixes)
        findings, extra = await asyncio.to_thread(_measure, measured)
    finally:
        store.close()
    record = _record(plan, ground, derived, acts, watch, findings, extra)
    watch.phase = "done"
    show(watch.snapshot())
    return record.model_copy(update={"seconds": round(time.monotonic() - began, 1)})


@contextlib.contextmanager
def ending_early(acts: Acts) -> Iterator[None]:
    """Ctrl-C ends the faults; a second one ends the campaign."""
    loop = asyncio.get_running_loop()

    def end() -> None:
        acts.stop.set()
        loop.remove_signal_handler(signal.SIGINT)

    try:
        loop.add_signal_handler(signal.SIGINT, end)
    except (NotImplementedError, RuntimeError, ValueError):  # not the main thread
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def _measure(
    plan: Plan, ground: Ground, config: Config, derived: Derived, acts: Acts, watch: Watch
) -> tuple[Findings, dict[str, Any]]:
    seen = acts.seen
    orphans = _orphans(ground.hive, watch)
    hive = Hive.open(ground.hive, sandbox=plan.sandbox)
    store = open_store(hive, plan.database_url)
    try:
        audit = aftermath.audit_of(hive, store)
        runs = [each.run_id for each in seen.rounds if each.run_id]
        calm = [each.run_id for each in (seen.baseline, seen.baseline_again, seen.after) if each]
        with store.read() as conn:
            faults = counts.faults_seen(conn, runs, watch.began)
            changes = counts.breaker_changes(conn, watch.began)
            calls = counts.calls_by_vendor(conn, [*runs, *calm])
            spend = aftermath.spend_of(conn, derived.production.spend)
        clusters, proposals = _fixes(hive, store, config, watch)
    finally:
        store.close()
    items, bank_problem = aftermath.bank_of(hive, config.policy)
    logs = aftermath.logs_of(hive.logs_dir)
    spans = tuple(counts.spans(changes, watch.began, counts.later(watch.began, seen.fault_s)))
    assert seen.baseline is not None
    rounds = seen.rounds
    halts: dict[str, int] = {}
    for code in (code for each in rounds for code in each.halts):
        halts[code] = halts.get(code, 0) + 1
    budget = derived.production.retry_budget
    found = Findings(
        sandbox=plan.sandbox,
        leads=lead_results(seen.baseline, rounds, seen.after),
        unsteady=tuple(differences(seen.baseline, seen.baseline_again)),
        rounds=len(rounds),
        resumes=sum(each.resumes for each in rounds),
        halts=halts,
        recovery_rounds=seen.recovery_rounds,
        recovery_s=seen.recovery_s,
        faults=dict(watch.faults()),
        spans=tuple(span for span in spans if span.start < seen.fault_s),
        outages=tuple(seen.outages),
        arrivals=seen.arrivals,
        calls=calls,
        retry_ratio=budget.ratio,
        retry_reserve=budget.reserve,
        proposals=tuple(proposals),
        clusters=tuple(clusters),
        audit_ok=not isinstance(audit, str) and audit.ok,
        audit_records=0 if isinstance(audit, str) else audit.records,
        audit_problem=audit if isinstance(audit, str) else (audit.problem or ""),
        bank_problem=bank_problem,
        bank_items=items,
        spend=spend,
        vendor_writes=sum(seen.writes) if seen.writes else -1,
        restarts=dict(watch.restarts),
        restarts_explained=max(logs.hung, 0) + seen.servers_struck,
        broken=(
            *(error for each in rounds for error in each.broken),
            *seen.strikes_failed,
            *logs.unforeseen,
        ),
        crashed_rows=sum(len(each.crashed) for each in rounds),
        orphans=orphans,
        round_memory=tuple(watch.round_memory),
    )
    both = sorted([*faults, *seen.struck], key=lambda fault: fault.t)
    return found, {"faults": tuple(both)}


async def _fixes(
    store: Store, hive: Hive, derived: Derived, watch: Watch
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Clusters of failures, and what Auto-Fix makes of them."""
    hours = (utc_now() - watch.began).total_seconds() / 3600
    proposals = await propose(store, hive, derived.faulty, utc_now, hours=hours)
    since = iso(watch.began)
    found = await store.query(lambda conn: clusters(conn, since=since))
    return [asdict(each) for each in found], [each.model_dump(mode="json") for each in proposals]


def _orphans(hive: Path, watch: Watch) -> tuple[int, ...]:
    """Processes that should have ended; they get a moment to do so."""
    deadline = time.monotonic() + _ORPHAN_WAIT_S
    while left := proc.alive(watch.pids) | proc.using(hive):
        if time.monotonic() >= deadline:
            break
        time.sleep(0.1)
    return tuple(sorted(left))


def _record(
    plan: Plan,
    ground: Ground,
    derived: Derived,
    acts: Acts,
    watch: Watch,
    found: Findings,
    extra: dict[str, Any],
) -> CampaignRecord:
    held = sum(row.held for row in found.spend if row.scope == counts.TOTAL)
    return CampaignRecord(
        campaign_id=ground.campaign_id,
        kind=plan.kind,
        started_at=ground.started_at,
        seconds=0.0,
        seed=plan.seed,
        rate=plan.rate,
        faults_allowed=plan.faults,
        sandbox=plan.sandbox,
        leads_file=str(plan.leads),
        rounds=found.rounds,
        command=plan.command,
        environment=_machine(plan),
        scaled=derived.scaled,
        samples=tuple(watch.samples),
        breakers=found.spans,
        faults=extra["faults"],
        arrivals=per_second(found.arrivals or ()),
        leads=found.leads,
        clusters=tuple(dict(each) for each in found.clusters),
        proposals=tuple(dict(each) for each in found.proposals),
        restarts=dict(found.restarts),
        spend={"held_micros": held, "cap_micros": derived.production.spend.daily_cap_micros},
        questions=ask(found),
    )


def _machine(plan: Plan) -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "system": platform.platform(terse=True),
        "cpus": str(os.cpu_count()),
        "database": "postgresql" if plan.database_url else "sqlite",
    }


def save(record: CampaignRecord, ground: Ground) -> Path:
    """Write report.json and point `latest` at this campaign; the path of the report."""
    path = ground.folder / "report.json"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(record.model_dump_json(indent=1) + "\n")
    link = ground.folder.parent / "latest"
    draft = link.with_name(f".latest.{os.getpid()}")
    draft.symlink_to(ground.folder.name)
    draft.replace(link)
    return path
