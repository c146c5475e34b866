"""What `swarm bank` does. Owns: opening the right parts, and their answer as text or JSON.

Every function returns the exit code.
"""

from __future__ import annotations

import asyncio
import getpass
import json
import re
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from guardrails.approvers import ApproverList
from guardrails.audit import AuditLog
from guardrails.bank import Bank, describe
from guardrails.bank.models import Deed
from guardrails.bank.tell import lines, tell
from guardrails.clock import Clock, iso, shifted, utc_now
from guardrails.config import Config, load_config
from guardrails.errors import BadInput
from guardrails.hive import Hive
from guardrails.store import Store
from orchestrator.commands import opened
from orchestrator.environment import Environment
from orchestrator.learning import views
from orchestrator.learning.acts import Acted, Acts, Person
from orchestrator.learning.learned import folded_since, learned, queue_of
from orchestrator.learning.precision import precision, words_of_people
from orchestrator.report import console
from orchestrator.twins import sandbox_offset

_SINCE = re.compile(r"(\d{1,6})([mhd])\Z")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
Json = dict[str, Any]


@dataclass(frozen=True)
class _Parts:
    """A hive with its bank, as it is."""

    config: Config
    hive: Hive
    store: Store
    bank: Bank
    audit: AuditLog
    clock: Clock


@contextmanager
def _parts(path: Path, config: Path | None) -> Iterator[_Parts]:
    given = load_config(config)
    with opened(path) as (hive, store):
        values = Environment.read(Path(".env")).values if hive.sandbox else {}
        clock = shifted(sandbox_offset(values, sandbox=hive.sandbox))
        bank = Bank.open(hive.bank_file, given.policy.bank, clock)
        audit = AuditLog(hive, store, clock)
        try:
            yield _Parts(given, hive, store, bank, audit, clock)
        finally:
            audit.close()


def show_bank(hive: Path, config: Path | None, *, as_json: bool) -> int:
    """Every item."""
    with _parts(hive, config) as parts:
        rows = describe(parts.bank, parts.clock())
        version = parts.bank.version
    items = [row.model_dump(mode="json") for row in rows]
    _print({"bank_version": version, "items": items}, views.table(version, rows), as_json=as_json)
    return 0


def show_golden(hive: Path, config: Path | None, *, as_json: bool) -> int:
    """Golden items only, with where each comes from."""
    with _parts(hive, config) as parts:
        items = [item for item in parts.bank.items() if item.kind == "golden"]
        version = parts.bank.version
    found = [item.model_dump(mode="json") for item in items]
    _print({"bank_version": version, "items": found}, views.golden(items), as_json=as_json)
    return 0


def explain_item(name: str, hive: Path, config: Path | None, *, as_json: bool) -> int:
    """One item whole."""
    with _parts(hive, config) as parts:
        told = tell(parts.bank, name, parts.clock())
    _print(told.model_dump(mode="json"), "\n".join(lines(told)), as_json=as_json)
    return 0


def show_learned(hive: Path, config: Path | None, since: str, *, as_json: bool) -> int:
    """What was learned. 1 when a lesson waits that cannot be read."""
    with _parts(hive, config) as parts:
        earliest = parts.clock() - span(since)
        people = ApproverList.of(parts.config.approvers, _slack_ids(), parts.hive.salt())
        with parts.store.read() as conn:
            queue = queue_of(conn, parts.hive.chain_id())
            folded = folded_since(conn, parts.hive.chain_id(), earliest)
        found = learned(parts.bank.items(), folded, people, earliest)
    document = {
        "since": iso(earliest),
        "learned": [_dated(asdict(one)) for one in found],
        "waiting": queue.waiting,
        "unreadable": list(queue.unreadable),
    }
    _print(document, views.learned(found, queue), as_json=as_json)
    return 1 if queue.unreadable else 0


def show_precision(hive: Path, *, as_json: bool) -> int:
    """How right the blocks were."""
    with opened(hive) as (found, store):
        audit = AuditLog(found, store, utc_now)
        try:
            with store.read() as conn:
                ended = words_of_people(conn)
            told = precision(audit.iter_everywhere(), ended)
        finally:
            audit.close()
    document: Json = asdict(told) | {"unlabelled": list(told.unlabelled)}
    _print(document, views.precision(told), as_json=as_json)
    return 0


def act_on(
    name: str, action: Deed, reason: str, hive: Path, config: Path | None, *, as_json: bool
) -> int:
    """Retire, release or promote an item."""
    return _act(hive, config, lambda acts, by: acts.act(name, action, by), reason, as_json=as_json)


def promote(name: str, reason: str, hive: Path, config: Path | None, *, as_json: bool) -> int:
    """A success into the golden set."""
    return _act(
        hive, config, lambda acts, by: acts.promote_success(name, by), reason, as_json=as_json
    )


def label_block(
    audit_id: str,
    would_send: bool,
    reason: str,
    hive: Path,
    config: Path | None,
    *,
    as_json: bool,
) -> int:
    """A person's word on a block."""
    with _parts(hive, config) as parts:
        acts = Acts(parts.store, parts.audit, parts.bank, parts.clock)
        ref = asyncio.run(acts.label(audit_id, would_send, _me(reason)))
    word = "would have sent it" if would_send else "would not have sent it"
    document = {"label_of": audit_id, "would_send": would_send, "audit_id": ref.audit_id}
    _print(document, f"{audit_id}: you {word} (audit {ref.audit_id})", as_json=as_json)
    return 0


def span(text: str) -> timedelta:
    """`30m`, `24h`, `7d`. Raises BadInput."""
    found = _SINCE.match(text.strip().lower())
    if found is None:
        raise BadInput(f"--since {text!r:.40}: a number and m, h or d, such as 24h")
    return timedelta(**{_UNITS[found.group(2)]: int(found.group(1))})


def _act(
    hive: Path,
    config: Path | None,
    work: Callable[[Acts, Person], Coroutine[Any, Any, Acted]],
    reason: str,
    *,
    as_json: bool,
) -> int:
    with _parts(hive, config) as parts:
        acts = Acts(parts.store, parts.audit, parts.bank, parts.clock)
        done = asyncio.run(work(acts, _me(reason)))
        told = tell(parts.bank, done.item.id, parts.clock())
    document = told.model_dump(mode="json") | {"audit_id": done.audit.audit_id}
    text = f"{done.item.id}: {done.item.title}; {done.item.status}, effect today: "
    text += f"{told.row.effect} (audit {done.audit.audit_id})"
    _print(document, text, as_json=as_json)
    return 0


def _me(reason: str) -> Person:
    return Person(f"person:{getpass.getuser()}", reason)


def _slack_ids() -> Sequence[str]:
    stated = Environment.read(Path(".env")).values.get("SLACK_APPROVER_IDS") or ""
    return [one.strip() for one in stated.split(",") if one.strip()]


def _dated(row: Json) -> Json:
    return row | {name: iso(row[name]) for name in ("happened_at", "learned_at")}


def _print(document: Json, shown: RenderableType, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
    elif isinstance(shown, str):
        console().print(shown)
    else:
        console().print(shown)
