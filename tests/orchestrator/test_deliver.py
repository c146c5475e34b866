"""deliver_lead over servers that answer as told, on a real ledger: what each answer comes to.

The servers are stand-ins; the ledger, the table of deliveries and the workflow are the real ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, update

from guardrails.authorize_model import Authorization
from guardrails.clock import iso
from guardrails.config import Config, load_config
from guardrails.errors import Failure, ServerUnavailable
from guardrails.ledger import Ledger, Status
from guardrails.model import (
    CrmView,
    Dossier,
    Draft,
    Lead,
    Mode,
    OutreachView,
    Recollection,
    Scope,
    Sender,
)
from guardrails.store import Store
from guardrails.store.write_tables import writes
from orchestrator.asking import Recaller
from orchestrator.deliver import DeliverLead
from orchestrator.deliver_crm import FollowUp
from orchestrator.deliver_mail import Post
from orchestrator.deliver_writes import Writer
from orchestrator.deliveries import Deliveries, Delivery, DeliveryState, give_up, queue
from orchestrator.letters import Letter
from orchestrator.mcp_session import ToolFailed
from servers.ghl.contract import CrmLookUp
from servers.ghl.contract_form import WriteResult
from servers.ghl.contract_mail import Reconciled
from servers.ghl.contract_reads import ContactPlan, OpportunityPlace
from servers.ghl.contract_writes import ContactFields
from servers.instantly.contract import AddressStatus
from servers.instantly.contract_reads import Campaign, FoundCampaign
from servers.instantly.contract_reads import Reconciled as AskedEnrol
from servers.instantly.contract_writes import WriteResult as EnrolResult
from tests.conftest import SteppableClock

pytestmark = pytest.mark.anyio
TO = "ana@firm.example"
SENDER = Sender(name="R", email="r@us.example", company="Us", postal_address="1 Road")
DRAFT = Draft(
    subject="Hello", body="A body.\n\nNo thanks?", template="t", template_hash="h",
    scope=Scope(segment="s", angle="a", persona="p"), sender=SENDER,
)  # fmt: skip
LEAD = Lead(
    lead_id="L-1", dedupe_key=TO, row=1, email=TO, first_name="Ana", company="Firm",
    domain="firm.example", timezone="America/Chicago",
)  # fmt: skip


def failed(code: str, retry_after_s: float | None = None) -> ToolFailed:
    return ToolFailed(
        Failure(code=code, message=code, remedy="", retryable=False, retry_after_s=retry_after_s)
    )


class OneLetter:
    async def of(self, delivery: Delivery) -> Letter:
        return Letter(delivery.delivery_id, delivery.run_id, Dossier(lead=LEAD), DRAFT, None)


class Direct:
    """An engine without memory: every step runs."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    async def step(self, name: str, function: Callable[..., Any], *args: Any) -> Any:
        self.steps.append(name)
        return await function(*args)


@dataclass
class Servers:
    """Answers tools by name; guardrails' leave and the vendors' acts are entered in the ledger."""

    ledger: Ledger
    store: Store
    calls: list[str] = field(default_factory=list)
    answers: dict[str, list[Any]] = field(default_factory=dict)
    contact_id: str | None = "C1"

    async def call(self, server: str, spec: Any, args: Any) -> Any:
        self.calls.append(spec.name)
        told = self.answers.get(spec.name, [])
        answer = told.pop(0) if told else None
        if callable(answer):
            answer = await answer(args)
        if isinstance(answer, Exception):
            raise answer
        return answer if answer is not None else await self._usual(spec.name, args)

    async def _usual(self, tool: str, args: Any) -> Any:
        match tool:
            case "look_up_lead":
                return CrmLookUp(crm=CrmView(contact_id=self.contact_id))
            case "look_up_address":
                return AddressStatus(outreach=OutreachView())
            case "authorize_send" | "authorize_write":
                return await self._leave(tool, args)
            case "plan_contact":
                return ContactPlan(contact_id=self.contact_id, changes=ContactFields())
            case "find_opportunity":
                return OpportunityPlace(pipeline_id="P1", stage_id="S1", opportunity_id=None)
            case _:
                await self.becomes(args.key, Status.SENT)
                return WriteResult(status="sent", vendor_ref=f"ref-{tool}")

    async def _leave(self, tool: str, args: Any) -> Authorization:
        key = args.key if tool == "authorize_write" else f"send:{args.decision_audit_id}"
        who = {"mailbox": SENDER.email, "to": TO} if tool == "authorize_send" else {}
        entry = self.ledger.entry(key, args.intent, lead_id="L-1", tier=1, **who)
        claimed = await self.store.run(lambda conn: self.ledger.claim(conn, entry))
        if claimed.row.status is Status.SENT:
            return Authorization(verdict="already", key=key)
        return Authorization(verdict="permitted", key=key, permit="token")

    async def becomes(self, key: str, status: Status, ref: str | None = None) -> None:
        """As the vendor server's layer writes it."""

        def work(conn: Connection) -> None:
            now = iso(datetime.fromisoformat("2026-03-10T14:00:00+00:00"))
            values = {"status": status.value, "vendor_ref": ref, "dispatched_at": now}
            conn.execute(update(writes).where(writes.c.key == key).values(values))

        await self.store.run(work)


