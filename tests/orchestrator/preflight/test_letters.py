"""Every template's letter says where the sender is and how to be left alone."""

from __future__ import annotations

from typing import Any

import pytest

from guardrails.config import load_config
from guardrails.model import Draft
from orchestrator.preflight.letters import check_letters
from orchestrator.preflight.model import Check
from servers.crafter.compose import compose
from servers.crafter.contract import Drafted, ListTemplates, WriteDraft
from servers.crafter.service import CrafterService
from servers.crafter.settings import SANDBOX_SENDER
from tests.conftest import SteppableClock
from tests.orchestrator.preflight.conftest import Answers

pytestmark = pytest.mark.anyio
CONFIG = load_config()
SALT = b"s" * 32


@pytest.fixture
def crafter(clock: SteppableClock) -> CrafterService:
    return compose(CONFIG, SANDBOX_SENDER, clock, sandbox=True)


async def checked(
    crafter: CrafterService, clock: SteppableClock, write: Any = None, recorded: Any = ()
) -> Check:
    templates = await crafter.list_templates(ListTemplates())
    servers = Answers(list_templates=templates, write_draft=write or crafter.write)
    address = SANDBOX_SENDER.postal_address
    [check] = await check_letters(servers, CONFIG, address, SALT, recorded, clock)
    return check


async def test_every_template_can_be_brought_to_write_and_has_both(
    crafter: CrafterService, clock: SteppableClock
) -> None:
    found = await checked(crafter, clock)
    count = len(CONFIG.templates.templates)
    assert (found.result, found.seen) == (
        "ok", f"{count} of {count} templates and 0 shadow e-mails have both",
    )  # fmt: skip


async def test_a_letter_without_an_address_or_a_way_out_is_named(
    crafter: CrafterService, clock: SteppableClock
) -> None:
    def stripped(args: WriteDraft) -> Drafted:
        made = crafter.write(args)
        if made.draft is None or made.draft.template != "plain":
            return made
        short: Draft = made.draft.model_copy(update={"body": "Hi Ana,\n\nShall we talk?\n"})
        return made.model_copy(update={"draft": short})

    found = await checked(crafter, clock, stripped)
    assert found.result == "fail"
    assert found.seen == "plain lacks postal address and a way to opt out"


async def test_recorded_letters_are_read_as_well(
    crafter: CrafterService, clock: SteppableClock
) -> None:
    found = await checked(crafter, clock, recorded=["Reply no thanks"])
    assert (found.result, "shadow e-mail 1" in found.seen) == ("fail", True)


async def test_a_template_that_nobody_has_seen_write_is_unknown(
    crafter: CrafterService, clock: SteppableClock
) -> None:
    found = await checked(crafter, clock, lambda _args: Drafted(draft=None, reasons=()))
    assert (found.result, "not brought to write" in found.seen) == ("unknown", True)
