"""Day 2: whether the failure campaign held. Owns: reading its report, and its hive's own record.

The report says how it went; which rules and which code it tried is in the audit of the campaign's
hive, decision by decision. Refuses a report whose record is gone, broken or of other versions.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from guardrails.audit import AuditLog
from guardrails.errors import SwarmError
from guardrails.hive import Hive
from guardrails.store import open_existing
from orchestrator.campaign.record import CampaignRecord
from orchestrator.preflight.ground import Ground
from orchestrator.preflight.model import Check, fail, ok, unknown

# Against the twins: an hour of failures is nobody else's business, and it has a hive of its own.
_RUN = (
    "Run it: python scripts/run_failure_campaign.py --sandbox --rate 0.1 --duration {minutes:g}m"
    "{hive}"
)
_NEARLY = 0.95  # the last fault falls a little before the end
_WAIT_S = 10.0


def check_chaos(ground: Ground) -> Check:
    """The latest campaign of this hive."""
    minutes = ground.config.production.readiness.chaos_minutes
    do = _RUN.format(minutes=minutes, hive=ground.flags.removeprefix(" --sandbox"))
    folder = ground.hive.path / "chaos" / "latest"
    try:
        record = CampaignRecord.model_validate_json((folder / "report.json").read_bytes())
    except FileNotFoundError:
        return fail("chaos", "no campaign has ended here yet", do)
    except (OSError, ValidationError) as error:
        return unknown("chaos", f"its report cannot be read ({type(error).__name__})", do)
    lasted = max((fault.t for fault in record.faults), default=0.0)
    where = " against the twins" if record.sandbox else ""
    told = f"{record.campaign_id}: {lasted / 60:.0f} minutes, {len(record.faults)} faults{where}"
    if not record.passed:
        open_ = [one.text for one in record.questions if not one.holds] or ["nothing was asked"]
        return fail("chaos", f"{told}; did not hold: {open_[0]}", f"Read {folder}/report.html")
    if lasted < minutes * 60 * _NEARLY:
        return fail("chaos", f"{told}: too short", do)
    return _on_record(ground, folder, told, do)


def _on_record(ground: Ground, folder: Path, told: str, do: str) -> Check:
    try:
        hive = Hive.existing(folder / "hive")
        store = open_existing(hive, None, wait_s=_WAIT_S)
    except SwarmError as error:
        said = f"{told}; its record cannot be looked at ({error.message})"
        return unknown("chaos", said, "A campaign on a database of its own cannot be looked into.")
    try:
        audit = AuditLog(hive, store, ground.clock)
        try:
            problem = _judged(ground, audit)
        finally:
            audit.close()
    except SwarmError as error:
        return unknown("chaos", f"{told}; its record cannot be read ({error.message})", do)
    finally:
        store.close()
    if problem:
        return fail("chaos", f"{told}, but {problem}", do)
    return ok("chaos", f"{told}: held, on these versions")


def _judged(ground: Ground, audit: AuditLog) -> str:
    """Why the record is no evidence for what stands here; empty when it is."""
    report = audit.verify()
    if not report.ok:
        return f"its record does not hold: {report.problem}"
    here, decisions = ground.versions, 0
    for record in audit.iter_records():
        if record["kind"] != "review":
            continue
        decisions += 1
        body = record["body"]
        if body.get("policy_version") != here.policy:
            return f"under another policy ({body.get('policy_version')})"
        if body.get("code_version") != here.code:
            return f"by other code ({body.get('code_version') or 'not told'})"
    return "" if decisions else "nothing was decided in it"
