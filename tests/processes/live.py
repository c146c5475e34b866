"""How tests run the swarm live in the sandbox: twins that outlive it, and a clock of their own."""

from __future__ import annotations

import contextlib
import csv
import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg.rows import dict_row

from guardrails.config import config_path
from guardrails.model import Dossier
from guardrails.schedule import window_zones
from servers.sandbox.leads import HEADER
from servers.sandbox.world import World
from tests.processes.swarm import SWARM, environment

NO_LIMITS = {
    "per_day": 1000, "per_hour": 1000, "per_recipient_domain_hour": 1000, "per_mailbox_day": 1000,
    "per_mailbox_day_hard": 1000, "spacing_s": 0, "ramp_clean_days": 0,
}  # fmt: skip
TUESDAY = 1


@dataclass(frozen=True)
class Sandbox:
    """Running twins."""

    port: int

    def get(self, what: str) -> Any:
        """A control page's answer."""
        answer = httpx.get(f"{self._control}/{what}", trust_env=False, timeout=10)
        return answer.raise_for_status().json()

    def behave(self, **switches: Any) -> None:
        """Set switches; the others stay."""
        httpx.post(
            f"{self._control}/behaviour", json=switches, trust_env=False, timeout=10
        ).raise_for_status()

    def reset(self) -> None:
        """Back to the world as it was seeded; the switches stay."""
        httpx.post(f"{self._control}/reset", trust_env=False, timeout=10).raise_for_status()

    def outbox(self) -> list[dict[str, Any]]:
        """Every e-mail that somebody got."""
        found: list[dict[str, Any]] = self.get("outbox")
        return found

    def writes(self) -> list[dict[str, Any]]:
        """Every write that reached a twin."""
        found: list[dict[str, Any]] = self.get("counts")["writes"]
        return found

    @property
    def _control(self) -> str:
        return f"http://127.0.0.1:{self.port}/_twin"


