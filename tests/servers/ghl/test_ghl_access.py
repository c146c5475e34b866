"""Trying the CRM's key: each kind of access by itself, and never a contact."""

from __future__ import annotations

from typing import Any

import pytest

from servers.common.contract_access import CheckAccess
from servers.ghl.contract_reads import CrmAccess
from tests.servers.ghl.writing import Studio

pytestmark = pytest.mark.anyio
KINDS = ("location", "contacts", "opportunities", "workflows", "conversations")


def behave(studio: Studio, **switches: Any) -> None:
    site = studio.app.site
    site.behaviour = type(site.behaviour).model_validate(site.behaviour.model_dump() | switches)


async def tried(studio: Studio) -> CrmAccess:
    return await studio.tools.access.check_access(CheckAccess())


async def test_a_good_key_opens_every_door_and_shows_the_location(studio: Studio) -> None:
    found = await tried(studio)
    assert [door.name for door in found.doors] == [f"ghl.{kind}" for kind in KINDS]
    assert {door.status for door in found.doors} == {"ok"}
    assert found.doors[0].seen.startswith("Sandbox location (sandboxLocation00001)")
    assert found.duplicates_allowed is False
    assert studio.app.site.counters.report()["by_kind"].get("write", 0) == 0


@pytest.mark.parametrize("denial", ["revoked", "no_scope", "wrong_location", "agency_key"])
async def test_a_refused_key_is_refused_and_says_how(studio: Studio, denial: str) -> None:
    behave(studio, auth={"ghl": denial})
    found = await tried(studio)
    assert {door.status for door in found.doors} == {"refused"}
    assert all("ghl" in door.seen and door.remedy for door in found.doors)
    assert found.duplicates_allowed is None


async def test_a_vendor_that_is_down_is_no_word_about_the_key(studio: Studio) -> None:
    behave(studio, outage={"ghl": 503})
    assert {door.status for door in (await tried(studio)).doors} == {"unreachable"}


async def test_duplicates_that_the_location_allows_are_told(studio: Studio) -> None:
    behave(studio, ghl_duplicates_allowed=True)
    assert (await tried(studio)).duplicates_allowed is True
