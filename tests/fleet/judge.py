"""What a storm left behind, counted from outside. Owns: what must hold, and the table of it.

Everything is read from the database and from the twins; nothing is believed that a queen says.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from guardrails.clock import parse
from tests.fleet.doors import Doors
from tests.fleet.machines import Fleet
from tests.fleet.told import LANDED_S, Plan, Told

_DAY = ZoneInfo("America/New_York")  # spend.time_zone


@dataclass
class Verdict:
    """What was counted. `wrong` is what did not hold."""

    told: Told
    counts: dict[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def must(self, name: str, value: Any, wanted: Any) -> None:
        """Count it; it must be just so."""
        self.counts[name] = value
        if value != wanted:
            self.wrong.append(f"{name}: {value!r}, not {wanted!r}")


def judge(fleet: Fleet, ways: Doors, told: Told, plan: Plan) -> Verdict:
    """Look at everything."""
    verdict = Verdict(told)
    _leads(fleet, verdict, plan.leads)
    _emails(fleet, verdict, plan.cap)
    _writes(fleet, verdict)
    _stops(verdict)
    _cut_off(fleet, ways, verdict)
    _money(fleet, verdict)
    _chains(fleet, verdict)
    return verdict


def _leads(fleet: Fleet, verdict: Verdict, leads: int) -> None:
    states = Counter(row["state"] for row in fleet.ask("SELECT state FROM run_items"))
    verdict.must("rows", sum(states.values()), leads)
    verdict.must("rows that have not ended", states.pop(None, 0), 0)
    verdict.counts["rows by state"] = dict(states.most_common())
    decisions = Counter(
        row["decision_id"]
        for row in fleet.ask("SELECT decision_id FROM audit_index WHERE decision_id LIKE 'D-%'")
    )
    verdict.must("decisions recorded twice", sum(n > 1 for n in decisions.values()), 0)
    sessions = fleet.ask(
        "SELECT claimed_by, count(*) AS n FROM run_items WHERE claimed_by IS NOT NULL GROUP BY 1"
    )
    verdict.counts["sessions that decided leads"] = len(sessions)
    by_worker: Counter[str] = Counter()
    for row in sessions:
        by_worker[row["claimed_by"].rpartition(".")[0]] += row["n"]
    verdict.counts["leads decided by each machine"] = sorted(by_worker.values(), reverse=True)


def _emails(fleet: Fleet, verdict: Verdict, cap: int) -> None:
    got = fleet.sandbox.outbox()
    to = Counter(mail["to"] for mail in got)
    verdict.must("people who got two e-mails", sum(n > 1 for n in to.values()), 0)
    verdict.counts["e-mails in the outbox"] = len(got)
    ready = fleet.one("SELECT count(*) AS n FROM run_items WHERE state = 'ready'")
    states = Counter(row["state"] for row in fleet.ask("SELECT state FROM deliveries"))
    verdict.counts["deliveries by state"] = dict(states.most_common())
    verdict.must("deliveries", sum(states.values()), ready)
    verdict.must("e-mails that the ledger calls sent", fleet.one(
        "SELECT count(*) AS n FROM writes WHERE counts AND status = 'sent'"), len(got))  # fmt: skip
    verdict.must("deliveries that are sent", states["sent"], len(got))
    verdict.counts["writes that a person had to look at"] = dict(verdict.told.resolved)
    days = Counter(parse(mail["at"]).astimezone(_DAY).date().isoformat() for mail in got)
    verdict.counts["e-mails a day"] = dict(sorted(days.items()))
    first, held = min(days, default=""), verdict.told.resolved["send that had not happened"]
    verdict.counts["e-mails of unknown fate that had not gone out, by a person's word"] = held
    # Whatever may have gone out holds its place under the cap.
    within = days.get(first, 0) <= cap <= days.get(first, 0) + held or len(got) < cap
    verdict.must("the first day's cap was used to its last", within, True)
    verdict.must("days on which the cap was passed", sum(n > cap for n in days.values()), 0)
    domains: dict[str, list[Any]] = {}
    for mail in got:
        domains.setdefault(mail["to"].partition("@")[2], []).append(parse(mail["at"]))
    hour = timedelta(hours=1)
    most = max(
        (sum(a <= b < a + hour for b in at) for at in domains.values() for a in at), default=0
    )
    verdict.counts["most to one domain within an hour"] = most


def _writes(fleet: Fleet, verdict: Verdict) -> None:
    statuses = Counter(row["status"] for row in fleet.ask("SELECT status FROM writes"))
    verdict.counts["writes in the ledger"] = dict(statuses.most_common())
    verdict.must("writes whose fate nobody knows", statuses["unknown"], 0)
    verdict.must("writes under way", statuses["claimed"] + statuses["dispatching"], 0)
    by_hand = sum(stop.campaigns for stop in verdict.told.stops)  # started again by a person
    done = fleet.written() - by_hand
    spent = fleet.one("SELECT count(*) AS n FROM spent_permits")
    verdict.counts["campaigns that a person started again after a stop"] = by_hand
    verdict.counts["writes at the vendors, without those"] = done
    verdict.counts["permits spent"] = spent
    verdict.must("writes at the vendors without a permit", max(0, done - spent), 0)


def _stops(verdict: Verdict) -> None:
    stops = verdict.told.stops
    verdict.counts["writes in the 5 s before each stop"] = [one.writes_before for one in stops]
    loaded = sum(one.writes_before > 0 and one.rows_that_waited > 0 for one in stops)
    verdict.must("stops that were pressed under load", loaded, len(stops))
    verdict.must("writes between each stop's return and its resume",
                 [one.writes_during for one in stops], [0] * len(stops))  # fmt: skip
    verdict.counts["seconds that each stop held"] = [round(one.held_s) for one in stops]


def _cut_off(fleet: Fleet, ways: Doors, verdict: Verdict) -> None:
    """What the machine without a cable asked the vendors, which it still reached."""
    seen = fleet.sandbox.writes()
    writes = {(one["method"], f"/{one['vendor']}{one['path']}") for one in seen}
    for cut in verdict.told.cuts:
        asked = ways.between(cut.machine, cut.began, cut.ended)
        wrote = [one.at - cut.began for one in asked if (one.method, one.path) in writes]
        verdict.must("the machine that was cut off reached the database", cut.database, False)
        verdict.must("the machine that was cut off reached the vendors", cut.vendors, True)
        verdict.counts["requests of the machine that was cut off, meanwhile"] = sum(
            not one.path.startswith("/_twin/") for one in asked
        )
        verdict.counts["its last write ended, s after the cut"] = round(max(wrote, default=0.0), 1)
        late = sum(after > LANDED_S for after in wrote)
        verdict.must("its writes after whatever was permitted before had ended", late, 0)
    by = Counter(one.machine for one in ways.asked if (one.method, one.path) in writes)
    verdict.counts["writes of each machine, by its door"] = [by[m.number] for m in fleet.machines]


def _money(fleet: Fleet, verdict: Verdict) -> None:
    rows = fleet.ask(
        "SELECT status, count(*) AS n, sum(coalesce(settled_micros, reserved_micros)) AS micros "
        "FROM spend_entries GROUP BY status"
    )
    entries = {row["status"]: int(row["n"]) for row in rows}
    held = sum(int(row["micros"]) for row in rows if row["status"] != "released")
    paid = fleet.sandbox.get("counts")["by_kind"]["paid_read"]
    booked = sum(n for status, n in entries.items() if status != "released")
    verdict.counts["paid calls at the vendors"] = paid
    verdict.counts["paid calls in the book"] = entries
    verdict.counts["money held, in dollars"] = held / 1_000_000
    verdict.must("paid calls that are in no book", max(0, paid - booked), 0)


def _chains(fleet: Fleet, verdict: Verdict) -> None:
    verified = [fleet.swarm(machine.number, "audit", "verify") for machine in fleet.machines]
    holds = sum(code == 0 and bool(told["ok"]) for code, told in verified)
    verdict.must("audit chains that verify", holds, len(fleet.machines))
    verdict.counts["audit records"] = fleet.one("SELECT count(*) AS n FROM audit_index")


def report_of(verdict: Verdict) -> str:
    """A table for a person, in Markdown."""
    lines = ["| Blow | Times |", "|---|---|"]
    lines += [f"| {what} | {number} |" for what, number in sorted(verdict.told.blows.items())]
    lines += ["", "| Counted afterwards | |", "|---|---|"]
    lines += [f"| {name} | {_shown(value)} |" for name, value in verdict.counts.items()]
    took = ", ".join(
        f"{day} after {seconds:.0f} s" for day, seconds in verdict.told.seconds.items()
    )
    lines += [f"| over | {took} |", ""]
    lines += [f"WRONG: {each}" for each in verdict.wrong] or ["Everything that must hold did."]
    return "\n".join(lines)


def document_of(verdict: Verdict) -> dict[str, Any]:
    """The same for a machine."""
    told = verdict.told
    return {
        "held": not verdict.wrong, "wrong": verdict.wrong, "blows": dict(told.blows),
        "counts": verdict.counts, "stops": [one.told() for one in told.stops],
        "over_after_s": {what: round(seconds) for what, seconds in told.seconds.items()},
    }  # fmt: skip


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name} {number:,}" for name, number in value.items())
    if isinstance(value, list):
        return ", ".join(f"{each:,}" for each in value)
    return f"{value:,}" if isinstance(value, int) else str(value)
