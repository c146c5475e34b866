"""What the commands about decisions do. Owns: opening the hive as it is and showing the answer.

Imported only when a command runs, so that `swarm --help` is quick. Every function returns the
exit code.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from guardrails.audit import AuditLog
from guardrails.audit.verify_fleet import FleetReport, verify_fleet
from guardrails.clock import utc_now
from guardrails.errors import BadInput, NotFound
from guardrails.explain import explain
from guardrails.hive import Hive
from guardrails.identity import dedupe_key, lead_id, normalise_email
from guardrails.replay import find_decision, replay
from guardrails.store import Store, open_store
from orchestrator.environment import Environment
from orchestrator.report import console


def explain_decision(id: str, hive: Path, *, as_json: bool) -> int:
    """Tell one decision."""
    with opened(hive) as (found, store), _asked_by(id):
        audit = AuditLog(found, store, utc_now)
        record, newest = find_decision(audit, _resolve(found, id))
    text = explain(record, newest)
    told = {name: record[name] for name in ("audit_id", "at", "kind", "lead_id", "run_id")}
    body = record["body"]
    told |= {"state": body.get("state"), "verdict": body.get("verdict"), "text": text}
    _show(told | {"record": record}, text, as_json=as_json)
    return 0


def replay_decision(id: str, hive: Path, *, as_json: bool) -> int:
    """Derive one verdict again. 1 when it differs."""
    with opened(hive) as (found, store), _asked_by(id):
        result = replay(AuditLog(found, store, utc_now), store, _resolve(found, id))
    same = "the same" if result.same else "DIFFERENT"
    text = f"{result.audit_id}: recorded {result.recorded}, replayed {result.replayed}: {same}"
    told = asdict(result) | {"same": result.same}
    _show(told, "\n".join((text, *(f"  {line}" for line in result.differences))), as_json=as_json)
    return 0 if result.same else 1


def verify_audit(hive: Path, *, as_json: bool) -> int:
    """Check the chain. 1 when it does not hold."""
    with opened(hive) as (found, store):
        report = AuditLog(found, store, utc_now).verify()
        fleet = verify_fleet(found, store) if store.dialect != "sqlite" else None
    ok = report.ok and (fleet is None or fleet.ok)
    lines = [
        f"audit holds: {report.records} records, head {report.head}"
        if report.ok
        else f"AUDIT BROKEN after {report.records} good records: {report.problem}"
    ]
    lines += _told_of_the_others(fleet, found.chain_id()) if fleet else []
    _show(
        asdict(report) | {"ok": ok, "fleet": asdict(fleet) if fleet else None},
        "\n".join(lines),
        as_json=as_json,
    )
    return 0 if ok else 1


def _told_of_the_others(fleet: FleetReport, own: str) -> Iterator[str]:
    for one in fleet.chains:
        if one.chain != own:
            holds = "holds" if one.problem is None else "DOES NOT HOLD"
            yield f"chain {one.chain} {holds}: {one.records} good records"
    if fleet.problem:
        yield f"AUDIT BROKEN: {fleet.problem}"
    elif fleet.notes:
        yield f"what they noted about each other holds: {fleet.notes} heads"


@contextmanager
def opened(path: Path) -> Iterator[tuple[Hive, Store]]:
    """The hive as it is, of whichever kind; never created by looking."""
    hive = Hive.existing(path)
    store = open_store(hive, Environment.read(Path(".env")).values.get("SWARM_DATABASE_URL"))
    try:
        yield hive, store
    finally:
        store.close()


def _resolve(hive: Hive, id: str) -> str:
    """An e-mail address becomes its lead id; any other id is taken as it is."""
    if "@" not in id:
        return id
    try:
        return lead_id(hive.salt(), dedupe_key(normalise_email(id)))
    except BadInput as error:
        raise NotFound(f"{id}: neither an id nor an e-mail address") from error


@contextmanager
def _asked_by(id: str) -> Iterator[None]:
    """Whoever gave an address is not answered with the id that was made of it."""
    try:
        yield
    except NotFound as error:
        if "@" not in id:
            raise
        raise NotFound(
            "nothing is on record about that e-mail address",
            remedy="Check its spelling, and the hive directory (--hive).",
        ) from error


def _show(found: dict[str, Any], text: str, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(found, ensure_ascii=False) + "\n")
    else:
        console().print(text)
