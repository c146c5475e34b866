"""Leave to send: for the decided e-mail to the decided person, as things are now; or why not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from sqlalchemy import Connection, delete, text, update

from guardrails.audit import AuditLog
from guardrails.authorize_model import Authorization
from guardrails.bank import Lesson
from guardrails.clock import iso
from guardrails.documents import load
from guardrails.errors import (
    AuditBroken,
    AuditUnwritable,
    BadInput,
    BankUnreadable,
    Refused,
    Stopped,
    StoreUnavailable,
)
from guardrails.explain import explain
from guardrails.hive import Hive
from guardrails.ledger import AlreadySent, Claimed, Ledger, WriteEntry
from guardrails.ledger_pauses import pause
from guardrails.model import (
    CrmView,
    Mode,
    OutreachView,
    RecalledTouch,
    Recollection,
    WriteAction,
)
from guardrails.permits import Permit
from guardrails.policy import GateInputs
from guardrails.replay import replay
from guardrails.store import Store
from guardrails.store.tables import documents, stop_state
from guardrails.store.write_tables import deliveries
from guardrails.suppression import suppress
from tests.conftest import SteppableClock
from tests.decision_samples import DOSSIER, DRAFT, NOW, QUALIFICATION, SENDER, dossier, new_bank
from tests.guardrails.authorize_samples import (
    CONTACT,
    EMAIL,
    KNOWN,
    Desk,
    codes,
    conversation,
    enrolment,
    in_mode,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def audit(hive: Hive, sqlite_store: Store, clock: SteppableClock) -> Iterator[AuditLog]:
    log = AuditLog(hive, sqlite_store, clock)
    yield log
    log.close()


@pytest.fixture
def desk(hive: Hive, sqlite_store: Store, clock: SteppableClock, audit: AuditLog) -> Desk:
    return Desk(hive, sqlite_store, clock, audit, new_bank(hive, clock))


async def test_the_decided_email_gets_one_permit_with_all_of_it_on_record(desk: Desk) -> None:
    decision = await desk.decided()
    given = await desk.send(decision)
    assert (given.verdict, given.key) == ("permitted", f"send:{decision.audit_id}")
    (record,) = desk.records()
    body = record["body"]
    assert (record["audit_id"], body["verdict"], body["key"]) == (
        given.audit_id,
        "permitted",
        given.key,
    )
    assert given.permit is not None
    minted = jwt.decode(given.permit, options={"verify_signature": False})
    assert {name: minted[name] for name in body["permit"]} == body["permit"]
    assert minted["audit_id"] == given.audit_id
    assert minted["exp"] - minted["iat"] == desk.config.production.delivery.permit_seconds
    assert body["caps"]["day"] == {"held": 0, "cap": 5}
    said = {check["rule"] for check in body["checks"]}
    assert {"mode", "decision", "intent", "opted_out", "bank", "sending_window", "ledger"} <= said
    permit = await desk.spend(given, conversation())
    row = await desk.row(given.key)
    assert row is not None
    assert (row.status, row.permit_id, row.lead_id) == (
        "dispatching",
        permit.jti,
        DOSSIER.lead.lead_id,
    )


async def test_what_was_given_up_since_it_set_out_gets_no_permit(desk: Desk) -> None:
    """A cancelled submission, or --fresh, may come after its delivery was looked at."""
    decision = await desk.decided()
    on_its_way = {
        "delivery_id": decision.audit_id, "lead_id": decision.lead_id, "run_id": "R-1", "row": 1,
        "state": "queued", "created_at": iso(NOW), "updated_at": iso(NOW),
    }  # fmt: skip
    await desk.store.run(lambda conn: conn.execute(deliveries.insert().values(on_its_way)))
    assert (await desk.send(decision)).verdict == "permitted"
    await desk.store.run(lambda conn: conn.execute(update(deliveries).values(state="refused")))
    given = await desk.send(decision)
    assert (given.verdict, given.permit, codes(given)) == ("refused", None, ["given_up"])


async def test_the_record_names_nobody_and_holds_no_text_of_the_email(desk: Desk) -> None:
    decision = await desk.decided()
    await desk.send(decision, crm=CrmView(contact_id=CONTACT, dnd_email=True))
    await desk.send(decision)
    told = json.dumps(desk.records())
    for secret in ("@", "Ana", "Reyes", DRAFT.subject, "I saw that", CONTACT):
        assert secret not in told


async def test_a_cold_email_goes_by_a_campaign_under_the_same_key(desk: Desk) -> None:
    decision = await desk.decided()
    key = f"send:{decision.audit_id}"
    cold = enrolment(key)
    given = await desk.send(decision, cold, crm=CrmView())
    assert given.verdict == "permitted"
    assert await desk.spend(given, cold)


async def test_an_enrolment_that_would_carry_another_key_is_refused(desk: Desk) -> None:
    decision = await desk.decided()
    given = await desk.send(decision, enrolment("send:A-other"), crm=CrmView())
    assert (given.verdict, codes(given)) == ("refused", ["other_content"])


@pytest.mark.parametrize(
    ("intent", "what"),
    [
        (conversation(recipient="bo@northwind.example"), "recipient"),
        (conversation(recipient="ana.reyes+x@northwind.example"), "recipient"),
        (conversation(sender="other@chiefaiofficer.example"), "sender"),
        (conversation(subject=f"{DRAFT.subject}."), "subject"),
        (conversation(body=f"{DRAFT.body} "), "body"),
        (conversation(body=None), "body"),
        (conversation(cc="boss@northwind.example"), "form"),
        (conversation(html="<p>other</p>"), "form"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_anything_but_the_decided_email_is_refused(
    desk: Desk, intent: Any, what: str
) -> None:
    given = await desk.send(await desk.decided(), intent)
    assert (given.verdict, codes(given)) == ("refused", ["other_content"])
    assert what in given.reasons[0].text
    assert await desk.row(given.key) is None


async def test_a_write_that_is_no_first_email_is_refused(desk: Desk) -> None:
    decision = await desk.decided()
    reply = conversation().model_copy(update={"action": WriteAction.REPLY_EMAIL})
    assert codes(await desk.send(decision, reply)) == ["no_reply_decision"]
    tag = conversation().model_copy(update={"action": WriteAction.ADD_TAGS})
    assert codes(await desk.send(decision, tag)) == ["not_this_email"]
    with pytest.raises(BadInput):
        await desk.send(decision, conversation(recipient="nobody"))


@pytest.mark.parametrize("crm", [CrmView(), CrmView(contact_id="c-other")])
async def test_a_conversation_with_another_contact_is_refused(desk: Desk, crm: CrmView) -> None:
    given = await desk.send(await desk.decided(), crm=crm)
    assert (given.verdict, codes(given)) == ("refused", ["other_contact"])


@pytest.mark.parametrize(
    ("views", "verdict", "code"),
    [
        ({"crm": KNOWN.model_copy(update={"dnd_email": True})}, "refused", "dnd"),
        ({"crm": KNOWN.model_copy(update={"is_customer": True})}, "refused", "customer"),
        ({"crm": KNOWN.model_copy(update={"bounced": True})}, "refused", "bounced_before"),
        (
            {"crm": KNOWN.model_copy(update={"last_contacted_at": NOW - timedelta(days=1)})},
            "refused",
            "contacted_recently",
        ),
        ({"outreach": OutreachView(blocked=True)}, "refused", "blocked_outreach"),
        ({"outreach": OutreachView(lead_status="unsubscribed")}, "refused", "unsubscribed"),
        ({"outreach": OutreachView(lead_status="bounced")}, "refused", "bounced_before"),
        ({"outreach": OutreachView(lead_status="active")}, "refused", "in_campaign"),
        ({"outreach": None}, "deferred", "lookup_failed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_the_vendors_know_by_now_is_judged_by_the_same_rules(
    desk: Desk, views: Any, verdict: str, code: str
) -> None:
    given = await desk.send(await desk.decided(), **views)
    assert (given.verdict, codes(given)) == (verdict, [code])
    assert (given.permit, await desk.row(given.key)) == (None, None)
    (record,) = desk.records()
    assert (record["audit_id"], record["body"]["permit"]) == (given.audit_id, None)


async def test_who_opted_out_elsewhere_since_is_refused_and_silence_takes_nothing_back(
    desk: Desk,
) -> None:
    since = Recollection(answered=True, suppressed="opt_out")
    assert codes(await desk.send(await desk.decided(), memory=since)) == ["memory_suppressed"]
    knew = Recollection(
        answered=True, touches=(RecalledTouch(at=NOW - timedelta(days=400), elsewhere=True),)
    )
    before = DOSSIER.model_copy(update={"memory": knew})
    decision = await desk.decided(run_id="run-2", dossier=before)
    away = Recollection(answered=False, why="no answer within 1.5 s")
    assert (await desk.send(decision, memory=away)).verdict == "permitted"
    digest = desk.records()[-1]["body"]["inputs_digest"]
    assert load(desk.store, digest, GateInputs).dossier.memory == knew


async def test_somebody_suppressed_since_is_refused(desk: Desk, clock: SteppableClock) -> None:
    decision, salt = await desk.decided(), desk.hive.salt()
    with desk.store.transaction() as conn:
        suppress(conn, salt, EMAIL, "email", "opt_out", "reply", clock())
    assert codes(await desk.send(decision)) == ["suppressed"]


async def test_a_rejection_since_the_decision_blocks_the_email(
    desk: Desk, clock: SteppableClock
) -> None:
    decision = await desk.decided()
    lesson = Lesson(
        event_id="e-1",
        at=clock(),
        outcome="rejection",
        reason_code="tone",
        actor="approver 1",
        trust="human",
        lead_id=DOSSIER.lead.lead_id,
        scope=DRAFT.scope,
        template_hash=DRAFT.template_hash,
    )
    desk.bank.learn(lesson)
    assert codes(await desk.send(decision)) == ["bank_hard_rule"]


async def test_a_claim_that_went_stale_since_blocks_the_email(
    desk: Desk, clock: SteppableClock
) -> None:
    short = tuple(claim.model_copy(update={"ttl_days": 3}) for claim in DRAFT.claims)
    decision = await desk.decided(draft=DRAFT.model_copy(update={"claims": short}))
    clock.step(days=2)
    given = await desk.send(decision)
    assert given.verdict == "refused"
    assert "claim_stale" in codes(given)


@pytest.mark.parametrize("mode", [Mode.SHADOW, Mode.ASSISTED])
async def test_in_no_mode_but_live_an_email_goes_without_a_person(desk: Desk, mode: Mode) -> None:
    lower = desk.under(in_mode(mode))
    given = await lower.send(await lower.decided())
    assert given.verdict == "refused"
    expected = {
        Mode.SHADOW: ["mode_shadow", "not_ready"],
        Mode.ASSISTED: ["approval_missing"],
    }
    assert codes(given) == expected[mode]
    again = await lower.send(await lower.decided())
    assert codes(again) == expected[mode]


async def test_a_decision_of_another_mode_or_policy_lets_nothing_go(desk: Desk) -> None:
    shadow = desk.under(in_mode(Mode.SHADOW))
    assert codes(await desk.send(await shadow.decided())) == ["other_mode", "policy_changed"]
    decision = await desk.decided(run_id="run-2")
    stricter = desk.under(in_mode(Mode.LIVE, per_day=24))
    assert codes(await stricter.send(decision)) == ["policy_changed"]


async def test_an_edit_of_how_vendors_are_called_lets_what_waits_go(desk: Desk) -> None:
    decision = await desk.decided()
    edited = desk.config.production.model_dump(mode="json")
    edited["vendors"]["ghl"]["timeouts"]["total"] += 5
    edited["work"]["concurrency"] -= 1
    production = type(desk.config.production).model_validate(edited)
    later = desk.under(desk.config.model_copy(update={"production": production}))
    given = await later.send(decision)
    assert given.verdict == "permitted"
    await desk.spend(given, conversation())  # a server that was not started again yet takes it


async def test_a_decision_that_did_not_pass_lets_nothing_go(desk: Desk) -> None:
    review = await desk.decided(dossier=dossier({"title": "Intern"}))
    assert codes(await desk.send(review)) == ["approval_missing"]
    none = await desk.decided(draft=None)
    assert codes(await desk.send(none)) == ["not_ready", "not_this_email"]


async def test_no_decision_no_permit(desk: Desk) -> None:
    decision = await desk.decided()
    intake = await desk.gate.record_intake("run-1", [])
    assert intake == []
    for name in ("A-nothing", decision.decision_id, decision.lead_id):
        given = await desk.send(decision.model_copy(update={"audit_id": name}))
        assert (given.verdict, codes(given)) == ("refused", ["no_decision"])
    permitted = await desk.send(decision)
    own = await desk.send(decision.model_copy(update={"audit_id": permitted.audit_id}))
    assert codes(own) == ["no_decision"]  # a record of authorizing authorizes nothing


async def test_an_old_decision_lets_nothing_go(desk: Desk, clock: SteppableClock) -> None:
    decision = await desk.decided()
    clock.step(days=7)
    assert (await desk.send(decision)).verdict == "permitted"
    clock.step(1)
    assert codes(await desk.send(decision)) == ["decision_old"]


async def test_when_the_person_was_erased_nothing_goes(desk: Desk) -> None:
    decision = await desk.decided()
    with desk.store.transaction() as conn:
        conn.execute(delete(documents).where(documents.c.lead_id == decision.lead_id))
    assert codes(await desk.send(decision)) == ["decision_erased"]


@pytest.mark.parametrize("sender", [None, SENDER.model_copy(update={"name": "Sam Hale"})])
async def test_with_another_sender_configured_nothing_goes(desk: Desk, sender: Any) -> None:
    decision = await desk.decided()
    other = desk.under(desk.config, sender)
    assert codes(await other.send(decision)) == ["sender_changed"]


@pytest.mark.parametrize(
    ("moment", "opens"),
    [
        ("2026-03-10T23:00:00+00:00", "2026-03-11T12:00:00+00:00"),  # evening there
        ("2026-03-14T15:00:00+00:00", "2026-03-16T12:00:00+00:00"),  # Saturday
        ("2026-03-13T21:59:45+00:00", "2026-03-16T12:00:00+00:00"),  # over before a permit would be
    ],
)
async def test_outside_the_recipients_hours_it_waits_for_them(
    desk: Desk, clock: SteppableClock, moment: str, opens: str
) -> None:
    decision = await desk.decided()
    clock.now = datetime.fromisoformat(moment)
    given = await desk.send(decision)
    assert (given.verdict, codes(given)) == ("deferred", ["outside_window"])
    assert given.not_before == datetime.fromisoformat(opens)
    clock.now = given.not_before
    assert (await desk.send(decision)).verdict == "permitted"


async def test_at_a_cap_or_in_a_pause_it_waits_until_there_is_room(
    desk: Desk, clock: SteppableClock
) -> None:
    first, second = await desk.decided(), await _another(desk, "bo.lind@southwind.example")
    given = await desk.send(first)
    await desk.spend(given, conversation())
    waits = await desk.send(*second)
    assert (waits.verdict, codes(waits)) == ("deferred", ["spacing"])
    assert waits.not_before == clock() + timedelta(seconds=45)
    clock.now = waits.not_before
    until = clock() + timedelta(hours=4)
    with desk.store.transaction() as conn:
        pause(conn, "*", until, "5 bounces in an hour", clock())
    paused = await desk.send(*second)
    assert (codes(paused), paused.not_before) == (["paused"], until)
    clock.now = until
    assert (await desk.send(*second)).verdict == "permitted"


async def _another(desk: Desk, email: str, **qualified: Any) -> tuple[Any, Any]:
    """Another lead's decision, and its e-mail."""
    body = DRAFT.body
    known = dossier({"email": email, "domain": email.partition("@")[2]})
    decision = await desk.decided(
        dossier=known, qualification=QUALIFICATION.model_copy(update=qualified)
    )
    return decision, conversation(recipient=email, body=body)


