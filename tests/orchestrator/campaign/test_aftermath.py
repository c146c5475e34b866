from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from guardrails.bank import Bank, create_bank
from guardrails.config import load_config
from guardrails.hive import Hive
from guardrails.store import Store
from guardrails.store.brake_tables import spend_days, spend_entries
from orchestrator.campaign import aftermath
from orchestrator.campaign.findings import SpendSeen
from tests.conftest import SteppableClock

CONFIG = load_config()


def entry(number: int, status: str, reserved: int, settled: int | None) -> dict[str, Any]:
    return {
        "entry_id": f"S-{number}", "day": "2026-03-10", "vendor": "clay", "operation": "run",
        "status": status, "reserved_micros": reserved, "settled_micros": settled,
        "created_at": "2026-03-10T14:00:00.000000Z", "updated_at": "2026-03-10T14:00:00.000000Z",
    }  # fmt: skip


def test_money_held_is_compared_with_the_sum_of_its_entries(store: Store) -> None:
    rows = [entry(1, "settled", 100, 90), entry(2, "reserved", 100, None)]
    rows += [entry(3, "unknown", 100, None), entry(4, "released", 100, None)]
    with store.transaction() as conn:
        conn.execute(spend_entries.insert(), rows)
        days = [
            {"day": "2026-03-10", "scope": scope, "held_micros": 290} for scope in ("*", "clay")
        ]
        conn.execute(spend_days.insert(), days)
    with store.read() as conn:
        found = aftermath.spend_of(conn, CONFIG.production.spend)
    cap = CONFIG.production.spend
    assert found == (
        SpendSeen("2026-03-10", "*", 290, cap.daily_cap_micros, 290),
        SpendSeen("2026-03-10", "clay", 290, cap.vendor_daily_cap_micros["clay"], 290),
    )


def test_a_bank_is_whole_or_its_problem_is_told(hive: Hive, clock: SteppableClock) -> None:
    create_bank(hive.bank_file, CONFIG.golden_set, (), clock=clock)
    items = len(json.loads(hive.bank_file.read_text())["items"])
    assert Bank.open(hive.bank_file, CONFIG.policy.bank, clock).version
    assert aftermath.bank_of(hive, CONFIG.policy) == (items, None)
    hive.bank_file.write_text(hive.bank_file.read_text()[:40])
    assert "BankUnreadable" in (aftermath.bank_of(hive, CONFIG.policy)[1] or "")


def test_an_audit_that_is_not_there_holds_nothing(hive: Hive, store: Store) -> None:
    report = aftermath.audit_of(hive, store)
    assert not isinstance(report, str)
    assert report.records == 0


def write(logs: Path, name: str, *lines: dict[str, Any] | str) -> None:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    (logs / name).write_text("\n".join(texts) + "\n")


def hang(server: str, second: int) -> dict[str, Any]:
    return {
        "event": "server_call_failed", "server": server,
        "error": f"{server} did not answer tools/call within 15 s",
        "timestamp": f"2026-03-10T14:00:{second:02d}.000000Z",
    }  # fmt: skip


def test_errors_that_nobody_foresaw_are_found_in_the_logs(tmp_path: Path) -> None:
    crash = {
        "event": "tool_crashed", "tool": "review_lead",
        "exception": [{"exc_type": "KeyError", "exc_value": "'x'"}],
    }  # fmt: skip
    write(tmp_path, "guardrails.log", crash, crash, {"event": "tool_failed"})
    write(tmp_path, "ghl.log", "Traceback (most recent call last):", "not JSON either")
    found = aftermath.logs_of(tmp_path).unforeseen
    assert found == (
        "ghl Traceback (most recent call last): (1 times)",
        "guardrails tool_crashed review_lead KeyError: 'x' (2 times)",
    )


def test_calls_that_waited_for_one_hung_server_are_one_hang(tmp_path: Path) -> None:
    died = {"event": "server_call_failed", "server": "ghl", "error": "ghl died during the call"}
    write(tmp_path, "queen.log", hang("ghl", 1), hang("ghl", 2), hang("crafter", 2), died)
    write(tmp_path, "queen.log.1", hang("ghl", 30))
    assert aftermath.logs_of(tmp_path).hung == 3
