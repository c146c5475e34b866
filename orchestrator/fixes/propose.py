"""From failures to proposals. Owns: running every diagnosis, and joining what has one remedy.

A proposal that exists keeps its state and gets the newer evidence. Refuses to show a patch that
could not be applied: it is tried on the configuration first.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from guardrails.brakes.failures import Cluster, FailureTracker, clusters
from guardrails.clock import Clock, iso
from guardrails.config import config_dir
from guardrails.config.loader import packaged_file
from guardrails.errors import ConfigError, Refused
from guardrails.hive import Hive
from guardrails.store import Store
from orchestrator.fixes.diagnoses import DIAGNOSES
from orchestrator.fixes.finding import Finding, Setting
from orchestrator.fixes.model import Evidence, FixFiles, FixStatus, Proposal, fix_id
from orchestrator.fixes.patching import in_force, patched

SINCE_HOURS = 24.0
_CLUSTERS = 500
_SHOWN = 20
_DETAILS = 3


@dataclass(frozen=True)
class _Case:
    """One finding and all clusters that lead to it."""

    finding: Finding
    clusters: tuple[Cluster, ...]


def production_file(config: Path | None) -> Path:
    """The production.json that a `--config` (or none) means.

    Raises:
        ConfigError: there is none.
    """
    if config is not None and config.suffix == ".json":
        return config
    return config_dir(config) / "production.json"


def read_setting(config: Path | None) -> Setting:
    """The configuration as diagnoses see it.

    Raises:
        ConfigError: it cannot be read.
    """
    return Setting(_read(production_file(config)), _read(packaged_file("production")))


async def propose(
    store: Store,
    hive: Hive,
    config: Path | None,
    clock: Clock,
    *,
    hours: float = SINCE_HOURS,
) -> tuple[Proposal, ...]:
    """Diagnose the last `hours` and write what is new.

    Returns:
        The proposals these failures lead to, those with most evidence first.

    Raises:
        StoreUnavailable, ConfigError, DiskTrouble: nothing, or a part, was written.
    """
    await FailureTracker(store, hive, clock, "queen").absorb_pending()
    since = iso(clock() - timedelta(hours=hours))
    files = FixFiles(hive)
    setting = await asyncio.to_thread(read_setting, config)
    known = await asyncio.to_thread(_known, files, setting)
    applied = {(one.diagnosis, one.subject): one.changed_at for one in known if _counts(one)}

    starts = sorted({since, *(at for at in applied.values() if at > since)})
    seen = await store.query(
        lambda conn: [(at, clusters(conn, since=at, limit=_CLUSTERS)) for at in starts]
    )
    made: list[Proposal] = []
    for start, found in seen:
        made += [
            one
            for one in diagnosed(found, setting)
            if max(applied.get((one.diagnosis, one.subject), since), since) == start
        ]
    made.sort(key=lambda one: -one.evidence.failures)
    return await asyncio.to_thread(_write, files, known, made, setting, iso(clock()))


def diagnosed(found: Iterable[Cluster], setting: Setting) -> tuple[Proposal, ...]:
    """What all diagnoses say of these clusters; `created_at` is left for the caller."""
    cases: dict[str, _Case] = {}
    for cluster in found:
        for registered in DIAGNOSES:
            finding = registered.diagnose(cluster, setting)
            if finding is None:
                continue
            id = fix_id(finding.diagnosis, finding.subject, finding.patch)
            before = cases[id].clusters if id in cases else ()
            cases[id] = _Case(_sound(finding, setting), (*before, cluster))
    made = [_proposal(id, case) for id, case in cases.items() if _enough(case)]
    return tuple(sorted(made, key=lambda one: -one.evidence.failures))


def _known(files: FixFiles, setting: Setting) -> tuple[Proposal, ...]:
    """Every proposal; a status that a crash kept from being noted is noted."""
    for fix in files.all():
        status = _status(fix, setting)
        if status != fix.status:
            files.put(fix.model_copy(update={"status": status}))
    return files.all()


def _status(fix: Proposal, setting: Setting) -> FixStatus:
    """As the file has it: what was recorded may have got into it, or out of it, unnoted."""
    if fix.audit_id is None or not fix.patch:
        return fix.status
    if in_force(fix.inverse, setting.document):
        return "applied"
    return "reverted" if fix.status == "applied" and _fits(fix, setting) else fix.status


def _counts(fix: Proposal) -> bool:
    """What failed before a fix was applied says nothing about the configuration after it."""
    return fix.status == "applied" and bool(fix.patch)


def _enough(case: _Case) -> bool:
    wanted = {one.name: one.at_least for one in DIAGNOSES}
    drifts = case.finding.diagnosis in ("renamed_field", "changed_field")
    name = "drifted" if drifts else case.finding.diagnosis
    return sum(cluster.count for cluster in case.clusters) >= wanted[name]


def _sound(finding: Finding, setting: Setting) -> Finding:
    """`finding`, its patch only when it can be applied; otherwise its reason as a step."""
    if not finding.patch:
        return finding
    try:
        patched(finding.patch, setting.document, setting.packaged)
    except Refused as error:
        step = f"No patch is proposed: {error.message}."
        return replace(
            finding,
            patch=(),
            steps=(*finding.steps, step),
            not_measurable="not measurable: there is no patch",
        )
    return finding


def _proposal(id: str, case: _Case) -> Proposal:
    finding = case.finding
    return Proposal(
        id=id,
        diagnosis=finding.diagnosis,
        subject=finding.subject,
        title=finding.title,
        text=finding.text,
        evidence=_evidence(case.clusters),
        patch=finding.patch,
        steps=finding.steps,
        expected=finding.expected,
        quarantine=finding.quarantine,
        not_measurable=finding.not_measurable,
        created_at="",
        changed_at="",
    )


def _evidence(found: Sequence[Cluster]) -> Evidence:
    leads = tuple(dict.fromkeys(lead for one in found for lead in one.lead_ids))
    return Evidence(
        failures=sum(one.count for one in found),
        leads=max(max(one.leads for one in found), len(leads)),
        lead_ids=leads[:_SHOWN],
        first_seen=min(one.first_seen for one in found),
        last_seen=max(one.last_seen for one in found),
        per_hour=round(sum(one.per_hour for one in found), 1),
        cost_micros=sum(one.cost_micros for one in found),
        injected=sum(one.injected for one in found),
        signatures=tuple(one.signature for one in found)[:_SHOWN],
        failure_ids=tuple(id for one in found for id in one.failure_ids)[:_SHOWN],
        details=tuple(dict.fromkeys(text for one in found for text in one.details))[:_DETAILS],
    )


def _write(
    files: FixFiles,
    known: Sequence[Proposal],
    made: Sequence[Proposal],
    setting: Setting,
    now: str,
) -> tuple[Proposal, ...]:
    there = {one.id: one for one in known}
    written = [_merged(there.get(one.id), one, now) for one in made]
    for fresh in written:
        if fresh is not there.get(fresh.id):
            files.put(fresh)
    told = {mark for one in written for mark in one.evidence.signatures}
    ids = {one.id for one in written}
    for old in known:
        stale = told.issuperset(old.evidence.signatures) or not _fits(old, setting)
        if old.status == "proposed" and old.id not in ids and stale:
            files.drop(old.id)
    return tuple(written)


def _merged(old: Proposal | None, made: Proposal, now: str) -> Proposal:
    if old is None:
        return made.model_copy(update={"created_at": now, "changed_at": now})
    if old.status == "applied" or old.evidence == made.evidence:
        return old  # what was applied keeps the evidence it was applied on
    return old.model_copy(update={"evidence": made.evidence, "changed_at": now})


def _fits(fix: Proposal, setting: Setting) -> bool:
    try:
        return not fix.patch or bool(patched(fix.patch, setting.document, setting.packaged))
    except Refused:
        return False


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid JSON: {error}") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: not a JSON object")
    return found