async def test_while_ramping_up_tier_one_goes_first(desk: Desk) -> None:
    second = await _another(desk, "bo.lind@southwind.example", tier=2, score=70)
    assert codes(await desk.send(*second)) == ["ramp_tier"]


async def test_one_person_gets_one_first_email_from_two_runs(
    desk: Desk, clock: SteppableClock
) -> None:
    given = await desk.send(await desk.decided())
    await desk.spend(given, conversation())
    await desk.end(given.key, "sent")
    clock.step(3600)
    again = await desk.send(await desk.decided(run_id="run-2"))
    assert (again.verdict, codes(again)) == ("refused", ["already_written"])


async def test_what_was_sent_is_not_authorized_again(desk: Desk, clock: SteppableClock) -> None:
    decision = await desk.decided()
    given = await desk.send(decision)
    await desk.spend(given, conversation())
    flying = await desk.send(decision)
    assert (flying.verdict, codes(flying)) == ("deferred", ["in_flight"])
    assert flying.not_before is not None
    assert flying.not_before > clock()
    await desk.end(given.key, "sent")
    # by now the CRM has it on record as a contact of today: that is this very e-mail
    seen = KNOWN.model_copy(update={"last_contacted_at": clock()})
    again = await desk.send(decision, crm=seen)
    assert (again.verdict, again.permit, again.reasons) == ("already", None, ())


