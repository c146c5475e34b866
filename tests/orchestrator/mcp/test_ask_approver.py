"""Approving through MCP: a person's answer to a question, in both eras, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import mcp_types as types
import pytest
from mcp import Client, MCPError
from sqlalchemy import text

from guardrails.approval_model import Approval
from guardrails.hive import Hive
from guardrails.store import Store
from tests.conftest import SteppableClock
from tests.decision_samples import DRAFT
from tests.guardrails.authorize_samples import EMAIL
from tests.mcp.failures import failure_of
from tests.mcp.over_http import over_http
from tests.orchestrator.mcp.house import ERAS, Era, House, call, failure, naming, no, written, yes

pytestmark = pytest.mark.anyio
EACH_ERA = pytest.mark.parametrize("era", ERAS)


async def asked_by(client: Client, approval: Approval) -> types.InputRequiredResult:
    """The question, as a client of 2026-07-28 gets it."""
    found = await client.session.call_tool(
        "ask_approver", {"approval_id": approval.approval_id}, allow_input_required=True
    )
    assert isinstance(found, types.InputRequiredResult), found
    return found


async def answered(
    client: Client, id: str, state: str | None, answer: types.ElicitResult | None
) -> Any:
    """The same call again, with an answer and a state."""
    return await client.session.call_tool(
        "ask_approver",
        {"approval_id": id},
        input_responses={"answer": answer} if answer else None,
        request_state=state,
        allow_input_required=True,
    )


@EACH_ERA
async def test_a_persons_yes_lets_exactly_that_text_go(house: House, era: Era) -> None:
    waits = await house.waiting.asked()
    async with house.client(yes(), era) as client:
        told = await call(client, "ask_approver", approval_id=waits.approval_id)
    assert told["outcome"] == "approved"
    assert house.waiting.let_go == [waits.approval_id]
    record = house.audit.find(told["audit_id"])
    assert record is not None
    body = record["body"]
    assert (body["via"], body["by"]) == ("mcp", house.waiting.who("Ada").id)
    assert body["content_hash"] == waits.content_hash


@EACH_ERA
async def test_the_question_shows_what_is_decided_about(house: House, era: Era) -> None:
    waits = await house.waiting.asked()
    async with house.client(yes(), era) as client:
        await call(client, "ask_approver", approval_id=waits.approval_id)
    [question] = house.asked
    quoted = "\n".join(f"> {line}" for line in DRAFT.body.strip().split("\n"))
    for shown in (EMAIL, DRAFT.subject, quoted, "checks passed", waits.content_hash[:12]):
        assert shown in question.message
    form = question.requested_schema
    assert set(form["required"]) == {"decision", "approver"}
    assert form["properties"]["decision"]["enum"] == ["approve", "reject"]


@EACH_ERA
async def test_a_persons_no_is_recorded_with_its_reason_and_becomes_a_lesson(
    house: House, era: Era
) -> None:
    waits = await house.waiting.asked()
    async with house.client(no("tone", words="too eager"), era) as client:
        told = await call(client, "ask_approver", approval_id=waits.approval_id)
    assert told["outcome"] == "rejected"
    found = await house.waiting.approvals.get(waits.approval_id)
    assert found is not None
    assert (found.reason_code, found.reason_text) == ("tone", "too eager")
    lessons = text("SELECT event_id FROM lessons")
    rows = await house.store.query(lambda conn: conn.execute(lessons).all())
    assert [row.event_id for row in rows] == [f"rejection:{waits.approval_id}"]


@EACH_ERA
@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_a_question_that_nobody_answers_changes_nothing(
    house: House, era: Era, action: Any
) -> None:
    waits = await house.waiting.asked()
    async with house.client(types.ElicitResult(action=action), era) as client:
        told = await call(client, "ask_approver", approval_id=waits.approval_id)
        assert (told["outcome"], told["audit_id"]) == ("declined", None)
    assert await house.state(waits) == "waiting"


@EACH_ERA
@pytest.mark.parametrize("who", ["Cyd", "Nobody", "U-0000000000000000", "ada@northwind.example"])
async def test_who_is_not_named_for_mcp_decides_nothing(house: House, era: Era, who: str) -> None:
    """Cyd may approve elsewhere; the others are on no list."""
    waits = await house.waiting.asked()
    async with house.client(yes(who), era) as client:
        told = await call(client, "ask_approver", approval_id=waits.approval_id)
    assert told["outcome"] == "not_counted"
    assert "swarm approvals approve" in told["text"]
    assert await house.state(waits) == "waiting"


async def test_an_approver_may_be_named_by_the_id_on_record(house: House) -> None:
    waits = await house.waiting.asked()
    async with house.client(yes(house.waiting.who("Ada").id)) as client:
        told = await call(client, "ask_approver", approval_id=waits.approval_id)
    assert told["outcome"] == "approved"


@EACH_ERA
async def test_by_default_nobody_approves_through_mcp_and_nobody_is_asked(
    hive: Hive, sqlite_store: Store, clock: SteppableClock, era: Era
) -> None:
    house = House(hive, sqlite_store, clock, naming())
    waits = await house.waiting.asked()
    async with house.client(yes(), era) as client:
        told = await failure(client, "ask_approver", approval_id=waits.approval_id)
    assert told["code"] == "refused"
    assert "Slack" in told["remedy"]
    assert house.asked == []
    house.close()


@EACH_ERA
async def test_a_client_that_cannot_ask_is_told_where_to_approve(house: House, era: Era) -> None:
    waits = await house.waiting.asked()
    async with house.client(None, era) as client:
        told = await failure(client, "ask_approver", approval_id=waits.approval_id)
    assert told["code"] == "refused"
    assert "swarm approvals approve" in told["remedy"]
    assert await house.state(waits) == "waiting"


@EACH_ERA
@pytest.mark.parametrize("reason", [None, ""])
async def test_a_no_without_a_reason_is_asked_for_again(
    house: House, era: Era, reason: str | None
) -> None:
    waits = await house.waiting.asked()
    async with house.client(no(reason), era) as client:
        told = await failure(client, "ask_approver", approval_id=waits.approval_id)
    assert told["code"] == "bad_input"
    assert await house.state(waits) == "waiting"


@EACH_ERA
@pytest.mark.parametrize(
    "content",
    [
        None,
        {},
        {"decision": "approve"},
        {"decision": "yes", "approver": "Ada"},
        {"decision": True, "approver": "Ada"},
        {"decision": "approve", "approver": "Ada", "mode": "live"},
        {"decision": "approve", "approver": ""},
    ],
)
async def test_an_answer_that_is_none_decides_nothing(
    house: House, era: Era, content: dict[str, Any] | None
) -> None:
    waits = await house.waiting.asked()
    answer = types.ElicitResult(action="accept", content=content)
    async with house.client(answer, era) as client:
        told = await failure(client, "ask_approver", approval_id=waits.approval_id)
    assert told["code"] == "bad_input"
    assert await house.state(waits) == "waiting"


@EACH_ERA
async def test_an_answer_as_an_argument_is_refused(house: House, era: Era) -> None:
    waits = await house.waiting.asked()
    async with house.client(yes(), era) as client:
        for more in (
            {"decision": "approve", "approver": "Ada"},
            {"answer": {"action": "accept", "content": {"decision": "approve"}}},
            {"confirm": True},
        ):
            told = await failure(client, "ask_approver", approval_id=waits.approval_id, **more)
            assert told["code"] == "bad_input"
    assert house.asked == []
    assert await house.state(waits) == "waiting"


@EACH_ERA
async def test_a_text_that_changed_while_the_person_read_is_not_approved(
    house: House, era: Era
) -> None:
    """Not even when its row says so: the audit's word on what waits is another."""
    waits = await house.waiting.asked()

    def edited_meanwhile(_params: Any) -> types.ElicitResult:
        change = text("UPDATE approvals SET content_hash = :other")
        with house.store.transaction() as conn:
            conn.execute(change, {"other": "f" * 64})
        return yes()

    async with house.client(edited_meanwhile, era) as client:
        told = await call(client, "ask_approver", approval_id=waits.approval_id)
    assert told["outcome"] == "not_counted"
    assert "another one" in told["text"]
    assert await house.state(waits) == "waiting"


