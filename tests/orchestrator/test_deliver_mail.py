"""Which campaign carries a cold e-mail: found, started, or waited for."""

from __future__ import annotations

from typing import Any

import pytest

from guardrails.config import load_config
from guardrails.model import CrmView, Dossier
from orchestrator.deliver_mail import Message, Post
from orchestrator.deliver_writes import Fate, Outcome
from orchestrator.letters import Letter
from servers.instantly.contract_reads import Campaign, FoundCampaign
from tests.conftest import SteppableClock
from tests.orchestrator.test_deliver import DRAFT, LEAD

pytestmark = pytest.mark.anyio
ID = "11111111-2222-3333-4444-555555555555"


class Platform:
    """Instantly as the queen sees it: one campaign in one status; notes what it is asked to do."""

    def __init__(self, status: str) -> None:
        self.status = status
        self.keys: list[str] = []

    async def call(self, _server: str, _spec: Any, _args: Any) -> FoundCampaign:
        return FoundCampaign(campaign=Campaign(id=ID, name="any", status=self.status), differs=())

    async def write(self, _server: str, _spec: Any, args: Any, _whose: Any) -> Fate:
        self.keys.append(args.key)
        return Fate(outcome=Outcome.DONE, reasons=(), not_before=None)


async def posted(status: str, clock: SteppableClock) -> tuple[Message | Fate, list[str]]:
    platform = Platform(status)
    post = Post(load_config(), platform, platform, clock)  # type: ignore[arg-type]
    letter = Letter("A-1", "R-1", Dossier(lead=LEAD), DRAFT, None)
    return await post.message(letter, "instantly", CrmView()), platform.keys


async def test_an_active_campaign_is_used_as_it_is(clock: SteppableClock) -> None:
    message, keys = await posted("active", clock)
    assert isinstance(message, Message)
    assert keys == []


async def test_a_draft_is_started_once_for_ever(clock: SteppableClock) -> None:
    message, keys = await posted("draft", clock)
    assert isinstance(message, Message)
    assert keys == [f"activate:{ID}"]


async def test_one_that_ran_out_of_people_is_started_again_under_another_key(
    clock: SteppableClock,
) -> None:
    message, keys = await posted("completed", clock)
    assert isinstance(message, Message)
    assert keys == [f"activate:{ID}:A-1"]


@pytest.mark.parametrize("status", ["paused", "suspended", "bounce_protect", "unknown(7)"])
async def test_one_that_somebody_holds_is_never_started_and_the_lead_waits(
    clock: SteppableClock, status: str
) -> None:
    waits, keys = await posted(status, clock)
    assert isinstance(waits, Fate)
    assert waits.outcome is Outcome.LATER
    assert waits.not_before is not None
    assert keys == []


@pytest.mark.parametrize("status", ["active", "paused", "draft", "completed"])
async def test_what_became_of_an_enrolment_is_asked_whatever_the_campaign_does_and_starts_none(
    clock: SteppableClock, status: str
) -> None:
    platform = Platform(status)
    post = Post(load_config(), platform, platform, clock)  # type: ignore[arg-type]
    letter = Letter("A-1", "R-1", Dossier(lead=LEAD), DRAFT, None)
    message = await post.as_sent(letter, "instantly", CrmView())
    assert isinstance(message, Message)
    assert message.reconcile_args.campaign_id == ID
    assert platform.keys == []


async def test_one_that_is_paused_meanwhile_is_noticed_within_a_minute(
    clock: SteppableClock,
) -> None:
    platform = Platform("active")
    post = Post(load_config(), platform, platform, clock)  # type: ignore[arg-type]
    letter = Letter("A-1", "R-1", Dossier(lead=LEAD), DRAFT, None)
    assert isinstance(await post.message(letter, "instantly", CrmView()), Message)
    platform.status = "paused"  # as the red button leaves it
    clock.step(seconds=59)
    assert isinstance(await post.message(letter, "instantly", CrmView()), Message)
    clock.step(seconds=1)
    assert isinstance(await post.message(letter, "instantly", CrmView()), Fate)
    platform.status = "active"
    assert isinstance(await post.message(letter, "instantly", CrmView()), Message)


@pytest.mark.parametrize("channel", ["instantly", "ghl"])
@pytest.mark.parametrize("changes", [{"body": "A\x0bbody"}, {"subject": "Hello\nthere"}])
async def test_a_text_that_a_channel_cannot_send_as_it_stands_is_refused_and_not_tried_for_ever(
    clock: SteppableClock, channel: str, changes: dict[str, str]
) -> None:
    platform = Platform("active")
    post = Post(load_config(), platform, platform, clock)  # type: ignore[arg-type]
    letter = Letter("A-1", "R-1", Dossier(lead=LEAD), DRAFT.model_copy(update=changes), None)
    ended = await post.message(letter, channel, CrmView(contact_id="C1"))
    assert isinstance(ended, Fate)
    assert ended.outcome is Outcome.REFUSED
    assert "Hello" not in ended.reasons[0].text  # no word of it, whatever is wrong
