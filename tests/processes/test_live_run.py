"""Twenty leads live in the sandbox: each e-mail that was decided reaches its person, once, in time.

Three runs of the same command at three moments of the sandbox's clock. What the twins hold is
compared with what was decided, letter for letter; caps and windows are counted at the twins.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from guardrails.clock import parse
from servers.sandbox.leads import write_leads_csv
from tests.processes.live import (
    TUESDAY,
    Sandbox,
    append_rows,
    decided,
    dossiers,
    in_window,
    known_rows,
    live_config,
    most_within,
    offset_to,
    query,
    run_live,
    twins,
)
from tests.processes.swarm import swarm

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]
PER_HOUR = 7
HOUR = 3600.0


@dataclass(frozen=True)
class Live:
    """What the three runs left."""

    hive: Path
    config: Path
    sandbox: Sandbox
    reports: list[dict[str, Any]]
    codes: list[int]
    sent_by: list[int]  # e-mails at the twins after each run


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("live")
    leads, hive = folder / "leads.csv", folder / "hive"
    write_leads_csv(leads, 14, 3)
    append_rows(leads, known_rows(6))
    config = live_config(folder, {"per_hour": PER_HOUR})
    first = offset_to(TUESDAY, 16, 30)
    reports, codes, sent = [], [], []
    with twins() as sandbox:
        for later in (0.0, HOUR + 60, 24 * HOUR):
            code, report = run_live(hive, leads, config, sandbox, first + later)
            codes.append(code)
            reports.append(report)
            sent.append(len(sandbox.outbox()))
        yield Live(hive, config, sandbox, reports, codes, sent)


def deliveries(report: dict[str, Any]) -> dict[str, str]:
    return {item["lead_id"]: item["state"] for item in report["deliveries"]["items"]}


def test_every_run_ends_well_and_the_same_command_goes_on(live: Live) -> None:
    assert live.codes == [0, 0, 0]
    assert len({report["run_id"] for report in live.reports}) == 1
    assert [report["resumed"] for report in live.reports] == [False, True, True]
    states = Counter(deliveries(live.reports[-1]).values())
    assert states["sent"] > 2 * PER_HOUR
    assert set(states) <= {"sent", "deferred"}


def test_each_decided_email_reached_its_person_letter_for_letter_and_nobody_else_got_one(
    live: Live,
) -> None:
    wanted, got = decided(live.hive), live.sandbox.outbox()
    assert max(Counter(mail["to"] for mail in got).values()) == 1
    assert {mail["to"] for mail in got} <= set(wanted)
    for mail in got:
        said = wanted[mail["to"]]
        assert mail["subject"] == said["subject"]
        assert mail["text"].strip() == said["body"].strip()
        assert mail["sender"] == "robin.hale@chiefaiofficer.example"
    report = live.reports[-1]
    sent = {lead for lead, state in deliveries(report).items() if state == "sent"}
    assert {wanted[mail["to"]]["lead_id"] for mail in got} == sent


def test_known_contacts_got_theirs_by_the_crm_and_strangers_by_the_campaign(live: Live) -> None:
    known = {row["Email"] for row in known_rows(6)}
    by = {mail["to"]: mail["vendor"] for mail in live.sandbox.outbox()}
    assert {"ghl", "instantly"} == set(by.values())
    assert all((vendor == "ghl") == (to in known) for to, vendor in by.items())


def test_the_hourly_cap_is_used_to_the_last_and_never_passed(live: Live) -> None:
    moments = [parse(mail["at"]) for mail in live.sandbox.outbox()]
    assert most_within(moments, timedelta(hours=1)) == PER_HOUR
    assert live.sent_by[0] == PER_HOUR  # more were in their window: the next test says so
    assert live.sent_by[1] == 2 * PER_HOUR


def test_nobody_was_written_to_outside_their_hours_and_who_waits_is_outside_of_them(
    live: Live,
) -> None:
    known, wanted = dossiers(live.hive), decided(live.hive)
    got = {mail["to"]: parse(mail["at"]) for mail in live.sandbox.outbox()}
    assert all(in_window(known[to], at) for to, at in got.items())
    last = max(got.values())
    waiting = [to for to in wanted if to not in got]
    assert all(not in_window(known[to], last) for to in waiting)
    first = min(got.values())
    assert sum(in_window(known[to], first) for to in wanted) > 2 * PER_HOUR


def test_the_crm_knows_once_of_each_email(live: Live) -> None:
    sent = len(live.sandbox.outbox())
    for action in ("add_note", "add_tags", "create_opportunity"):
        rows = query(live.hive, "SELECT status FROM writes WHERE action = ?", action)
        assert [row["status"] for row in rows] == ["sent"] * sent, action
    made = [each for each in live.sandbox.writes() if each["path"].endswith("/notes")]
    assert len(made) == sent
    assert all(each["status"] < 300 for each in live.sandbox.writes())


def test_every_write_spent_its_permit_and_the_audit_holds(live: Live) -> None:
    spent = query(live.hive, "SELECT permit_id FROM spent_permits")
    assert len(spent) == len(live.sandbox.writes())
    code, verified = swarm(live.hive, "audit", "verify")
    assert (code, verified["ok"]) == (0, True)
    code, listed = swarm(live.hive, "sends", "list", "--limit", "1000")
    assert (code, listed["unknown"]) == (0, 0)
    assert sum(each["status"] == "sent" for each in listed["writes"]) == len(spent)


def test_no_address_and_no_text_stands_in_the_audit_or_the_logs(live: Live) -> None:
    written = "".join(file.read_text() for file in (live.hive / "audit").glob("*.jsonl"))
    written += "".join(file.read_text() for file in (live.hive / "logs").glob("*.log"))
    for mail in live.sandbox.outbox():
        assert mail["to"] not in written
        assert mail["text"][:60] not in written