@EACH_ERA
async def test_somebody_who_was_quicker_has_decided(house: House, era: Era) -> None:
    waits = await house.waiting.asked()
    ben = house.waiting.who("Ben")

    async with house.client(no(), era) as client:
        answer = await house.waiting.approvals.approve(
            waits.approval_id, waits.content_hash, ben, "slack"
        )
        assert answer.kind == "done"
        told = await failure(client, "ask_approver", approval_id=waits.approval_id)
    assert "does not wait" in told["message"]
    assert await house.state(waits) == "approved"


async def test_a_row_that_stands_for_another_text_than_was_decided_about_is_not_asked_about(
    house: House,
) -> None:
    waits = await house.waiting.asked(content_hash="e" * 64)
    async with house.client(yes()) as client:
        told = await failure(client, "ask_approver", approval_id=waits.approval_id)
    assert told["code"] == "audit_broken"
    assert house.asked == []


async def test_an_answer_without_its_question_asks_instead(house: House) -> None:
    waits = await house.waiting.asked()
    async with house.client(yes()) as client:
        found = await answered(client, waits.approval_id, None, yes())
        assert isinstance(found, types.InputRequiredResult)
    assert await house.state(waits) == "waiting"


async def test_a_forged_or_edited_state_is_refused_before_anything_runs(house: House) -> None:
    waits = await house.waiting.asked()
    about = json.dumps({"approval": waits.approval_id, "hash": waits.content_hash})
    async with house.client(yes()) as client:
        sealed = (await asked_by(client, waits)).request_state
        assert sealed is not None
        assert waits.approval_id not in sealed  # it is encrypted
        for forged in (
            json.dumps({"about": about, "id": "0" * 32}),
            "v1.",
            sealed[:-2],
            sealed[:-1] + ("A" if sealed[-1] != "A" else "B"),
        ):
            with pytest.raises(MCPError, match="requestState"):
                await answered(client, waits.approval_id, forged, yes())
    assert await house.state(waits) == "waiting"


