"""The Orchestrator-MCP in memory: handing in and following, looking and understanding, stopping."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import pytest
from mcp import Client, MCPError
from sqlalchemy import text

from guardrails.bank import Lesson
from guardrails.brakes.failures import FailureTracker
from guardrails.brakes.stop import StopSwitch
from guardrails.heartbeats import Beating, put
from guardrails.hive import Hive
from guardrails.store import Store, open_store
from orchestrator.fixes.model import FixFiles
from orchestrator.inbox import Source
from orchestrator.mcp.contract import TOOLS
from orchestrator.mcp.contract_stop import StopSwarm
from orchestrator.mcp.service_stop import StopService
from orchestrator.mcp.settings import forget_keys
from orchestrator.variables import VARIABLES
from servers.common.outside import META
from tests.conftest import SteppableClock
from tests.decision_samples import DOSSIER, DRAFT
from tests.guardrails.authorize_samples import EMAIL
from tests.orchestrator.fixes.test_replayed_leads import FIX
from tests.orchestrator.mcp.house import House, call, failure, written
from tests.orchestrator.mcp.taking import Queen, people

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(house: House) -> AsyncIterator[Client]:
    async with house.client() as connected:
        yield connected


@pytest.fixture
def queen(house: House) -> Iterator[Queen]:
    made = Queen(house.hive, house.store, house.clock)
    yield made
    made.close()


async def taken_up(queen: Queen) -> None:
    """The queen takes up whatever waits."""
    for received in await queen.inbox.next_batch(100, [Source.SUBMISSION]):
        await queen.submissions().take(received)


async def beat(house: House, **says: Any) -> None:
    """A queen says that she lives."""
    row = Beating(None, "queen", house.clock, 5, lambda: says, host="here").row()
    await house.store.run(lambda conn: put(conn, row))


def test_it_has_these_tools_and_none_that_sends_approves_or_resumes() -> None:
    assert [spec.name for spec in TOOLS] == [
        "submit_leads", "follow_submission", "cancel_submission", "get_status", "list_approvals",
        "show_approval", "ask_approver", "explain_decision", "consult_pattern", "list_failures",
        "list_fixes", "stop_swarm",
    ]  # fmt: skip
    changing = {spec.name for spec in TOOLS if not spec.read_only}
    assert changing == {"submit_leads", "cancel_submission", "ask_approver", "stop_swarm"}
    assert not any(spec.open_world for spec in TOOLS)


async def test_rows_are_handed_in_read_by_the_hunter_and_followed_one_by_one(
    house: House, client: Client, queen: Queen
) -> None:
    rows = [
        {"email": "Ana.Reyes@Northwind.example", "first_name": "Ana", "company": 'Nor"th, wind'},
        {"email": "nobody at all", "company": "X"},
        {"email": "ben@b.example", "do_not_contact": True},
        {"email": "ana.reyes@northwind.example"},
    ]
    handed = await call(client, "submit_leads", rows=rows)
    assert (handed["new"], handed["stage"]) == (True, "waiting")
    assert "swarm up" in handed["next_step"]  # nobody takes it up
    await taken_up(queen)
    told = await call(client, "follow_submission", submission_id=handed["submission_id"])
    assert (told["stage"], told["mode"], told["total"]) == ("working", "assisted", 4)
    assert told["counts"] == {"preparing": 2, "invalid": 1, "duplicate": 1}
    ana, nobody, ben, again = told["leads"]
    assert [one["row"] for one in (ana, nobody, ben, again)] == [1, 2, 3, 4]
    assert nobody["field"] == "email"
    assert nobody["remedy"]
    assert again["decision"] == "duplicate"
    kept = text("SELECT lead FROM run_items WHERE row IN (1, 3) ORDER BY row")
    leads = [json.loads(row.lead) for row in house.store_query(kept)]
    assert (leads[0]["lead_id"], leads[0]["company"]) == (ana["lead_id"], 'Nor"th, wind')
    assert leads[1]["do_not_contact"]
    explained = await call(client, "explain_decision", id=nobody["audit_id"])
    assert "Row 2" in explained["text"]


async def test_the_same_again_changes_nothing_and_says_so(client: Client, queen: Queen) -> None:
    first = await call(client, "submit_leads", csv_text=people("ana"), key="k")
    again = await call(client, "submit_leads", csv_text=people("ana"), key="k")
    assert (first["new"], again["new"]) == (True, False)
    assert first["submission_id"] == again["submission_id"]
    await taken_up(queen)
    assert len(await queen.rows()) == 1
    refused = await failure(client, "submit_leads", csv_text=people("ben"), key="k")
    assert refused["code"] == "bad_input"


async def test_killed_between_record_and_inbox_the_same_call_hands_it_in(
    house: House, client: Client, queen: Queen
) -> None:
    await call(client, "submit_leads", csv_text=people("ana"))
    await house.store.run(lambda conn: conn.execute(text("DELETE FROM inbox")))
    again = await call(client, "submit_leads", csv_text=people("ana"))
    assert again["new"]
    assert written(house.hive).count('"act":"handed_in"') == 1


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"rows": [{"email": "a@a.example"}], "csv_text": "Email\na@a.example\n"},
        {"csv_text": ""},
        {"rows": [{"mail": "a@a.example"}]},
        {"rows": [{"email": "a" * 501}]},
        {"rows": [{}] * 1001},
        {"csv_text": "Email\n" + "x" * 1_000_000},
        {"csv_text": "Email\na@a.example\n", "key": ""},
        {"csv_text": "Email\na@a.example\n", "mode": "live"},
    ],
)
async def test_what_cannot_be_handed_in_is_refused_and_nothing_is_kept(
    house: House, client: Client, arguments: dict[str, Any]
) -> None:
    told = await failure(client, "submit_leads", **arguments)
    assert told["code"] == "bad_input"
    assert house.store_query(text("SELECT id FROM inbox")) == []
    assert written(house.hive) == ""


async def test_whether_the_queen_lives_is_told_with_what_to_do(
    house: House, client: Client
) -> None:
    told = await call(client, "submit_leads", csv_text=people("ana"))
    assert told["queen"].startswith("no queen has ever run here")
    await beat(house)
    told = await call(client, "submit_leads", csv_text=people("ben"))
    assert (told["queen"], "swarm up" in told["next_step"]) == ("running", False)
    await beat(house, waits_because="stopped")
    told = await call(client, "submit_leads", csv_text=people("cyd"))
    assert told["queen"] == "running, and waits: stopped"
    house.clock.step(60)
    told = await call(client, "submit_leads", csv_text=people("dan"))
    assert "not been heard of" in told["queen"]


async def test_leads_of_another_mode_than_the_queens_are_said_to_wait(
    house: House, client: Client, queen: Queen
) -> None:
    handed = await call(client, "submit_leads", csv_text=people("ana"))
    id = handed["submission_id"]
    await taken_up(queen)
    for mode, said in (("assisted", "running"), ("shadow", "running in shadow: what was taken up")):
        await beat(house, mode=mode)
        told = await call(client, "follow_submission", submission_id=id)
        assert (told["stage"], told["queen"][: len(said)]) == ("working", said)
        assert ("waits until" in told["queen"]) is (mode == "shadow")


async def test_many_leads_come_page_by_page(client: Client, queen: Queen) -> None:
    handed = await call(client, "submit_leads", csv_text=people(*(f"a{n}" for n in range(7))))
    await taken_up(queen)
    seen, cursor = [], None
    while True:
        more = {"cursor": cursor} if cursor else {}
        id = handed["submission_id"]
        page = await call(client, "follow_submission", submission_id=id, limit=3, **more)
        seen += [one["row"] for one in page["leads"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [1, 2, 3, 4, 5, 6, 7]
    told = await failure(client, "follow_submission", submission_id=id, cursor="p-1")
    assert told["code"] == "bad_input"


async def test_a_submission_is_cancelled_and_one_that_is_not_there_is_named(
    client: Client, queen: Queen
) -> None:
    handed = await call(client, "submit_leads", csv_text=people("ana"))
    await taken_up(queen)
    id = handed["submission_id"]
    told = await call(client, "cancel_submission", submission_id=id)
    assert (told["stage"], told["undecided"]) == ("cancelled", 1)
    told = await call(client, "follow_submission", submission_id=id)
    assert told["counts"] == {"deferred": 1}
    assert told["leads"][0]["reason"].startswith("cancelled:")
    told = await failure(client, "follow_submission", submission_id="S-" + "0" * 16)
    assert told["code"] == "not_found"


async def test_no_address_of_a_submission_reaches_the_record_or_the_answers(
    house: House, client: Client, queen: Queen
) -> None:
    handed = await call(client, "submit_leads", csv_text=people("ana"))
    await taken_up(queen)
    await call(client, "cancel_submission", submission_id=handed["submission_id"])
    told = await call(client, "follow_submission", submission_id=handed["submission_id"])
    assert "@" not in written(house.hive)
    assert "@" not in json.dumps(told)


async def test_the_status_tells_mode_stop_approvals_and_money(house: House, client: Client) -> None:
    await house.waiting.asked()
    house.clock.step(days=0.5)
    told = await call(client, "get_status")
    assert told["mode"] == {"configured": "shadow", "in_force": None, "notes": []}
    assert (told["sandbox"], told["stop"]) == (True, {"stopped": False, "reason": None})
    assert (told["approvals_waiting"], told["approvals_overdue"]) == (1, 1)
    assert {line["scope"] for line in told["spend"]} >= {"total", "clay"}
    assert any("overdue" in line for line in told["needs_a_person"])
    assert told["unread"] == {}


async def test_approvals_are_listed_without_a_name_and_shown_as_outside_text(
    house: House, client: Client
) -> None:
    waits = await house.waiting.asked()
    listed = await call(client, "list_approvals")
    [line] = listed["approvals"]
    assert (line["approval_id"], line["look_alone"]) == (waits.approval_id, True)
    assert "@" not in json.dumps(listed)
    shown = await client.call_tool("show_approval", {"approval_id": waits.approval_id})
    assert shown.meta is not None
    assert META in shown.meta
    assert shown.structured_content is not None
    assert shown.structured_content["to"] == EMAIL
    assert shown.structured_content["content_hash"] == waits.content_hash
    told = await failure(client, "show_approval", approval_id="AP-" + "0" * 20)
    assert told["code"] == "not_found"
    assert (await call(client, "list_approvals", state="approved"))["approvals"] == []


@pytest.mark.parametrize("state", ["waiting", "withdrawn"])
async def test_no_approval_is_passed_over_when_those_before_it_end_meanwhile(
    house: House, client: Client, state: str
) -> None:
    for number in range(6):
        await house.waiting.asked(decision_audit_id=f"A-{number}", lead_id=f"L-{number}")
        house.clock.step(number % 2)  # two at each moment
    approvals = house.waiting.approvals
    for number in range(6) if state == "withdrawn" else ():
        await approvals.withdraw("replied", lead_id=f"L-{number}")
        house.clock.step(number % 2)
    seen, cursor = [], None
    while True:
        more = {"cursor": cursor} if cursor else {}
        page = await call(client, "list_approvals", state=state, limit=1, **more)
        seen += [line["approval_id"] for line in page["approvals"]]
        if state == "waiting":
            await approvals.withdraw("replied", lead_id=page["approvals"][0]["lead_id"])
        if (cursor := page["next_cursor"]) is None:
            break
    assert len(seen) == len(set(seen)) == 6
    assert (await failure(client, "list_approvals", cursor="p1"))["code"] == "bad_input"


async def test_a_decision_is_explained_by_audit_id_lead_id_or_address(
    house: House, client: Client
) -> None:
    decision = await house.desk.decided()
    for id in (decision.audit_id, DOSSIER.lead.lead_id, EMAIL):
        told = await call(client, "explain_decision", id=id)
        assert told["audit_id"] == decision.audit_id
        assert "Checks" in told["text"]
        assert EMAIL not in json.dumps(told)
    assert (await failure(client, "explain_decision", id="L-none"))["code"] == "not_found"
    assert (await failure(client, "explain_decision", id="@"))["code"] == "bad_input"


async def test_the_bank_says_what_it_knows_of_a_pattern(client: Client) -> None:
    told = await call(client, "consult_pattern", segment="agencies", angle="hiring", persona="coo")
    assert told["answer"]["verdict"] == "pass"
    assert "trials" in told["answer"]["text"]


async def test_failures_and_proposals_are_told_and_nothing_can_be_applied(
    house: House, client: Client
) -> None:
    tracker = FailureTracker(house.store, house.hive, house.clock, "ghl")
    await tracker.record(tracker.row("timeout", "search_contacts", "no answer", vendor="ghl"))
    told = await call(client, "list_failures")
    [cause] = told["causes"]
    assert (cause["vendor"], cause["count"], cause["detail"]) == ("ghl", 1, "no answer")
    assert (await call(client, "list_fixes"))["fixes"] == []
    FixFiles(house.hive).put(FIX)
    told = await call(client, "list_fixes")
    assert [one["fix_id"] for one in told["fixes"]] == [FIX.id]
    assert "swarm fixes apply" in told["next_step"]


async def test_a_stop_is_raised_verified_and_on_record_and_stays(
    house: House, client: Client
) -> None:
    told = await call(client, "stop_swarm", reason="wrong e-mails to ana@northwind.example")
    assert (told["stopped"], told["everywhere"], told["verified"]) == (True, True, True)
    assert told["not_verified"] == []
    assert "swarm resume" in told["next_step"]
    state = StopSwitch(house.hive, house.store).state()
    assert (state.stopped, state.epoch) == (True, 1)
    assert "through MCP" in (state.reason or "")
    assert '"actor":"mcp"' in written(house.hive)
    assert "ana@northwind" not in written(house.hive)
    await call(client, "stop_swarm", reason="once more")
    assert StopSwitch(house.hive, house.store).state().epoch == 1
    assert (await call(client, "get_status"))["stop"]["stopped"]


async def test_a_stop_goes_to_its_end_though_whoever_pressed_it_leaves_at_once(
    house: House,
) -> None:
    with anyio.CancelScope() as client:
        asyncio.get_running_loop().call_soon(client.cancel)
        await StopService(house.parts).stop(StopSwarm(reason="a drill"))
    assert client.cancel_called
    assert StopSwitch(house.hive, house.store).state().epoch == 1
    assert '"actor":"mcp"' in written(house.hive)


async def test_in_a_real_hive_a_stop_names_what_it_cannot_do_without_keys(
    tmp_path: Any, clock: SteppableClock
) -> None:
    hive = Hive.open(tmp_path / "real", sandbox=False)
    store = open_store(hive)
    house = House(hive, store, clock)
    async with house.client() as client:
        told = await call(client, "stop_swarm", reason="a drill")
    assert (told["stopped"], told["everywhere"], told["verified"]) == (True, True, False)
    assert {one["what"] for one in told["not_verified"]} == {"campaigns", "Slack"}
    assert "STOP_SWARM=1 swarm stop" in told["next_step"]
    house.close()
    store.close()


async def test_the_documents_are_there_and_hold_no_secret(house: House, client: Client) -> None:
    decision = await house.desk.decided()

    async def read(uri: str) -> Any:
        [found] = (await client.read_resource(uri)).contents
        return json.loads(found.text)  # type: ignore[union-attr]

    assert {resource.uri for resource in (await client.list_resources()).resources} == {
        "hive://reasoning-bank", "hive://audit/today", "config://production",
    }  # fmt: skip
    bank = await read("hive://reasoning-bank")
    assert (len(bank["items"]), bank["page"]) == (bank["items_of_the_bank"], 1)
    assert await read("hive://reasoning-bank/1") == bank
    today = await read("hive://audit/today")
    assert [one["audit_id"] for one in today["records"]] == [decision.audit_id]
    assert (await read(f"hive://audit/{today['day']}/1"))["records"] == today["records"]
    whole = await read(f"hive://decisions/{decision.audit_id}")
    assert whole["record"]["audit_id"] == decision.audit_id
    assert "@" not in json.dumps(today)
    production = await read("config://production")
    assert production["production"]["mode"] == "shadow"
    for uri in (
        "hive://audit/2026-03-10/2", "hive://audit/../1", "hive://audit/2026-03-10/0",
        "hive://reasoning-bank/2", "hive://reasoning-bank/-1", "hive://decisions/x", "hive://x",
    ):  # fmt: skip
        with pytest.raises(MCPError) as caught:
            await read(uri)
        assert caught.value.error.data["failure"]["code"] in {"not_found", "bad_input"}


async def test_the_bank_comes_page_by_page_however_much_was_learned(
    house: House, client: Client
) -> None:
    def lesson(number: int) -> Lesson:
        return Lesson(
            event_id=f"e{number}", at=house.clock(), outcome="rejection", reason_code="tone",
            actor="Ada", trust="human", lead_id=f"L-{number}", scope=DRAFT.scope,
            template_hash="a" * 16, content_hash=f"{number:064}",
        )  # fmt: skip

    house.desk.bank.learn(*(lesson(number) for number in range(120)))
    pages = []
    for page in ("", "/2", "/3"):
        [found] = (await client.read_resource(f"hive://reasoning-bank{page}")).contents
        pages.append(json.loads(found.text))  # type: ignore[union-attr]
    ids = [item["id"] for page in pages for item in page["items"]]
    assert [len(page["items"]) for page in pages[:2]] == [100, 100]
    assert len(set(ids)) == len(ids) == pages[0]["items_of_the_bank"] > 240


async def test_todays_audit_is_the_newest_page_however_long_the_day(
    house: House, client: Client, queen: Queen
) -> None:
    rows = "".join(f"bad {number},,,\n" for number in range(130))
    await call(client, "submit_leads", csv_text=f"Email,First Name,Last Name,Company\n{rows}")
    await taken_up(queen)
    [found] = (await client.read_resource("hive://audit/today")).contents
    told = json.loads(found.text)  # type: ignore[union-attr]
    assert (told["records_of_the_day"], len(told["records"])) == (131, 100)
    assert told["records"][-1]["seq"] == 131


def test_no_vendors_key_stays_in_the_process() -> None:
    environ = {variable.name: "x" for variable in VARIABLES} | {"PATH": "p", "SWARM_SANDBOX": "1"}
    forget_keys(environ)
    assert set(environ) == {
        "PATH", "SWARM_SANDBOX", "SWARM_DATABASE_URL", "SLACK_APPROVER_IDS", "HIVE_MIND_DIR",
        "SWARM_CONFIG", "SWARM_SANDBOX_OFFSET_S", "OTEL_EXPORTER_OTLP_ENDPOINT",
    }  # fmt: skip


async def test_while_the_database_is_away_everything_says_so(
    house: House, client: Client, sqlite_store: Store
) -> None:
    await house.store.run(lambda conn: conn.execute(text("ALTER TABLE inbox RENAME TO gone")))
    told = await failure(client, "submit_leads", csv_text=people("ana"))
    assert told["code"] == "store_unavailable"
    assert told["retryable"]
    status = await call(client, "get_status")
    assert "work" in status["unread"]
    assert "nobody can tell" in status["queen"]  # a second one is not to be started
    unread = ("brakes", "approvals_waiting", "inbox_waiting", "sends_of_unknown_fate")
    assert [status[name] for name in unread] == [None] * 4
    assert (status["sent_today"], status["spend"] is not None) == (0, True)