async def test_what_may_have_been_sent_is_refused(desk: Desk) -> None:
    decision = await desk.decided()
    given = await desk.send(decision)
    await desk.spend(given, conversation())
    await desk.end(given.key, "unknown")
    again = await desk.send(decision)
    assert (again.verdict, codes(again)) == ("refused", ["fate_unknown"])
    other = await desk.send(decision, enrolment(given.key), crm=CrmView())
    assert codes(other) == ["other_write"]


async def test_asking_again_voids_the_unused_permit(desk: Desk) -> None:
    decision = await desk.decided()
    first, second = await desk.send(decision), await desk.send(decision)
    assert first.audit_id != second.audit_id
    with pytest.raises(Refused, match="not this permit"):
        await desk.spend(first, conversation())
    assert await desk.spend(second, conversation())


async def test_of_many_asking_at_once_one_permit_can_be_used(desk: Desk) -> None:
    decision = await desk.decided()
    asked = [desk.send(decision) for _ in range(8)]
    given = await asyncio.gather(*asked, return_exceptions=True)
    permitted = [one for one in given if isinstance(one, Authorization)]
    assert all(isinstance(one, Authorization | Refused) for one in given)
    tried = [desk.spend(one, conversation()) for one in permitted]
    ends = await asyncio.gather(*tried, return_exceptions=True)
    assert len([end for end in ends if isinstance(end, Permit)]) == 1