@dataclass
class World:
    servers: Servers
    deliveries: Deliveries
    deliver: DeliverLead
    engine: Direct
    ledger: Ledger

    async def go(self) -> Delivery:
        await self.deliver.workflow("A-1")
        return await self.deliveries.get("A-1")

    async def status(self, key: str) -> str | None:
        row = await self.ledger.recorded(key)
        return row.status.value if row else None


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config()


async def world(
    store: Store,
    clock: SteppableClock,
    config: Config,
    mode: Mode = Mode.LIVE,
    recaller: Recaller | None = None,
) -> World:
    await store.run(lambda conn: queue(conn, "A-1", "L-1", "R-1", 1, iso(clock())))
    ledger = Ledger.of(config.production, store, clock, b"s" * 32)
    servers, engine, deliveries = Servers(ledger, store), Direct(), Deliveries(store, clock)
    writer = Writer(servers, ledger, store, clock, permit_seconds=30)
    deliver = DeliverLead(
        engine, servers, deliveries, OneLetter(), Post(config, servers, writer, clock),
        FollowUp(config.production.delivery, servers, writer, clock), writer, clock, mode, recaller,
    )  # fmt: skip
    return World(servers, deliveries, deliver, engine, ledger)


async def test_a_known_contact_is_written_to_by_the_crm_and_the_crm_is_told(
    sqlite_store: Store, clock: SteppableClock, config: Config
) -> None:
    here = await world(sqlite_store, clock, config)
    ended = await here.go()
    assert (ended.state, ended.channel, ended.reasons, ended.not_before) == (
        DeliveryState.SENT, "ghl", (), None,
    )  # fmt: skip
    assert here.engine.steps == [
        "look_up", "send", "crm_contact", "crm_tags", "crm_note", "crm_opportunity",
    ]  # fmt: skip
    assert here.servers.calls.count("send_email") == 1


async def test_what_the_long_term_memory_knows_by_now_is_told_to_whoever_gives_leave(
    sqlite_store: Store, clock: SteppableClock, config: Config
) -> None:
    known = Recollection(answered=True, suppressed="opt_out")

    class Remembers:
        async def recall(self, lead: Lead) -> Recollection:
            assert lead.email == TO
            return known

    here = await world(sqlite_store, clock, config, recaller=Remembers())
    asked: list[Any] = []

    async def refuses(args: Any) -> Authorization:
        asked.append(args.memory)
        return Authorization(verdict="refused", key="send:A-1")

    here.servers.answers["authorize_send"] = [refuses]
    assert (await here.go()).state is DeliveryState.REFUSED
    assert asked == [known]


async def test_played_again_from_the_start_it_sends_nothing_twice(
    sqlite_store: Store, clock: SteppableClock, config: Config
) -> None:
    here = await world(sqlite_store, clock, config)
    await here.go()
    await here.deliver._send("A-1", await here.deliver._look_up("A-1") | _seen(here))
    await here.go()
    for tool in ("send_email", "add_note", "add_tags", "create_or_update_opportunity"):
        assert here.servers.calls.count(tool) == 1, tool


def _seen(_here: World) -> dict[str, str]:
    return {
        "crm": CrmView(contact_id="C1").model_dump_json(),
        "outreach": OutreachView().model_dump_json(),
    }