@contextlib.contextmanager
def twins() -> Iterator[Sandbox]:
    """Twins of this test alone, on a free port."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "servers.sandbox", "--watch-stdin"],
        env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Sandbox(int(json.loads(process.stdout.readline())["port"]))
    finally:
        process.stdin.close()
        process.wait(20)
        process.stdout.close()


def offset_to(weekday: int, hour: int, minute: int = 0, *, after: float = 0.0) -> float:
    """Seconds from now to the next such moment (UTC) that is at least `after` seconds ahead."""
    now = datetime.now(UTC)
    moment = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    while moment - now < timedelta(seconds=after) or moment.weekday() != weekday:
        moment += timedelta(days=1)
    return (moment - now).total_seconds()


def live_config(
    folder: Path, limits: Mapping[str, int] | None = None, **sections: Mapping[str, Any]
) -> Path:
    """The packaged configuration, live, without caps but those given; as one file."""
    document: dict[str, Any] = json.loads(config_path("production.json").read_text())
    document["mode"] = "live"
    document["sending_limits"] |= NO_LIMITS | dict(limits or {})
    for name, section in sections.items():
        document[name] |= section
    file = folder / "production.json"
    file.write_text(json.dumps(document))
    return file


def live_command(hive: Path, leads: Path, config: Path, sandbox: Sandbox, *extra: str) -> list[str]:
    """`swarm run` as a script reads it."""
    return [
        *SWARM, "run", "--sandbox", "--json", "--twins", str(sandbox.port), "--leads", str(leads),
        "--hive", str(hive), "--config", str(config), *extra,
    ]  # fmt: skip


def run_live(
    hive: Path, leads: Path, config: Path, sandbox: Sandbox, offset_s: float, *extra: str,
    env: Mapping[str, str] | None = None, timeout_s: float = 240,
) -> tuple[int, dict[str, Any]]:  # fmt: skip
    """A run to its end: exit code and report."""
    done = subprocess.run(
        live_command(hive, leads, config, sandbox, *extra),
        cwd=hive.parent, env=environment(SWARM_SANDBOX_OFFSET_S=repr(offset_s), **(env or {})),
        capture_output=True, text=True, timeout=timeout_s, check=False,
    )  # fmt: skip
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def known_rows(number: int) -> list[dict[str, str]]:
    """Rows of people whom the CRM knows as plain leads and who may be written to."""
    world = World()
    elsewhere = {lead.email for lead in world.outreach} | set(world.blocked)
    rows = []
    for contact in world.contacts:
        company, person = world.company(contact.domain), world.person(contact.email)
        plain = contact.kind == "lead" and not contact.dnd_email and not contact.contacted_days_ago
        plain = plain and not contact.bounced and contact.email not in elsewhere
        if not plain or company is None or person is None or company.place.country != "US":
            continue
        if (company.employees or 0) < 20 or company.ownership not in ("private", "public"):
            continue
        rows.append(
            dict.fromkeys(HEADER, "")
            | {
                "First Name": person.first_name, "Last Name": person.last_name,
                "Email": contact.email, "Job Title": "Founder & CEO", "Company": company.name,
                "Website": f"https://www.{company.domain}", "Country": company.place.country_name,
                "State": company.place.state, "City": company.place.city,
                "Industry": company.industry, "Number of Employees": str(company.employees),
                "Lifecycle Stage": "lead",
            }
        )  # fmt: skip
    return rows[:number]


def append_rows(file: Path, rows: list[dict[str, str]]) -> None:
    """Add rows to a leads file; write its header when it is not there."""
    new = not file.exists()
    with file.open("a", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, HEADER, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerows(rows)


def query(hive: Path, statement: str, *values: Any, url: str | None = None) -> list[dict[str, Any]]:
    """Rows of the hive's database, from outside; none while it is not there.

    Args:
        url: PostgreSQL, instead of the hive's own file.
    """
    if url is not None:
        return _query_postgres(url, statement.replace("?", "%s"), values)
    try:
        with contextlib.closing(
            sqlite3.connect(f"file:{hive / 'swarm.db'}?mode=ro", uri=True, timeout=30)
        ) as conn:
            conn.row_factory = sqlite3.Row
            return [dict(row) for row in conn.execute(statement, values)]
    except sqlite3.OperationalError:
        return []


def _query_postgres(url: str, statement: str, values: tuple[Any, ...]) -> list[dict[str, Any]]:
    try:
        with psycopg.connect(url, row_factory=dict_row, autocommit=True) as conn:
            return conn.execute(statement.encode(), values or None).fetchall()
    except psycopg.errors.UndefinedTable:
        return []


def decided(hive: Path, url: str | None = None) -> dict[str, dict[str, Any]]:
    """The e-mails that were decided to go out, by recipient."""
    documents = query(hive, "SELECT document FROM shadow_emails", url=url)
    mails = [json.loads(row["document"]) for row in documents]
    return {mail["to"]: mail for mail in mails if mail["decision"] == "ready"}


def dossiers(hive: Path, url: str | None = None) -> dict[str, Dossier]:
    """What was known of each person, by address."""
    statement = "SELECT document FROM documents WHERE kind = 'decision_inputs'"
    rows = query(hive, statement, url=url)
    found = [Dossier.model_validate(json.loads(row["document"])["dossier"]) for row in rows]
    return {dossier.lead.email: dossier for dossier in found if dossier.lead.email}


def in_window(dossier: Dossier, moment: datetime) -> bool:
    """Whether it is Monday to Friday, 8 to 18, wherever this person may be."""
    zones = window_zones(dossier.lead, dossier.facts, moment)
    assert zones is not None
    local = [moment.astimezone(zone) for zone in zones]
    return all(each.weekday() < 5 and 8 <= each.hour < 18 for each in local)


def most_within(moments: list[datetime], span: timedelta) -> int:
    """The most of these moments that lie within any such span."""
    moments, first, most = sorted(moments), 0, 0
    for last, moment in enumerate(moments):
        while moments[first] <= moment - span:
            first += 1
        most = max(most, last - first + 1)
    return most
