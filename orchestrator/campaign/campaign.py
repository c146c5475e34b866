"""One campaign from its first act to its record. Owns: the order of things, and the files.

Everything lies in `<hive>/chaos/<id>/`: the campaign's own hive and configuration, and at the end
report.json and report.html. `<hive>/chaos/latest` names the newest. Refuses to work on the
production database.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from guardrails.clock import iso, utc_now
from guardrails.config import load_config
from guardrails.errors import BadInput
from guardrails.hive import Hive
from guardrails.store import open_store
from orchestrator.campaign import measure, proc
from orchestrator.campaign.acts import Acts
from orchestrator.campaign.derive import derive
from orchestrator.campaign.plan import Plan
from orchestrator.campaign.record import CampaignRecord
from orchestrator.campaign.sweep import Sweep, on_generated_leads, write_leads
from orchestrator.campaign.watch import Show, Watch
from orchestrator.environment import Environment

_ORPHAN_WAIT_S = 5.0


@dataclass(frozen=True)
class Ground:
    """Where a campaign takes place."""

    campaign_id: str
    folder: Path
    started_at: str
    environment: Environment

    @property
    def hive(self) -> Path:
        """The campaign's own hive."""
        return self.folder / "hive"

    @property
    def html(self) -> Path:
        """Where the drawn report goes."""
        return self.folder / "report.html"


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
    not_ours = {"SWARM_DATABASE_URL", "SWARM_CONFIG", "HIVE_MIND_DIR"}
    values = {name: value for name, value in environment.values.items() if name not in not_ours}
    if plan.database_url is not None:
        values["SWARM_DATABASE_URL"] = plan.database_url
    return Ground(campaign_id, folder, iso(now), Environment(values))


async def run_campaign(plan: Plan, ground: Ground, show: Show) -> CampaignRecord:
    """All acts and the answers.

    Raises:
        SwarmError: what keeps the swarm from starting at all, or the leads from being read.
    """
    config = load_config(plan.config)
    started = time.monotonic()
    if plan.kind == "sweep" and plan.sandbox:
        plan = on_generated_leads(plan, ground.folder)
        await write_leads(plan.leads, plan.seed)
    derived = derive(plan, config, ground.folder / "config")
    watch = Watch(plan, ground.campaign_id, derived.production.spend.daily_cap_micros, show)
    acts = Acts(plan, derived, ground.hive, ground.environment, watch)
    sweep = Sweep(plan, config, ground.folder / "config", acts) if plan.kind == "sweep" else None
    with ending_early(acts):
        await acts.steady()
        await (sweep.run() if sweep else acts.faults())
    await acts.recovery()
    watch.phase = "checks"
    show(watch.snapshot())
    orphans = await asyncio.to_thread(_orphans, ground.hive, watch)
    hive = Hive.open(ground.hive, sandbox=plan.sandbox)
    store = open_store(hive, plan.database_url)
    try:
        ended = measure.Ended(
            plan, ground.campaign_id, ground.started_at, config, derived, acts.seen, watch,
            hive, store, orphans, sweep.coverage if sweep else None,
        )  # fmt: skip
        fixes = await measure.fixes_of(ended)
        found, faults = await asyncio.to_thread(measure.measure, ended, fixes)
    finally:
        store.close()
    watch.phase = "done"
    show(watch.snapshot())
    return measure.record_of(ended, found, faults, time.monotonic() - started)


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


def _orphans(hive: Path, watch: Watch) -> tuple[int, ...]:
    """Processes that should have ended; they get a moment to do so."""
    deadline = time.monotonic() + _ORPHAN_WAIT_S
    while left := proc.alive(watch.pids) | proc.using(hive):
        if time.monotonic() >= deadline:
            break
        time.sleep(0.1)
    return tuple(sorted(left))


def save(record: CampaignRecord, ground: Ground) -> Path:
    """Write report.json and point `latest` at this campaign; the path of the report.

    Raises:
        OSError: it cannot be written.
    """
    path = ground.folder / "report.json"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(record.model_dump_json(indent=1) + "\n")
    link = ground.folder.parent / "latest"
    draft = link.with_name(f".latest.{os.getpid()}")
    draft.symlink_to(ground.folder.name)
    draft.replace(link)
    return path
