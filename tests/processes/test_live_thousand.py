"""A thousand leads live in the sandbox, 16 in flight: who got what, when, and what the CRM shows.

The same command at several moments of the sandbox's clock, under caps that each of them reaches.
What the twins hold is compared with what was decided, letter for letter. `make test-long` runs it;
the numbers of a run stand in docs/evidence/one-send.md.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from guardrails.clock import parse
from servers.sandbox.leads import lead_rows
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

pytestmark = [pytest.mark.processes, pytest.mark.long, pytest.mark.timeout(3600)]
LEADS, IN_FLIGHT, COLLEAGUES = 1000, 16, 3
CAPS = {
    "per_hour": 250, "per_day": 400, "per_mailbox_day": 400, "per_mailbox_day_hard": 400,
    "per_recipient_domain_hour": 1,
}  # fmt: skip
# Tuesday's noon in the east of the United States and an hour later, the same on Wednesday, and
# Friday's noon in the east of Asia, where it is Thursday's evening for the caps.
HOURS = (0.0, 1.2, 24.0, 25.3, 59.0)
# Enriching a thousand people costs more than a day's money as it is configured.
MONEY = {"daily_cap_micros": 10**9, "vendor_daily_cap_micros": {"clay": 10**9, "rb2b": 10**9}}
COLLEAGUE = "zoe.petrov@palisade-goods-15.example"
DAY = ZoneInfo("America/New_York")  # spend.time_zone


@dataclass
class Thousand:
    """What the runs left."""

    hive: Path
    sandbox: Sandbox
    reports: list[dict[str, Any]] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    sent_by: list[int] = field(default_factory=list)  # e-mails at the twins after each run
    seconds: list[float] = field(default_factory=list)

    def tell(self) -> None:
        """The numbers for the evidence, on stderr (pytest -s)."""
        told = {"sent_by": self.sent_by, "seconds": [round(each, 1) for each in self.seconds]}
        sys.stderr.write(json.dumps(told | {"most_in_flight": most_in_flight(self.hive)}) + "\n")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Thousand]:
    folder = tmp_path_factory.mktemp("thousand")
    leads, known = folder / "leads.csv", known_rows(LEADS)
    append_rows(leads, [*known, *colleagues()])
    append_rows(leads, list(lead_rows(LEADS - len(known) - COLLEAGUES, 5)))
    config = live_config(folder, CAPS, work={"concurrency": IN_FLIGHT}, spend=MONEY)
    first = offset_to(TUESDAY, 16, 30)
    with twins() as sandbox:
        found = Thousand(folder / "hive", sandbox)
        for later in HOURS:
            begun = time.monotonic()
            code, report = run_live(
                found.hive, leads, config, sandbox, first + later * 3600, timeout_s=1500
            )
            found.seconds.append(time.monotonic() - begun)
            found.codes.append(code)
            found.reports.append(report)
            found.sent_by.append(len(sandbox.outbox()))
        found.tell()
        yield found


def colleagues() -> list[dict[str, str]]:
    """More people of one company, to whom only one e-mail an hour may go."""
    [row] = [row for row in lead_rows(60, 11) if row["Email"] == COLLEAGUE]
    names = ("Ada", "Bela", "Cora")
    domain = row["Email"].partition("@")[2]
    return [
        row | {"First Name": name, "Email": f"{name.lower()}.{row['Last Name'].lower()}@{domain}"}
        for name in names
    ]


def most_in_flight(hive: Path) -> int:
    """How many writes were under way at once, by the ledger."""
    rows = query(hive, "SELECT dispatched_at, ended_at FROM writes WHERE status = 'sent'")
    ends = [(row["dispatched_at"], 1) for row in rows] + [(row["ended_at"], -1) for row in rows]
    under_way = most = 0
    for _, change in sorted(ends):
        under_way += change
        most = max(most, under_way)
    return most


def moments(found: Thousand) -> list[datetime]:
    return [parse(mail["at"]) for mail in found.sandbox.outbox()]


def crm(sandbox: Sandbox) -> httpx.Client:
    """A client of the GHL twin."""
    env = sandbox.get("env")
    headers = {"Authorization": f"Bearer {env['GHL_PROD_API_KEY']}", "Version": "2021-07-28"}
    return httpx.Client(base_url=env["GHL_BASE_URL"], headers=headers, trust_env=False, timeout=30)


def contacts(sandbox: Sandbox) -> list[dict[str, Any]]:
    """Every contact at the GHL twin."""
    found: list[dict[str, Any]] = []
    body: dict[str, Any] = {"locationId": sandbox.get("env")["GHL_LOCATION_ID"], "pageLimit": 500}
    with crm(sandbox) as client:
        while True:
            page = len(found) // 500 + 1
            answer = client.post("/contacts/search", json=body | {"page": page}).raise_for_status()
            shown = answer.json()["contacts"]
            found += shown
            if len(shown) < 500:
                return found


def opportunities(sandbox: Sandbox) -> list[dict[str, Any]]:
    """Every opportunity at the GHL twin."""
    found: list[dict[str, Any]] = []
    page: int | None = 1
    place = {"location_id": sandbox.get("env")["GHL_LOCATION_ID"], "limit": 100}
    with crm(sandbox) as client:
        while page is not None:
            answer = client.get("/opportunities/search", params=place | {"page": page})
            told = answer.raise_for_status().json()
            found += told["opportunities"]
            page = told["meta"]["nextPage"]
    return found


def test_all_leads_are_decided_and_the_same_command_goes_on_to_the_last(ran: Thousand) -> None:
    assert set(ran.codes) == {0}
    assert len({report["run_id"] for report in ran.reports}) == 1
    assert all(report["leads"]["processed"] == LEADS for report in ran.reports)
    states = Counter(item["state"] for item in ran.reports[-1]["deliveries"]["items"])
    assert states == {"sent": ran.sent_by[-1]}
    assert states["sent"] > 2 * CAPS["per_day"]


def test_each_email_reached_the_person_it_was_written_for_letter_for_letter(ran: Thousand) -> None:
    wanted, got, known = decided(ran.hive), ran.sandbox.outbox(), dossiers(ran.hive)
    assert max(Counter(mail["to"] for mail in got).values()) == 1
    for mail in got:
        said = wanted[mail["to"]]
        assert (mail["subject"], mail["text"].strip()) == (said["subject"], said["body"].strip())
        assert mail["sender"] == "robin.hale@chiefaiofficer.example"
        crm = known[mail["to"]].crm
        in_the_crm = crm is not None and crm.contact_id is not None
        assert mail["vendor"] == ("ghl" if in_the_crm else "instantly")
    ended = {item["lead_id"]: item["state"] for item in ran.reports[-1]["deliveries"]["items"]}
    sent = {lead for lead, state in ended.items() if state == "sent"}
    assert {wanted[mail["to"]]["lead_id"] for mail in got} == sent


def test_every_cap_is_used_to_the_last_and_never_passed(ran: Thousand) -> None:
    at = moments(ran)
    assert most_within(at, timedelta(hours=1)) == CAPS["per_hour"]
    by_day = Counter(moment.astimezone(DAY).date() for moment in at)
    assert max(by_day.values()) == CAPS["per_day"]
    hour, day = CAPS["per_hour"], CAPS["per_day"]
    assert ran.sent_by[:3] == [hour, day, day + hour]
    domains: dict[str, list[datetime]] = {}
    for mail in ran.sandbox.outbox():
        domains.setdefault(mail["to"].partition("@")[2], []).append(parse(mail["at"]))
    several = [each for each in domains.values() if len(each) > 1]
    assert several
    assert all(most_within(each, timedelta(hours=1)) == 1 for each in several)


def test_nobody_was_written_to_outside_their_hours(ran: Thousand) -> None:
    known = dossiers(ran.hive)
    got = {mail["to"]: parse(mail["at"]) for mail in ran.sandbox.outbox()}
    assert all(in_window(known[to], at) for to, at in got.items())
    assert len({at.date() for at in got.values()}) == 3


def test_the_crm_shows_each_contact_and_each_opportunity_once(ran: Thousand) -> None:
    written = {mail["to"] for mail in ran.sandbox.outbox()}
    people = contacts(ran.sandbox)
    addresses = Counter(str(person["email"]).lower() for person in people if person.get("email"))
    assert max(addresses.values()) == 1
    assert written <= set(addresses)
    ids = {person["email"].lower(): person["id"] for person in people if person.get("email")}
    held = Counter(one["contactId"] for one in opportunities(ran.sandbox))
    assert {held[ids[to]] for to in written} == {1}
    done = [each for each in ran.sandbox.writes() if each["path"].endswith("/notes")]
    assert len(done) == len({each["path"] for each in done}) == len(written)


def test_every_write_spent_a_permit_and_nothing_is_unknown(ran: Thousand) -> None:
    spent = query(ran.hive, "SELECT count(*) AS n FROM spent_permits")[0]["n"]
    assert spent == len(ran.sandbox.writes())
    assert query(ran.hive, "SELECT key FROM writes WHERE status NOT IN ('sent', 'pending')") == []
    assert 4 < most_in_flight(ran.hive) <= IN_FLIGHT
    code, verified = swarm(ran.hive, "audit", "verify")
    assert (code, verified["ok"]) == (0, True)
