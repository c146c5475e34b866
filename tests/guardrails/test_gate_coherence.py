"""A caller of the gate cannot get a decision about something else than what would go out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from guardrails.audit import AuditLog
from guardrails.bank import Bank, Lesson
from guardrails.brakes.stop import StopSwitch
from guardrails.config import load_config
from guardrails.errors import BadInput, ConfigError
from guardrails.gate import Gate
from guardrails.hive import Hive
from guardrails.identity import lead_id
from guardrails.model import Dossier, Draft, Lead, LeadState, Qualification, Reason, Sender
from guardrails.replay import replay
from guardrails.store import Store
from tests.conftest import SteppableClock
from tests.decision_samples import (
    CONFIG,
    DOSSIER,
    DRAFT,
    LEAD,
    QUALIFICATION,
    SALT,
    SENDER,
    dossier,
    draft,
    known_as,
    new_bank,
)

pytestmark = pytest.mark.anyio
PROFILE = "https://www.linkedin.com/in/ana-reyes"
PROFILE_KEY = f"linkedin:{PROFILE}"
BY_PROFILE = {
    "linkedin_url": PROFILE,
    "dedupe_key": PROFILE_KEY,
    "lead_id": lead_id(SALT, PROFILE_KEY),
}
OTHER = known_as("bo.lind@northwind.example")


@dataclass(frozen=True)
class Request:
    dossier: Dossier = DOSSIER
    draft: Draft | None = DRAFT
    run_id: str = "run-1"
    qualification: Qualification | None = QUALIFICATION
    notes: tuple[Reason, ...] = ()


@dataclass
class World:
    """A gate with its bank; `gate(sender)` makes it anew."""

    hive: Hive
    store: Store
    audit: AuditLog
    bank: Bank
    clock: SteppableClock

    def gate(self, sender: Sender | None = SENDER) -> Gate:
        stop = StopSwitch(self.hive, self.store)
        parts = (self.hive, self.store, self.audit, self.bank, stop, self.clock)
        return Gate(load_config(CONFIG), *parts, sender=sender)

    def learn(self, **changes: Any) -> None:
        fields: dict[str, Any] = {
            "event_id": "e-1",
            "at": self.clock(),
            "outcome": "rejection",
            "reason_code": "tone",
            "actor": "approver 1",
            "trust": "human",
            "lead_id": LEAD.lead_id,
            "scope": DRAFT.scope,
            "template_hash": DRAFT.template_hash,
        }
        self.bank.learn(Lesson(**{**fields, **changes}))


@pytest.fixture
def world(hive: Hive, sqlite_store: Store, clock: SteppableClock) -> Iterator[World]:
    audit = AuditLog(hive, sqlite_store, clock)
    yield World(hive, sqlite_store, audit, new_bank(hive, clock), clock)
    audit.close()


def lead(**changes: Any) -> Lead:
    return LEAD.model_copy(update=changes)


LIARS = {
    "an invented id": lead(lead_id="L-00000000000000000001"),
    "another person's id": lead(lead_id=OTHER["lead_id"]),
    "another person's key and id": lead(**OTHER),
    "the address without its key": lead(email="bo.lind@northwind.example"),
    "an unnormalised key": lead(
        dedupe_key="Ana.Reyes@northwind.example",
        lead_id=lead_id(SALT, "Ana.Reyes@northwind.example"),
    ),
    "a plus tag in the key": lead(
        email="ana.reyes+x@northwind.example",
        dedupe_key="ana.reyes+x@northwind.example",
        lead_id=lead_id(SALT, "ana.reyes+x@northwind.example"),
    ),
    "no address under an address's key": lead(email=None),
    "a profile it does not have": lead(**{**BY_PROFILE, "linkedin_url": None}),
    "another's profile": lead(**{**BY_PROFILE, "linkedin_url": f"{PROFILE}-2"}),
    "a key of no kind": lead(dedupe_key="phone:+1555", lead_id=lead_id(SALT, "phone:+1555")),
    "an address that is none": lead(email="ana at northwind", dedupe_key="ana at northwind"),
}


@pytest.mark.parametrize("claimed", LIARS.values(), ids=LIARS.keys())
async def test_a_lead_under_an_id_that_is_not_its_own_is_refused(
    world: World, claimed: Lead
) -> None:
    world.learn()
    told = DOSSIER.model_copy(update={"lead": claimed})
    for written in (DRAFT, None):
        with pytest.raises(BadInput) as caught:
            await world.gate().review(Request(dossier=told, draft=written))
        assert "@" not in caught.value.message
    assert world.audit.verify().records == 0


@pytest.mark.parametrize(
    "email", ["ana.reyes@northwind.example", "Ana.Reyes+news@Northwind.example"]
)
async def test_every_spelling_of_an_address_meets_the_persons_hard_rules(
    world: World, email: str
) -> None:
    world.learn()
    decision = await world.gate().review(Request(dossier=dossier({"email": email})))
    assert decision.state is LeadState.BLOCKED


@pytest.mark.parametrize("known", [LEAD.lead_id, BY_PROFILE["lead_id"]], ids=["address", "profile"])
async def test_a_visitor_whose_address_was_found_later_meets_the_rules_of_both_ids(
    world: World, known: str
) -> None:
    visitor = DOSSIER.model_copy(update={"lead": lead(**BY_PROFILE)})
    before = await world.gate().review(Request(dossier=visitor))
    assert before.state is LeadState.SHADOW_LOGGED
    world.learn(lead_id=known)
    decision = await world.gate().review(Request(dossier=visitor, run_id="run-2"))
    assert decision.state is LeadState.BLOCKED
    assert [reason.code for reason in decision.reasons] == ["bank_hard_rule"]
    assert replay(world.audit, world.store, decision.audit_id).same


FORGERIES: dict[str, Draft] = {
    "sender's name": draft(sender=SENDER.model_copy(update={"name": "Somebody Else"})),
    "sender's address": draft(sender=SENDER.model_copy(update={"email": "x@evil.example"})),
    "postal address": draft(sender=SENDER.model_copy(update={"postal_address": "1 A Street"})),
    "unknown template": draft(template="mine"),
    "template hash": draft(template_hash="x"),
    "angle": draft(scope=DRAFT.scope.model_copy(update={"angle": "plain"})),
    "segment": draft(scope=DRAFT.scope.model_copy(update={"segment": "saas"})),
    "persona": draft(scope=DRAFT.scope.model_copy(update={"persona": "founder"})),
    "channel": draft(scope=DRAFT.scope.model_copy(update={"channel": "crm_email"})),
    "step": draft(scope=DRAFT.scope.model_copy(update={"step": 9})),
    "opener": draft(features={**DRAFT.features, "opener": "plain"}),
}


@pytest.mark.parametrize("forged", FORGERIES.values(), ids=FORGERIES.keys())
async def test_a_draft_that_names_another_sender_or_pattern_is_refused(
    world: World, forged: Draft
) -> None:
    with pytest.raises(BadInput, match="nothing was decided"):
        await world.gate().review(Request(draft=forged))
    assert world.audit.verify().records == 0


async def test_without_a_configured_sender_no_draft_is_decided_about(world: World) -> None:
    gate = world.gate(sender=None)
    with pytest.raises(ConfigError, match="no sender"):
        await gate.review(Request())
    assert (await gate.review(Request(draft=None))).state is LeadState.DEFERRED
