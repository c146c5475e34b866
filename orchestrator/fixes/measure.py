"""The measured effect of a fix. Owns: replaying failed leads twice, without and with the patch.

Both runs are real: six servers, a queen and the twins in a hive of their own under a temporary
directory, the twins failing as the vendor did. Leads of the sandbox are replayed as they are; of
a real hive only their number counts, and invented leads stand in for them. Nothing of the hive
is changed but the proposal's own file.
"""

from __future__ import annotations

import asyncio
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Connection, func, select

from guardrails.clock import Clock, iso
from guardrails.config import config_dir
from guardrails.config.loader import packaged_file
from guardrails.errors import BadInput, Refused, ServerUnavailable
from guardrails.hive import Hive
from guardrails.model import Mode, digest
from guardrails.store import Store, open_store
from guardrails.store.brake_tables import failures
from guardrails.store.tables import run_items
from orchestrator.bootstrap import Swarm, running_swarm
from orchestrator.environment import Environment
from orchestrator.fixes.conditions import Condition, condition_of
from orchestrator.fixes.model import FixFiles, Measured, Proposal, Trial
from orchestrator.fixes.patching import Json, patched, rendered
from orchestrator.fixes.propose import read_setting
from orchestrator.options import Options
from orchestrator.shadow import ShadowRun

_COLUMNS = {
    "First Name": "first_name", "Last Name": "last_name", "Email": "email", "Job Title": "title",
    "Company": "company", "Website": "website", "Country": "country", "State": "state",
    "City": "city", "Industry": "industry",
}  # fmt: skip
_GENERATE_S = 60
Say = Callable[[str], None]


async def measure(
    id: str, hive: Hive, store: Store, config: Path | None, clock: Clock, say: Say
) -> Proposal:
    """Measure a proposal and write the result into it.

    Args:
        say: is told what is being done.

    Returns:
        The proposal, with `measured`, or with `not_measurable` when nothing reproduces it.

    Raises:
        NotFound, BadInput, Refused, ConfigError, ServerUnavailable: nothing was measured.
    """
    files = FixFiles(hive)
    fix = files.get(id)
    setting = await asyncio.to_thread(read_setting, config)
    if fix.status == "applied":
        raise Refused(f"{id} is applied: its effect is in the configuration already")
    condition = condition_of(fix, setting.document)
    if condition is None:
        why = fix.not_measurable or "not measurable: no condition of the twins reproduces it"
        told: Json = {"not_measurable": why}
    else:
        documents = {
            "without": condition.scaled(setting.document),
            "with": condition.scaled(patched(fix.patch, setting.document, setting.packaged)),
        }
        before, after = await _replayed(fix, hive, store, config, condition, documents, say)
        found = Measured(
            at=iso(clock()),
            condition=condition.text,
            before=before,
            after=after,
            patch_digest=digest([op.wire() for op in fix.patch]),
        )
        told = {"measured": found, "not_measurable": None}
    # Read again: meanwhile a person may have applied it, or newer evidence come in.
    noted = files.get(id).model_copy(update=told)
    files.put(noted)
    return noted


async def _replayed(
    fix: Proposal,
    hive: Hive,
    store: Store,
    config: Path | None,
    condition: Condition,
    documents: Mapping[str, Json],
    say: Say,
) -> list[Trial]:
    """The same leads through each of the configurations, one after the other."""
    trials = []
    with tempfile.TemporaryDirectory(prefix="swarm-measure-") as place:
        root = Path(place)
        leads = await write_leads(fix, hive, store, condition.leads, root / "leads.csv")
        for name, document in documents.items():
            say(f"replaying {leads} leads {name} the patch, {condition.text}")
            directory = _config(root / name, config, document)
            trials.append(await _trial(root / f"hive-{name}", directory, root, condition))
    return trials


async def _trial(hive: Path, config: Path, root: Path, condition: Condition) -> Trial:
    options = Options(
        hive=hive,
        sandbox=True,
        config_path=config,
        mode=Mode.SHADOW,
        hunter_roots=(root,),
        vendor_limits=condition.vendor_limits,
    )
    async with running_swarm(options, Environment({})) as swarm:
        await _behave(swarm, condition.switches)
        outcome = await ShadowRun(swarm, root / "leads.csv", None, _quiet).execute(fresh=True)
        run_id = outcome.run.run_id
    return await asyncio.to_thread(_read_trial, hive, run_id, condition)


