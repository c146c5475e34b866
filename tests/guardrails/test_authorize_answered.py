"""Leave to send to somebody who answered while the decision about them was made: none."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from guardrails.audit import AuditLog
from guardrails.clock import iso
from guardrails.hive import Hive
from guardrails.identity import lead_id
from guardrails.outcomes import RULES, OutcomeKind
from guardrails.store import Store
from guardrails.store.people_tables import outcomes
from tests.conftest import SteppableClock
from tests.decision_samples import DOSSIER, LEAD, QUALIFICATION, SALT, SENDER, new_bank
from tests.guardrails.authorize_samples import EMAIL, Desk, codes, conversation

pytestmark = pytest.mark.anyio


@pytest.fixture
def desk(hive: Hive, sqlite_store: Store, clock: SteppableClock) -> Iterator[Desk]:
    log = AuditLog(hive, sqlite_store, clock)
    yield Desk(hive, sqlite_store, clock, log, new_bank(hive, clock))
    log.close()


def heard(desk: Desk, kind: OutcomeKind, lead: str = LEAD.lead_id, *, days_ago: float = 0) -> None:
    """An outcome on record, as whoever listens to the vendors leaves it."""
    at = iso(desk.clock() - timedelta(days=days_ago))
    row = {"outcome_id": f"O-{kind}", "kind": kind.value, "vendor": "ghl", "lead_id": lead}
    with desk.store.transaction() as conn:
        conn.execute(outcomes.insert().values(**row, at=at, created_at=at))


@pytest.mark.parametrize("kind", [kind for kind in OutcomeKind if RULES[kind].leaves])
async def test_whoever_is_let_go_by_an_answer_gets_nothing_new(
    desk: Desk, kind: OutcomeKind
) -> None:
    decision = await desk.decided()
    heard(desk, kind)
    refused = await desk.send(decision)
    assert (refused.verdict, codes(refused), refused.permit) == ("refused", ["answered"], None)
    assert desk.records()[-1]["body"]["verdict"] == "refused"


@pytest.mark.parametrize("kind", [kind for kind in OutcomeKind if not RULES[kind].leaves])
async def test_what_no_person_said_keeps_nothing_back(desk: Desk, kind: OutcomeKind) -> None:
    decision = await desk.decided()
    heard(desk, kind)
    assert (await desk.send(decision)).verdict == "permitted"


async def test_an_answer_of_somebody_else_or_of_long_ago_keeps_nothing_back(desk: Desk) -> None:
    decision = await desk.decided()
    days = desk.config.policy.who.recent_contact_days
    heard(desk, OutcomeKind.REPLY, days_ago=days + 1)
    heard(desk, OutcomeKind.WON, "L-somebody-else")
    assert (await desk.send(decision)).verdict == "permitted"


async def test_an_answer_under_the_address_counts_for_who_came_with_a_profile(desk: Desk) -> None:
    profile = "https://www.linkedin.com/in/ana-sample"
    key = f"linkedin:{profile}"
    changed: dict[str, Any] = {
        "lead_id": lead_id(SALT, key), "dedupe_key": key, "linkedin_url": profile,
    }  # fmt: skip
    known = LEAD.model_copy(update=changed)
    decision = await desk.decided(
        dossier=DOSSIER.model_copy(update={"lead": known}),
        qualification=QUALIFICATION.model_copy(update={"lead_id": known.lead_id}),
    )
    heard(desk, OutcomeKind.REPLY, LEAD.lead_id)
    assert codes(await desk.send(decision)) == ["answered"]


async def test_an_answer_under_a_profile_counts_for_who_comes_by_the_address_found_for_it(
    desk: Desk,
) -> None:
    decision = await desk.decided()
    earlier = desk.ledger.entry(
        "send:to-profile",
        conversation(),
        mailbox=SENDER.email,
        to=EMAIL,
        lead_id="L-profile",
        tier=1,
    )
    with desk.store.transaction() as conn:
        desk.ledger.claim(conn, earlier)
    heard(desk, OutcomeKind.REPLY, "L-profile")
    assert codes(await desk.send(decision)) == ["answered"]