async def test_what_a_dead_queen_saw_days_ago_is_looked_up_again_before_leave_is_asked(
    sqlite_store: Store, clock: SteppableClock, config: Config
) -> None:
    here = await world(sqlite_store, clock, config)
    seen = await here.deliver._look_up("A-1")
    clock.step(days=3)
    asked: list[Any] = []

    async def refuses(args: Any) -> Authorization:
        asked.append(args.crm)
        return Authorization(verdict="refused", key="send:A-1")

    since = CrmView(contact_id="C1", dnd_email=True)
    here.servers.answers |= {
        "look_up_lead": [CrmLookUp(crm=since)], "authorize_send": [refuses, refuses],
    }  # fmt: skip
    await here.deliver._send("A-1", seen)
    fresh = await here.deliver._look_up("A-1")
    await here.deliver._send("A-1", fresh)
    assert asked == [since, CrmView(contact_id="C1")]
    assert here.servers.calls.count("look_up_lead") == 3  # what is fresh is not asked again


async def test_what_may_not_go_yet_waits_for_its_moment(
    sqlite_store: Store, clock: SteppableClock, config: Config
) -> None:
    here = await world(sqlite_store, clock, config)
    until = clock() + timedelta(hours=2)
    put_off = Authorization(verdict="deferred", key="send:A-1", not_before=until)
    here.servers.answers["authorize_send"] = [put_off]
    ended = await here.go()
    assert (ended.state, ended.not_before) == (DeliveryState.DEFERRED, until)
    assert "send_email" not in here.servers.calls


async def test_a_refusal_is_the_end_of_it(
    sqlite_store: Store, clock: SteppableClock, config: Config
) -> None:
    here = await world(sqlite_store, clock, config)
    no = Authorization(verdict="refused", key="send:A-1")
    here.servers.answers["authorize_send"] = [no]
    assert (await here.go()).state is DeliveryState.REFUSED
    assert "send_email" not in here.servers.calls


@pytest.mark.parametrize("status", [Status.DISPATCHING, Status.UNKNOWN])
async def test_a_server_that_dies_while_it_sends_leaves_an_unknown_fate_and_no_second_try(
    sqlite_store: Store, clock: SteppableClock, config: Config, status: Status
) -> None:
    here = await world(sqlite_store, clock, config)

    async def dies(args: Any) -> Exception:
        await here.servers.becomes(args.key, status)
        return ServerUnavailable("ghl died during the call")

    here.servers.answers["send_email"] = [dies]
    here.servers.answers["reconcile_send"] = [Reconciled(verdict="inconclusive")] * 2
    ended = await here.go()
    assert ended.state is DeliveryState.UNKNOWN
    assert await here.status("send:A-1") == "unknown"
    clock.step(3600)
    assert (await here.go()).state is DeliveryState.UNKNOWN
    assert here.servers.calls.count("send_email") == 1
    assert here.servers.calls.count("reconcile_send") == 2


async def test_an_unknown_fate_that_the_vendor_shows_is_sent_and_told_to_the_crm(
    sqlite_store: Store, clock: SteppableClock, config: Config
) -> None:
    here = await world(sqlite_store, clock, config)

    async def unknown(args: Any) -> WriteResult:
        await here.servers.becomes(args.key, Status.UNKNOWN)
        return WriteResult(status="unknown")

    here.servers.answers["send_email"] = [unknown]
    here.servers.answers["reconcile_send"] = [Reconciled(verdict="done", vendor_ref="M1")]
    assert (await here.go()).state is DeliveryState.SENT
    assert here.servers.calls.count("add_note") == 1


async def test_an_enrolment_of_unknown_fate_is_asked_about_while_the_stop_holds_its_campaign(
    sqlite_store: Store, clock: SteppableClock, config: Config
) -> None:
    here = await world(sqlite_store, clock, config)
    here.servers.contact_id = None

    async def unknown(args: Any) -> EnrolResult:
        await here.servers.becomes(args.key, Status.UNKNOWN)
        return EnrolResult(status="unknown", vendor_ref=None)

    def campaign(status: str) -> FoundCampaign:
        shown = Campaign(id="11111111-2222-3333-4444-555555555555", name="any", status=status)
        return FoundCampaign(campaign=shown, differs=())

    here.servers.answers |= {
        "find_campaign": [campaign("active"), campaign("paused"), campaign("paused")],
        "enrol_lead": [unknown],
        "reconcile_enrol": [
            AskedEnrol(verdict="inconclusive"), AskedEnrol(verdict="done", vendor_ref="L9"),
        ],
    }  # fmt: skip
    assert (await here.go()).state is DeliveryState.UNKNOWN
    clock.step(3600)
    assert (await here.go()).state is DeliveryState.SENT
    assert "activate_campaign" not in here.servers.calls