async def test_the_same_no_is_recorded_once_a_day(desk: Desk, clock: SteppableClock) -> None:
    decision = await desk.decided()
    clock.now = datetime.fromisoformat("2026-03-10T22:30:00+00:00")
    first = await desk.send(decision)
    clock.step(60)
    assert (await desk.send(decision)).audit_id == first.audit_id
    clock.step(2 * 3600)
    assert (await desk.send(decision)).audit_id != first.audit_id
    assert len(desk.records()) == 2


async def test_stopped_nothing_is_authorized_or_recorded(desk: Desk) -> None:
    decision = await desk.decided()
    desk.hive.stop_file.write_text("fire drill\n")
    with pytest.raises(Stopped, match="fire drill"):
        await desk.send(decision)
    assert desk.records() == []
    desk.hive.stop_file.unlink()
    given = await desk.send(decision)
    with desk.store.transaction() as conn:
        conn.execute(update(stop_state).values(epoch=1))
    with pytest.raises(Stopped):  # stopped and lifted since
        await desk.spend(given, conversation())
    assert (await desk.send(decision)).verdict == "permitted"


async def test_a_stop_between_decision_and_claim_is_seen_by_the_claim(desk: Desk) -> None:
    decision = await desk.decided()
    stopping = StoppingBank(desk)
    late = Desk(desk.hive, desk.store, desk.clock, desk.audit, stopping)  # type: ignore[arg-type]
    with pytest.raises(Stopped):
        await late.send(decision)
    assert await desk.row(f"send:{decision.audit_id}") is None