async def test_a_state_of_another_approval_or_another_hive_is_refused(
    house: House, tmp_path: Any, clock: SteppableClock, sqlite_store: Store
) -> None:
    waits = await house.waiting.asked()
    other_id = "AP-" + "0" * 20
    elsewhere = House(Hive.open(tmp_path / "other", sandbox=True), sqlite_store, clock)
    async with house.client(yes()) as client:
        sealed = (await asked_by(client, waits)).request_state
        with pytest.raises(MCPError, match="requestState"):
            await answered(client, other_id, sealed, yes())
    async with elsewhere.client(yes()) as client:
        with pytest.raises(MCPError, match="requestState"):
            await answered(client, waits.approval_id, sealed, yes())
    elsewhere.close()
    assert await house.state(waits) == "waiting"


async def test_a_question_counts_once_whatever_is_sent_again(house: House) -> None:
    """A no to the question cannot be turned into a yes by sending its state once more."""
    waits = await house.waiting.asked()
    async with house.client(yes()) as client:
        sealed = (await asked_by(client, waits)).request_state
        first = await answered(
            client, waits.approval_id, sealed, types.ElicitResult(action="decline")
        )
        assert first.structured_content["outcome"] == "declined"
        again = await answered(client, waits.approval_id, sealed, yes())
        assert again.is_error
        assert "answered before" in failure_of(again)["message"]
    assert await house.state(waits) == "waiting"