def _read_trial(hive: Path, run_id: str, condition: Condition) -> Trial:
    """After the servers have ended, so that every failure is written."""
    store = open_store(Hive.existing(hive))
    try:
        with store.read() as conn:
            return _count(conn, run_id, condition)
    finally:
        store.close()


def _count(conn: Connection, run_id: str, condition: Condition) -> Trial:
    mine = (failures.c.vendor == condition.vendor, failures.c.kind.in_(condition.kinds))
    number = conn.execute(select(func.count()).select_from(failures).where(*mine)).scalar_one()
    rows = conn.execute(select(run_items.c.state).where(run_items.c.run_id == run_id)).scalars()
    states = Counter(state or "undecided" for state in rows)
    return Trial(failures=number, leads=states.total(), states=dict(sorted(states.items())))


async def _behave(swarm: Swarm, switches: Mapping[str, Any]) -> None:
    assert swarm.twins is not None  # a sandbox has them
    url = f"http://127.0.0.1:{swarm.twins.port}/_twin/behaviour"
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            answer = await client.post(url, json=dict(switches))
            answer.raise_for_status()
    except httpx.HTTPError as error:
        raise ServerUnavailable(f"the twins do not take the condition: {error}") from error


def _config(directory: Path, config: Path | None, document: Json) -> Path:
    """A copy of the configuration with another production.json; for this measurement only."""
    source = config_dir(config)
    shutil.copytree(source, directory)
    for name in packaged_file("production").parent.iterdir():
        if name.is_file() and not (directory / name.name).exists():
            shutil.copy(name, directory / name.name)
    document = {**document, "mode": Mode.SHADOW.value}
    document["failure_injection"] = {**document["failure_injection"], "enabled": False}
    (directory / "production.json").write_bytes(rendered(document))
    return directory


async def write_leads(fix: Proposal, hive: Hive, store: Store, wanted: int, path: Path) -> int:
    """The failed leads of a sandbox, or invented ones; how many there are."""
    found: list[Json] = []
    if hive.sandbox:
        ids = list(fix.evidence.lead_ids)
        found = await store.query(lambda conn: _failed(conn, ids))
    rows = [{name: lead.get(key) or "" for name, key in _COLUMNS.items()} for lead in found]
    more = max(0, min(wanted, max(wanted, fix.evidence.leads)) - len(rows))
    if more:
        rows += await asyncio.to_thread(_invented, path.with_name("invented.csv"), more, rows)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(_COLUMNS))
        writer.writeheader()
        writer.writerows(rows)
    return len(rows)


def _failed(conn: Connection, ids: Sequence[str]) -> list[Json]:
    statement = (
        select(run_items.c.lead_id, run_items.c.lead)
        .where(run_items.c.lead_id.in_(ids), run_items.c.lead.is_not(None))
        .order_by(run_items.c.lead_id)
    )
    by_id = {row.lead_id: json.loads(row.lead) for row in conn.execute(statement)}
    return list(by_id.values())


def _invented(path: Path, number: int, beside: Sequence[Mapping[str, str]]) -> list[Json]:
    """`number` leads of the sandbox's generator, none of them in `beside`."""
    command = (
        sys.executable, "-P", "-c",
        "import sys; from pathlib import Path; from servers.sandbox.leads import write_leads_csv; "
        "write_leads_csv(Path(sys.argv[1]), int(sys.argv[2]), 7)",
        str(path), str(number + len(beside) + 10),
    )  # fmt: skip
    done = subprocess.run(  # noqa: S603  our own module, no shell
        command, capture_output=True, text=True, timeout=_GENERATE_S, check=False, env=_bare()
    )
    if done.returncode != 0:
        raise BadInput(f"no leads could be invented: {done.stderr[-300:]}")
    known = {row["Email"] for row in beside}
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["Email"] not in known]
    return [{name: row.get(name, "") for name in _COLUMNS} for row in rows[:number]]


def _bare() -> dict[str, str]:
    """No key of this process's environment (P8)."""
    return {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}


def _quiet(done: int, total: int, label: str) -> None:
    return None
