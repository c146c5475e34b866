"""Cards appear once each, at Slack's pace, whatever happens in between."""

from __future__ import annotations

import pytest

from tests.orchestrator.slack.conftest import Office

pytestmark = pytest.mark.anyio


async def test_each_draft_that_waits_gets_one_card(office: Office) -> None:
    asked = [await office.asked(number) for number in range(3)]
    await office.settle(10)
    assert [office.card(one)["text"] for one in asked] == (
        ["An e-mail to Ana Reyes, Northwind Studio waits for you."] * 3
    )
    assert len(office.slack.messages) == 3