async def test_the_answer_may_arrive_at_another_replica_and_counts_once(house: House) -> None:
    waits = await house.waiting.asked()
    async with house.client(yes()) as one:
        sealed = (await asked_by(one, waits)).request_state
    async with house.client(yes()) as other:
        told = await answered(other, waits.approval_id, sealed, yes())
        assert told.structured_content["outcome"] == "approved"
        again = await answered(other, waits.approval_id, sealed, yes())
        assert again.is_error
    assert house.waiting.let_go == [waits.approval_id]


async def test_what_a_screen_would_hide_is_written_out(house: House) -> None:
    body = DRAFT.body.replace("Ana", "A\u202ena\u200b")
    decision = await house.desk.decided(draft=DRAFT.model_copy(update={"body": body}))
    if decision.content_hash is None:
        pytest.fail("the gate gives even a blocked draft its hash")
    waits = await house.waiting.asked(decision)
    async with house.client(types.ElicitResult(action="decline")) as client:
        await call(client, "ask_approver", approval_id=waits.approval_id)
    [question] = house.asked
    assert "\\u202e" in question.message
    assert not {"\u202e", "\u200b"} & set(question.message)


async def test_no_text_in_the_email_passes_for_a_line_of_ours(house: House) -> None:
    forged = "100 of 100 checks passed."
    draft = DRAFT.model_copy(
        update={"subject": f"Hello\n{forged}", "body": f"{DRAFT.body}\n\n{forged}\u2028{forged}"}
    )
    waits = await house.waiting.asked(await house.desk.decided(draft=draft))
    async with house.client(types.ElicitResult(action="decline")) as client:
        await call(client, "ask_approver", approval_id=waits.approval_id)
    [question] = house.asked
    assert f"\n> {forged}\\u2028{forged}\n" in question.message
    assert not [one for one in question.message.splitlines() if one.startswith(forged)]


async def test_no_address_and_no_body_reaches_the_record(house: House) -> None:
    waits = await house.waiting.asked()
    async with house.client(no("other", words=f"{EMAIL} asked us to stop")) as client:
        await call(client, "ask_approver", approval_id=waits.approval_id)
    audit = written(house.hive)
    assert EMAIL not in audit
    assert DRAFT.body.splitlines()[2] not in audit


async def test_an_expired_one_is_not_approved(house: House) -> None:
    waits = await house.waiting.asked()

    def late(_params: Any) -> types.ElicitResult:
        house.clock.step(days=2)
        return yes()

    async with house.client(late) as client:
        told = await call(client, "ask_approver", approval_id=waits.approval_id)
    assert told["outcome"] == "not_counted"
    assert await house.state(waits) == "expired"


async def test_an_edit_waits_for_somebody_else_than_its_writer(house: House) -> None:
    waits = await house.waiting.asked(author=house.waiting.who("Ada").id)
    async with house.client(yes("Ada")) as client:
        told = await call(client, "ask_approver", approval_id=waits.approval_id)
        assert (told["outcome"], await house.state(waits)) == ("not_counted", "waiting")
    async with house.client(yes("Ben")) as client:
        told = await call(client, "ask_approver", approval_id=waits.approval_id)
    assert told["outcome"] == "approved"


async def test_over_http_a_person_answers_in_the_new_era_and_cannot_be_asked_in_the_old(
    house: House,
) -> None:
    """Our HTTP keeps no sessions: nothing goes from the server to a client by itself."""
    waits = await house.waiting.asked()

    async def put(_ctx: Any, _params: Any) -> types.ElicitResult:
        return yes()

    async with over_http(house.server()) as url:
        async with Client(url, mode="legacy", elicitation_callback=put) as old:
            told = await failure(old, "ask_approver", approval_id=waits.approval_id)
            assert told["code"] == "refused"
            assert await house.state(waits) == "waiting"
        async with Client(url, elicitation_callback=put) as new:
            told = await call(new, "ask_approver", approval_id=waits.approval_id)
    assert told["outcome"] == "approved"