async def test_a_server_that_dies_before_anything_left_is_asked_once_more(
    sqlite_store: Store, clock: SteppableClock, config: Config
) -> None:
    here = await world(sqlite_store, clock, config)
    here.servers.answers["send_email"] = [ServerUnavailable("ghl died during the call")]
    assert (await here.go()).state is DeliveryState.SENT
    assert here.servers.calls.count("send_email") == 2


async def test_the_vendors_no_is_a_failure_and_stays_one(
    sqlite_store: Store, clock: SteppableClock, config: Config
) -> None:
    here = await world(sqlite_store, clock, config)

    async def says_no(args: Any) -> Exception:
        await here.servers.becomes(args.key, Status.FAILED)
        return failed("vendor_rejected")

    here.servers.answers["send_email"] = [says_no]
    assert (await here.go()).state is DeliveryState.FAILED
    assert "plan_contact" not in here.servers.calls


async def test_an_open_breaker_puts_it_off_by_as_long_as_it_says(
    sqlite_store: Store, clock: SteppableClock, config: Config
) -> None:
    here = await world(sqlite_store, clock, config)
    here.servers.answers["send_email"] = [failed("breaker_open", 42)]
    ended = await here.go()
    assert (ended.state, ended.not_before) == (
        DeliveryState.DEFERRED, clock() + timedelta(seconds=42),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("status", "seconds", "state"),
    [
        (Status.CLAIMED, 5, DeliveryState.REFUSED),  # a rule of the server's: DND, another address
        (Status.PENDING, 5, DeliveryState.REFUSED),
        (Status.CLAIMED, 29.5, DeliveryState.DEFERRED),  # made at 0.9 s, it is over at 30 s
        (Status.CLAIMED, 31, DeliveryState.DEFERRED),
        (Status.PENDING, 31, DeliveryState.DEFERRED),  # GHL was slow, or had us wait
    ],
)
async def test_a_permit_that_ran_out_on_the_way_is_no_refusal_of_the_lead(
    sqlite_store: Store,
    clock: SteppableClock,
    config: Config,
    status: Status,
    seconds: float,
    state: DeliveryState,
) -> None:
    here = await world(sqlite_store, clock, config)

    async def refuses(args: Any) -> Exception:
        await here.servers.becomes(args.key, status)
        clock.step(seconds)
        return failed("refused")

    here.servers.answers["send_email"] = [refuses]
    assert (await here.go()).state is state
    clock.step(60)
    assert (await here.go()).state is (
        DeliveryState.SENT if state is DeliveryState.DEFERRED else DeliveryState.REFUSED
    )


async def test_a_look_up_that_fails_sends_nothing(
    sqlite_store: Store, clock: SteppableClock, config: Config
) -> None:
    here = await world(sqlite_store, clock, config)
    here.servers.answers["look_up_lead"] = [failed("vendor_unavailable")]
    assert (await here.go()).state is DeliveryState.DEFERRED
    assert "authorize_send" not in here.servers.calls


@pytest.mark.parametrize("then", [None, failed("vendor_unavailable")], ids=["found", "failed"])
async def test_what_is_given_up_while_it_is_looked_up_is_not_sent_and_stays_given_up(
    sqlite_store: Store, clock: SteppableClock, config: Config, then: Exception | None
) -> None:
    """Somebody cancels it, or they opt out, while a worker has it in hand."""
    here = await world(sqlite_store, clock, config)

    async def meanwhile(_args: Any) -> Exception | None:
        await sqlite_store.run(lambda conn: give_up(conn, ["R-1"], iso(clock())))
        return then

    here.servers.answers["look_up_lead"] = [meanwhile]
    ended = await here.go()
    assert (ended.state, ended.reasons[0].code) == (DeliveryState.REFUSED, "given_up")
    assert "authorize_send" not in here.servers.calls