class StoppingBank:
    """A bank during whose reading somebody raises the stop."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def slice_for(self, pattern: Any) -> Any:
        with self._desk.store.transaction() as conn:
            conn.execute(update(stop_state).values(stopped=True, epoch=1, reason="now"))
        return self._desk.bank.slice_for(pattern)


async def test_what_cannot_be_recorded_is_not_permitted_and_may_be_asked_again(
    desk: Desk, hive: Hive
) -> None:
    decision = await desk.decided()
    gone = hive.audit_dir.rename(hive.path / "gone")
    with pytest.raises((AuditUnwritable, AuditBroken)):
        await desk.send(decision)
    gone.rename(hive.audit_dir)
    key = f"send:{decision.audit_id}"
    given = await desk.send(decision)
    assert given.verdict == "permitted"
    assert given.key == key
    assert desk.audit.verify().ok


async def test_what_cannot_be_recorded_after_the_claim_leaves_it_to_be_claimed_again(
    desk: Desk, hive: Hive
) -> None:
    decision = await desk.decided()
    torn = Desk(hive, desk.store, desk.clock, desk.audit, desk.bank, ledger=TearingLedger)
    with pytest.raises(AuditUnwritable):
        await torn.send(decision)
    assert not hive.audit_dir.exists()
    row = await desk.row(f"send:{decision.audit_id}")
    assert row is not None
    assert (row.status, row.permit_id) == ("claimed", None)
    assert not list(hive.keys_dir.glob("permit.*"))  # the mint was never asked
    hive.path.joinpath("gone").rename(hive.audit_dir)
    given = await desk.send(decision)
    assert await desk.spend(given, conversation())


class TearingLedger(Ledger):
    """A ledger in whose claim the audit's directory goes away."""

    def claim(self, conn: Connection, entry: WriteEntry) -> Claimed | AlreadySent:
        claimed = super().claim(conn, entry)
        hive = Path(str(conn.engine.url.database)).parent
        (hive / "audit").rename(hive / "gone")
        return claimed


