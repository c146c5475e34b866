"""What is measured once everything has ended. Owns: audit, bank, money, logs, leftovers.

Reads the campaign's hive as it lies on disk, when no process of ours runs any more. What cannot
be read counts as broken, never as fine.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select

from guardrails.audit import AuditLog, AuditReport
from guardrails.bank import Bank
from guardrails.clock import parse, utc_now
from guardrails.config.models import Policy
from guardrails.config.models.production import Spend
from guardrails.errors import BankUnreadable, StoreUnavailable
from guardrails.hive import Hive
from guardrails.store import Store
from guardrails.store.brake_tables import spend_days, spend_entries
from orchestrator.campaign.counts import TOTAL
from orchestrator.campaign.findings import SpendSeen

_SAME_HANG_S = 5.0
_TOLD = 160


def audit_of(hive: Hive, store: Store) -> AuditReport | str:
    """The whole chain, walked; a text when even that is impossible."""
    audit = AuditLog(hive, store, utc_now)
    try:
        return audit.verify()
    except (StoreUnavailable, OSError) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        audit.close()


def bank_of(hive: Hive, policy: Policy) -> tuple[int, str | None]:
    """Items in the bank, and what is wrong with it."""
    try:
        bank = Bank.open(hive.bank_file, policy.bank, utc_now)
        return len(json.loads(hive.bank_file.read_bytes())["items"]), None if bank.version else "?"
    except (BankUnreadable, OSError, ValueError, KeyError) as error:
        return 0, f"{type(error).__name__}: {error}"


def spend_of(conn: Connection, config: Spend) -> tuple[SpendSeen, ...]:
    """Every day and scope: what is held, its cap, and the sum of its entries."""
    entries = spend_entries.c
    held = func.sum(func.coalesce(entries.settled_micros, entries.reserved_micros))
    by_scope: dict[tuple[str, str], int] = {}
    statement = (
        select(entries.day, entries.vendor, held)
        .where(entries.status != "released")
        .group_by(entries.day, entries.vendor)
    )
    for day, vendor, amount in conn.execute(statement):
        for scope in (vendor, TOTAL):
            by_scope[day, scope] = by_scope.get((day, scope), 0) + int(amount)
    caps: dict[str, int | None] = {TOTAL: config.daily_cap_micros}
    caps |= {str(name): cap for name, cap in config.vendor_daily_cap_micros.items()}
    days = {(row.day, row.scope): int(row.held_micros) for row in conn.execute(select(spend_days))}
    return tuple(
        SpendSeen(
            day=day,
            scope=scope,
            held=days.get((day, scope), 0),
            cap=caps.get(scope),
            entries=by_scope.get((day, scope), 0),
        )
        for day, scope in sorted({*days, *by_scope})
    )


@dataclass(frozen=True)
class LogsSeen:
    """What the logs of queen and servers say."""

    unforeseen: tuple[str, ...]  # one line for each kind of error that nobody foresaw
    hung: int  # servers that the queen killed because they did not answer


def logs_of(logs: Path) -> LogsSeen:
    """Read every log of the hive, the one rotated away included."""
    unforeseen: dict[str, int] = {}
    hangs: list[tuple[str, datetime]] = []
    for file in sorted(logs.glob("*.log*")):
        for line in _lines(file):
            told = _unforeseen(file.name.partition(".")[0], line)
            if told is not None:
                unforeseen[told] = unforeseen.get(told, 0) + 1
            if line.get("event") == "server_call_failed" and "did not answer" in str(
                line.get("error")
            ):
                hangs.append((str(line.get("server")), parse(str(line["timestamp"]))))
    told_lines = tuple(f"{text} ({count} times)" for text, count in sorted(unforeseen.items()))
    return LogsSeen(told_lines, _distinct(hangs))


def _unforeseen(process: str, line: dict[str, Any]) -> str | None:
    """An error that a process did not expect, in one line; None for all else."""
    event = str(line.get("event", ""))
    if event not in ("tool_crashed", "failed") and "Traceback" not in event:
        return None
    found = line.get("exception")
    kind = ""
    if isinstance(found, list) and found:
        kind = f"{found[0].get('exc_type')}: {found[0].get('exc_value')}"
    told = f"{process} {event} {line.get('tool', '')} {kind}"
    return " ".join(told.split())[:_TOLD]


def _distinct(hangs: Iterable[tuple[str, datetime]]) -> int:
    """Several calls wait for one hung server: within moments they are one hang."""
    last: dict[str, datetime] = {}
    number = 0
    for server, at in sorted(hangs, key=lambda each: each[1]):
        known = last.get(server)
        number += known is None or (at - known).total_seconds() > _SAME_HANG_S
        last[server] = at
    return number


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    """JSON lines; any other text is one line with itself as its event."""
    with file.open(encoding="utf-8", errors="replace") as stream:
        for text in stream:
            try:
                line = json.loads(text)
            except ValueError:
                line = {"event": text.strip()}
            if isinstance(line, dict):
                yield line