async def test_a_stop_halts_and_leaves_the_lead_as_it_was(
    sqlite_store: Store, clock: SteppableClock, config: Config
) -> None:
    here = await world(sqlite_store, clock, config)
    here.servers.answers["authorize_send"] = [failed("stopped")]
    with pytest.raises(ToolFailed):
        await here.go()
    assert (await here.deliveries.get("A-1")).state is DeliveryState.QUEUED


async def test_in_shadow_nobody_is_asked_and_it_waits(
    sqlite_store: Store, clock: SteppableClock, config: Config
) -> None:
    here = await world(sqlite_store, clock, config, Mode.SHADOW)
    ended = await here.go()
    assert (ended.state, ended.reasons[0].code) == (DeliveryState.QUEUED, "mode_lowered")
    assert here.servers.calls == []


async def test_a_follow_up_that_fails_neither_undoes_nor_repeats_the_email(
    sqlite_store: Store, clock: SteppableClock, config: Config
) -> None:
    here = await world(sqlite_store, clock, config)
    here.servers.answers["add_note"] = [failed("vendor_unavailable")]
    ended = await here.go()
    assert ended.state is DeliveryState.SENT
    assert [reason.code for reason in ended.reasons] == ["crm_note_later"]
    assert ended.not_before is not None
    clock.step(60)
    again = await here.go()
    assert (again.state, again.reasons, again.not_before) == (DeliveryState.SENT, (), None)
    assert here.servers.calls.count("send_email") == 1
    assert here.servers.calls.count("create_or_update_opportunity") == 1


async def test_a_persons_word_ends_an_unknown_fate(
    sqlite_store: Store, clock: SteppableClock, config: Config
) -> None:
    here = await world(sqlite_store, clock, config)

    async def unknown(args: Any) -> WriteResult:
        await here.servers.becomes(args.key, Status.UNKNOWN)
        return WriteResult(status="unknown")

    here.servers.answers["send_email"] = [unknown]
    here.servers.answers["reconcile_send"] = [Reconciled(verdict="not_done")]
    ended = await here.go()
    assert [reason.code for reason in ended.reasons] == ["reconcile_not_done"]
    await sqlite_store.run(lambda conn: here.ledger.resolve(conn, "send:A-1", False, "seen"))
    assert (await here.go()).state is DeliveryState.FAILED
    assert here.servers.calls.count("send_email") == 1


async def test_a_contact_that_may_have_been_completed_is_known_when_the_crm_shows_it_complete(
    sqlite_store: Store, clock: SteppableClock, config: Config
) -> None:
    here = await world(sqlite_store, clock, config)
    incomplete = ContactPlan(contact_id="C1", changes=ContactFields(first_name="Ana"))

    async def unknown(args: Any) -> WriteResult:
        await here.servers.becomes(args.key, Status.UNKNOWN)
        return WriteResult(status="unknown")

    here.servers.answers["plan_contact"] = [incomplete]
    here.servers.answers["upsert_contact"] = [unknown]
    assert [reason.code for reason in (await here.go()).reasons] == ["crm_contact_unknown"]
    with sqlite_store.read() as conn:
        [row] = here.ledger.unknown(conn)
    clock.step(60)
    assert (await here.go()).not_before is None
    assert await here.status(row.key) == "sent"
    assert here.servers.calls.count("upsert_contact") == 1


async def test_an_opportunity_that_may_have_been_made_is_known_when_the_crm_shows_it(
    sqlite_store: Store, clock: SteppableClock, config: Config
) -> None:
    here = await world(sqlite_store, clock, config)
    stage = config.production.delivery.ghl_stage

    async def dies(args: Any) -> Exception:
        await here.servers.becomes(args.key, Status.UNKNOWN)
        return ServerUnavailable("ghl died during the call")

    made = OpportunityPlace(pipeline_id="P1", stage_id="S1", opportunity_id="O1", stage=stage)
    none = OpportunityPlace(pipeline_id="P1", stage_id="S1", opportunity_id=None)
    here.servers.answers["find_opportunity"] = [none, made]
    here.servers.answers["create_or_update_opportunity"] = [dies]
    here.servers.answers["reconcile_write"] = [Reconciled(verdict="inconclusive")]
    assert [one.code for one in (await here.go()).reasons] == ["crm_opportunity_unknown"]
    clock.step(60)
    assert (await here.go()).reasons == ()
    assert await here.status("opportunity:A-1") == "sent"
    assert here.servers.calls.count("create_or_update_opportunity") == 1