async def test_an_unreadable_bank_permits_nothing(desk: Desk) -> None:
    decision = await desk.decided()
    desk.hive.bank_file.write_bytes(b"{")
    with pytest.raises(BankUnreadable):
        await desk.send(decision)
    assert await desk.row(f"send:{decision.audit_id}") is None


async def test_a_changed_decision_permits_nothing(desk: Desk) -> None:
    decision = await desk.decided()
    (file,) = desk.hive.audit_dir.glob("*.jsonl")
    file.write_bytes(file.read_bytes().replace(b'"verdict":"pass"', b'"verdict":"PASS"'))
    with pytest.raises(AuditBroken):
        await desk.send(decision)


async def test_changed_inputs_permit_nothing(desk: Desk) -> None:
    decision = await desk.decided()
    with desk.store.transaction() as conn:
        conn.execute(update(documents).values(document=text("document || ' '")))
    with pytest.raises(AuditBroken):
        await desk.send(decision)


@pytest.mark.parametrize(
    "table", ["writes", "sending_pauses", "audit_index", "suppressions", "outcomes"]
)
async def test_without_a_table_nothing_is_permitted(desk: Desk, table: str) -> None:
    decision = await desk.decided()
    with desk.store.transaction() as conn:
        conn.execute(text(f"DROP TABLE {table}"))
    with pytest.raises(StoreUnavailable):
        await desk.send(decision)


async def test_without_the_stop_flag_nothing_is_permitted(desk: Desk) -> None:
    decision = await desk.decided()
    with desk.store.transaction() as conn:
        conn.execute(delete(stop_state))
    with pytest.raises(Stopped, match="missing"):
        await desk.send(decision)


async def test_on_either_database_one_permit_is_given_and_spent(
    hive: Hive, store: Store, clock: SteppableClock
) -> None:
    log = AuditLog(hive, store, clock)
    desk = Desk(hive, store, clock, log, new_bank(hive, clock))
    decision = await desk.decided()
    given = await asyncio.gather(*(desk.send(decision) for _ in range(3)), return_exceptions=True)
    permitted = [one for one in given if isinstance(one, Authorization)]
    ends = [desk.spend(one, conversation()) for one in permitted]
    spent = await asyncio.gather(*ends, return_exceptions=True)
    assert len([end for end in spent if isinstance(end, Permit)]) == 1
    log.close()


async def test_with_an_unreadable_key_nothing_is_permitted(desk: Desk) -> None:
    decision = await desk.decided()
    await desk.send(decision)
    (desk.hive.keys_dir / "permit.key").write_bytes(b"not a key")
    with pytest.raises(Refused, match="key"):
        await desk.send(decision)
    row = await desk.row(f"send:{decision.audit_id}")
    assert row is not None
    assert row.permit_id is None


async def test_leave_is_told_to_a_person_and_leads_back_to_the_decision(desk: Desk) -> None:
    decision = await desk.decided()
    refused = await desk.send(decision, crm=KNOWN.model_copy(update={"dnd_email": True}))
    told = explain(desk.records()[0])
    assert f"Leave to send email at ghl ({refused.key}): refused." in told
    assert "[dnd]" in told
    assert "What would change the answer" in told
    assert decision.audit_id in told
    await desk.send(decision)
    assert "day: 0 of 5 e-mails before it" in explain(desk.records()[1])
    again = replay(desk.audit, desk.store, decision.lead_id)  # by its lead: the newest record
    assert (again.audit_id, again.same) == (decision.audit_id, True)
