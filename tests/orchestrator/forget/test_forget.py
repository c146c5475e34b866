"""Forgetting a person: nothing of them is left, the neighbour is untouched, the record holds."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, text

from guardrails.approval_model import Approval
from guardrails.approvals import Approvals
from guardrails.approvers import ApproverList
from guardrails.audit import AuditEntry, AuditLog
from guardrails.bank import Bank, Lesson
from guardrails.brakes.stop import StopSwitch
from guardrails.clock import iso
from guardrails.config import load_config
from guardrails.documents import Document, keep
from guardrails.errors import BadInput, Refused
from guardrails.hive import Hive
from guardrails.identity import dedupe_key, lead_id
from guardrails.lessons import record_lesson
from guardrails.model import Frozen, Scope
from guardrails.remembering import Fact, begin, remember
from guardrails.store import Store
from guardrails.store.brake_tables import failures
from guardrails.store.fleet_tables import memory_outbox, workers
from guardrails.store.people_tables import approvals, inbox, lessons, slack_messages
from guardrails.store.tables import documents, enrichment_cache, run_items, runs, shadow_emails
from guardrails.store.write_tables import deliveries
from guardrails.suppression import is_suppressed
from orchestrator.deliveries import queue
from orchestrator.delivery_rows import queue_approved
from orchestrator.forget.command import Forgetting
from orchestrator.learning.acts import Acts, Person
from tests.conftest import SteppableClock
from tests.decision_samples import new_bank

pytestmark = pytest.mark.anyio
ANA, BEN = "Ana.Lind+news@Firm.example", "ben@other.example"
CONFIG = load_config()


class Words(Frozen):
    """Any document."""

    text: str


class House:
    """A hive in which two people stand everywhere."""

    def __init__(self, hive: Hive, store: Store, clock: SteppableClock) -> None:
        self.hive, self.store, self.clock = hive, store, clock
        self.bank: Bank = new_bank(hive, clock)
        self.audit = AuditLog(hive, store, clock)
        people = ApproverList.of(CONFIG.approvers, (), hive.salt())
        self.approvals = Approvals(
            store, self.audit, StopSwitch(hive, store), people, clock, queue_approved
        )
        self.forgetting = Forgetting(hive, store, self.audit, self.approvals, CONFIG, clock)

    def id_of(self, email: str) -> str:
        return lead_id(self.hive.salt(), dedupe_key(email))

    async def settle(self, row: int, email: str) -> None:
        """Put somebody everywhere."""
        at, who = iso(self.clock()), self.id_of(email)
        mail = {"lead_id": who, "to": email, "body": f"Hi, {email}"}
        lesson = Lesson(
            event_id=f"reject:{row}", at=self.clock(), outcome="rejection", reason_code="tone",
            text=f"{email} would hate this", actor="U-1", trust="human", lead_id=who,
            scope=Scope(segment="agency", angle="a", persona="founder"),
            template_hash="t", content_hash=f"c{row}",
        )  # fmt: skip
        rows: list[tuple[Any, dict[str, Any]]] = [
            (run_items, {"run_id": "R-1", "row": row, "lead_id": who, "state": "ready",
                         "lead": json.dumps({"email": email, "name": "N"}),
                         "result": json.dumps({"why": f"{email} is fine"}), "updated_at": at}),
            (shadow_emails, {"run_id": "R-1", "row": row, "email_id": f"E{row}", "lead_id": who,
                             "document": json.dumps(mail)}),
            (enrichment_cache, {"key": f"clay:{row}", "lead_id": who, "document": f'"{email}"',
                                "fetched_at": at, "expires_at": at}),
            (inbox, {"id": f"I{row}", "source": "instantly", "kind": "reply_received",
                     "state": "new", "body": json.dumps({"from": email.upper()}), "attempts": 0,
                     "received_at": at, "updated_at": at}),
            (lessons, {"event_id": lesson.event_id, "lead_id": who,
                       "document": lesson.model_dump_json(), "created_at": at}),
            (approvals, {"approval_id": f"P-{row}", "decision_audit_id": f"A-{row}",
                         "lead_id": who, "run_id": "R-1", "row": row, "state": "rejected",
                         "verdict": "pass", "segment": "s", "first_of_segment": False,
                         "content_hash": "c", "requested_at": at, "due_at": at, "expires_at": at,
                         "reason_text": f"{email}: no", "updated_at": at}),
            (slack_messages, {"message_id": f"notice:{row}", "kind": "notice", "state": "new",
                              "approval_id": f"P-{row}", "wanted": 1, "shown": 0, "attempts": 0,
                              "document": json.dumps({"text": "N was written to"}),
                              "created_at": at, "updated_at": at}),
            (failures, {"failure_id": f"F{row}", "at": at, "server": "ghl", "operation": "o",
                        "kind": "k", "signature": "s", "detail": f"{email} not found",
                        "attempt": 1, "cost_micros": 0}),
        ]  # fmt: skip

        def work(conn: Connection) -> None:
            for table, values in rows:
                conn.execute(table.insert().values(**values))
            keep(conn, [Document.of("decision_inputs", Words(text=email), who)], at)
            keep(conn, [Document.of("bank_slice", Words(text=f"of {email}"))], at)
            queue(conn, f"A-{row}", who, "R-1", row, at)

        await self.store.run(work)
        self.bank.learn(lesson)
        await self.audit.record([AuditEntry("review", "gate", {"of": row}, f"d{row}", who, "R-1")])
        self.write("logs/ghl.log", f'{{"event": "x", "to": "{email}"}}\n')
        self.write("alerts.jsonl", f'{{"what": "{email}"}}\n')
        self.write("failures/report.txt", f"GET /x?email={email.lower().replace('@', '%40')}\n")
        for name in ("emails.json", "R-0/emails.json"):
            path = self.hive.shadow_dir / name
            path.parent.mkdir(exist_ok=True)
            before = json.loads(path.read_text()) if path.exists() else []
            path.write_text(json.dumps([*before, mail]))

    def write(self, name: str, text: str) -> None:
        with (self.hive.path / name).open("a") as file:
            file.write(text)

    async def rows(self, table: Any) -> list[Any]:
        return await self.store.query(lambda conn: list(conn.execute(select(table))))


@pytest.fixture
async def house(hive: Hive, store: Store, clock: SteppableClock) -> AsyncIterator[House]:
    made = House(hive, store, clock)
    at = iso(clock())
    await store.run(
        lambda conn: conn.execute(
            runs.insert().values(
                run_id="R-1", run_key="k", mode="live", sandbox=True, source="f",
                status="finished", total=2, created_at=at,
            )
        )
    )  # fmt: skip
    await made.settle(1, ANA)
    await made.settle(2, BEN)
    yield made
    made.audit.close()


def holders(folder: Path, text: str) -> list[str]:
    """Files with these letters, in any case."""
    wanted = text.lower().encode()
    return [
        str(path.relative_to(folder))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and wanted in path.read_bytes().lower()
    ]


async def test_no_file_of_the_hive_holds_the_address_any_more(house: House) -> None:
    assert "logs/ghl.log" in holders(house.hive.path, "ana.lind")
    told = await house.forgetting.forget("ana.lind@FIRM.example", "She asked")
    assert told["left_in"] == []
    house.store.close()
    assert holders(house.hive.path, "ana.lind") == []
    assert "logs/ghl.log" in holders(house.hive.path, BEN)


async def test_the_rows_keep_their_ids_and_lose_the_person(house: House) -> None:
    told = await house.forgetting.forget(ANA, "She asked")
    who = told["lead_id"]
    assert who == house.id_of(ANA)
    (mine,) = [row for row in await house.rows(run_items) if row.lead_id == who]
    assert (mine.state, mine.lead, mine.result) == ("ready", None, '{"why": "[erased] is fine"}')
    assert [row.lead_id for row in await house.rows(shadow_emails)] == [house.id_of(BEN)]
    assert [row.lead_id for row in await house.rows(enrichment_cache)] == [house.id_of(BEN)]
    kept = {row.digest: row.document for row in await house.rows(documents)}
    assert sorted(document is None for document in kept.values()) == [False, False, True, True]
    letter, other = sorted(await house.rows(inbox), key=lambda row: row.id)
    assert (letter.state, letter.body) == ("done", None)
    assert (other.state, other.body is None) == ("new", False)
    said, unsaid = sorted(await house.rows(approvals), key=lambda row: row.row)
    assert (said.reason_text, unsaid.reason_text) == (None, f"{BEN}: no")
    notice, _ = sorted(await house.rows(slack_messages), key=lambda row: row.message_id)
    assert (notice.state, notice.document) == ("failed", '{"text": "[erased]"}')
    lesson, _ = sorted(await house.rows(lessons), key=lambda row: row.event_id)
    assert Lesson.model_validate_json(lesson.document).text == ""
    states = {row.lead_id: row.state for row in await house.rows(deliveries)}
    assert states == {who: "refused", house.id_of(BEN): "queued"}


async def test_nobody_writes_to_them_again_and_the_record_holds(house: House) -> None:
    told = await house.forgetting.forget(ANA, "Asked by ana.lind@firm.example")
    salt = house.hive.salt()
    reason = await house.store.query(lambda conn: is_suppressed(conn, salt, ANA))
    assert reason == "erased"
    assert house.audit.verify().ok
    record = house.audit.find(told["audit_id"])
    assert record is not None
    assert (record["kind"], record["body"]["lead"]) == ("erasure", told["lead_id"])
    assert record["body"]["reason"] == "Asked by [address]"
    decision = house.audit.find(told["lead_id"])  # its own, not the erasure
    assert decision is not None
    assert decision["body"] == {"of": 1}


async def test_the_bank_keeps_what_it_learned_and_not_the_words(house: House) -> None:
    before = {item.id: (item.alpha, item.beta, item.status) for item in house.bank.items()}
    await house.forgetting.forget(ANA, "She asked")
    after = {item.id: (item.alpha, item.beta, item.status) for item in house.bank.items()}
    assert after == before
    words = {one.text for item in house.bank.items() for one in item.evidence}
    assert f"{ANA} would hate this" not in words
    assert f"{BEN} would hate this" in words


async def test_what_a_person_said_of_a_rule_about_them_goes_with_them(house: House) -> None:
    (rule,) = (i for i in house.bank.items() if i.match.lead_id == house.id_of(ANA))
    acts = Acts(house.store, house.audit, house.bank, house.clock)
    await acts.act(rule.id, "retired", Person("U-1", "her brother asked us to"))
    await house.store.run(lambda conn: begin(conn, iso(house.clock()), "a" * 16))
    house.clock.step(seconds=1)
    await house.forgetting.forget(ANA, "She asked")
    (act,) = (row for row in await house.rows(lessons) if row.event_id.startswith("act:"))
    assert json.loads(act.document)["text"] == ""
    told = [row.document for row in await house.rows(memory_outbox) if row.key == act.event_id]
    assert [json.loads(one)["event"]["text"] for one in told] == [""]
    assert "brother" not in house.hive.bank_file.read_text()


async def test_what_is_in_work_is_not_torn_from_under_the_queen(house: House) -> None:
    at = iso(house.clock())
    await house.store.run(
        lambda conn: conn.execute(
            run_items.insert().values(
                run_id="R-2", row=1, lead_id=house.id_of(ANA), state=None, updated_at=at
            )
        )
    )
    with pytest.raises(Refused, match="being prepared"):
        await house.forgetting.forget(ANA, "She asked")
    assert holders(house.hive.path, "ana.lind")


async def test_who_comes_in_while_they_are_forgotten_is_not_torn_from_under_the_queen(
    house: House,
) -> None:
    class Slow(Approvals):
        async def withdraw(self, *_: Any, **__: Any) -> list[Approval]:
            row = {"run_id": "R-2", "row": 1, "lead_id": house.id_of(ANA), "lead": "{}"}
            now = run_items.insert().values(**row, updated_at=iso(house.clock()))
            await house.store.run(lambda conn: conn.execute(now))
            return []

    people = ApproverList.of(CONFIG.approvers, (), house.hive.salt())
    stop = StopSwitch(house.hive, house.store)
    slow = Slow(house.store, house.audit, stop, people, house.clock, queue_approved)
    forgetting = Forgetting(house.hive, house.store, house.audit, slow, CONFIG, house.clock)
    with pytest.raises(Refused, match="being prepared"):
        await forgetting.forget(ANA, "She asked")
    assert {row.lead for row in await house.rows(run_items) if row.run_id == "R-2"} == {"{}"}


async def test_leads_that_were_handed_in_with_theirs_are_not_lost(house: House) -> None:
    at, both = iso(house.clock()), json.dumps({"csv_text": f"email\n{BEN}\n{ANA}"})
    handed_in = {
        "id": "submission:S-1", "source": "submission", "kind": "leads", "state": "new",
        "body": both, "attempts": 0, "received_at": at, "updated_at": at,
    }  # fmt: skip
    await house.store.run(lambda conn: conn.execute(inbox.insert().values(handed_in)))
    with pytest.raises(Refused, match="submission:S-1"):
        await house.forgetting.forget(ANA, "She asked")
    assert (await house.forgetting.forget("nobody@here.example", "He asked"))["suppressed"]
    assert both in {row.body for row in await house.rows(inbox)}


async def test_forgetting_again_or_a_stranger_does_no_harm(house: House) -> None:
    await house.forgetting.forget(ANA, "She asked")
    again = await house.forgetting.forget(ANA, "She asked")
    assert {name: count for name, count in again["erased"].items() if count} == {}
    stranger = await house.forgetting.forget("nobody@here.example", "He asked")
    assert not any(stranger["erased"].values())
    assert stranger["suppressed"]


async def test_without_a_reason_or_an_address_nothing_happens(house: House) -> None:
    for email, reason in ((ANA, "  "), ("no address", "He asked")):
        with pytest.raises(BadInput):
            await house.forgetting.forget(email, reason)
    assert holders(house.hive.path, "ana.lind")


async def test_another_hive_below_is_left_and_told(house: House) -> None:
    below = Hive.open(house.hive.path / "chaos", sandbox=True)
    (below.logs_dir / "queen.log").write_text(ANA)
    told = await house.forgetting.forget(ANA, "She asked")
    assert told["left_in"] == ["chaos/logs/queen.log"]


async def test_the_engines_own_tables_are_cleaned_wherever_they_stand(house: House) -> None:
    postgres = house.store.dialect == "postgresql"
    table = "dbos.workflow_status" if postgres else "workflow_status"

    def work(conn: Connection) -> None:
        if postgres:
            conn.execute(text("CREATE SCHEMA dbos"))
        conn.execute(text(f"CREATE TABLE {table} (workflow_uuid text PRIMARY KEY, error text)"))
        conn.execute(text(f"INSERT INTO {table} VALUES ('any', '{ANA} not found')"))

    await house.store.run(work)
    await house.forgetting.forget(ANA, "She asked")
    asked = text(f"SELECT error FROM {table}")
    said = await house.store.query(lambda conn: conn.execute(asked).scalar_one())
    assert said == "[erased] not found"


async def test_hives_of_the_same_database_are_named_as_places_to_erase(house: House) -> None:
    at = iso(house.clock())
    one = {"session": "s", "pid": 1, "version": "1", "mode": "live", "started_at": at,
           "beat_at": at, "lease_until": at}  # fmt: skip
    names = ((house.hive.chain_id(), "here"), ("chain-b", "other.example"))
    values = [one | {"worker": name, "host": host} for name, host in names]
    await house.store.run(lambda conn: conn.execute(workers.insert(), values))
    told = await house.forgetting.forget(ANA, "She asked")
    named = [place for place in told["outside"] if "same database" in place]
    assert len(named) == 1
    assert "chain-b on other.example" in named[0]


async def test_compressed_files_are_searched_and_a_damaged_one_is_told(house: House) -> None:
    for folder, name, content in (
        ("logs", "queen.log.2.gz", gzip.compress(f"{ANA} was here".encode())),
        ("logs", "queen.log.3.gz", gzip.compress(b"nobody was here")),
        ("audit", "2020-01-01.old.gz", gzip.compress(b"nobody was here")[:-6]),
    ):
        (house.hive.path / folder / name).write_bytes(content)
    told = await house.forgetting.forget(ANA, "She asked")
    assert sorted(told["left_in"]) == ["audit/2020-01-01.old.gz", "logs/queen.log.2.gz"]


async def test_what_the_long_term_memory_was_to_learn_is_not_sent_and_the_rest_is_erased_there(
    house: House,
) -> None:
    at, who = iso(house.clock()), house.id_of(ANA)
    other = house.id_of(BEN)

    def tell(conn: Connection) -> None:
        begin(conn, at, "a" * 16)
        for person in (who, other):
            remember(conn, Fact.TOUCH, f"A-{person}", at, {"lead_id": person}, person)

    await house.store.run(tell)
    told = await house.forgetting.forget(ANA, "She asked")
    assert told["erased"]["memory_outbox"] == 1
    rows = await house.rows(memory_outbox)
    of_hers = {row.kind for row in rows if row.lead_id == who}
    assert of_hers == {"erasure", "lesson"}  # the lesson again, without the words about her
    assert {row.kind for row in rows if row.lead_id == other} == {"touch"}
    assert "suppression" in {row.kind for row in rows}
    lesson = next(row for row in rows if row.kind == "lesson")
    assert json.loads(lesson.document)["event"]["text"] == ""
    assert not [row for row in rows if "ana.lind" in row.document.lower()]


async def test_no_lesson_is_lost_to_other_banks_and_no_words_stay_there_however_often_one_forgets(
    house: House,
) -> None:
    at, who = iso(house.clock()), house.id_of(ANA)
    wordless = Lesson(
        event_id="unsubscribe:1", at=house.clock(), outcome="unsubscribe", actor="ghl",
        trust="system", lead_id=who, scope=Scope(segment="s", angle="a", persona="p"),
    )  # fmt: skip
    await house.store.run(lambda conn: begin(conn, at, "a" * 16))
    await house.store.run(lambda conn: record_lesson(conn, wordless, at))
    for _ in range(2):  # the memory is away meanwhile
        house.clock.step(seconds=1)
        await house.forgetting.forget(ANA, "She asked")
        rows = [row for row in await house.rows(memory_outbox) if row.lead_id == who]
        events = [json.loads(row.document)["event"] for row in rows if row.kind == "lesson"]
        told = sorted((event["event_id"], event["text"]) for event in events)
        assert told == [("reject:1", ""), ("unsubscribe:1", "")]
