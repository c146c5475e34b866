"""Equal seeds give equal worlds, lead files and bytes; everybody lives on a reserved domain."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path
from zoneinfo import available_timezones

import pytest

from servers.sandbox.dice import Dice
from servers.sandbox.leads import HEADER, lead_rows, write_leads_csv
from servers.sandbox.world import World

LOCATION = "sandboxLocation00001"
BATCH = Path(__file__).parents[3] / "data" / "initial_batch.csv"
RESERVED = re.compile(r"[a-z0-9.-]+\.(example|test)\Z")


def requests():
    """A tour of all twins."""
    run = {"items": [{"id": "a", "inputs": {"email": "x@unseen.example"}}]}
    news = {"query": '"Cedarline Commerce"', "mode": "artlist", "format": "json"}
    return [
        ("POST", "/ghl/contacts/search", {"json": {"locationId": LOCATION, "pageLimit": 100}}),
        ("POST", "/ghl/contacts/", {"json": {"locationId": LOCATION, "email": "n@new.example"}}),
        ("GET", "/instantly/api/v2/campaigns", {}),
        ("POST", "/instantly/api/v2/leads/list", {"json": {"limit": 100}}),
        ("GET", "/instantly/api/v2/block-lists-entries", {"params": {"limit": 100}}),
        ("POST", "/clay/routines/rt_sandbox_enrich/run", {"json": run}),
        ("POST", "/rb2b/hem_to_business_profile", {"json": {"email": "x@unseen.example"}}),
        ("GET", "/gdelt/api/v2/doc/doc", {"params": news}),
        ("GET", "/google_news/rss/search", {"params": {"q": '"Cedarline Commerce"'}}),
    ]


def test_equal_seeds_give_equal_bytes_from_every_twin(wire, twin_wire):
    for method, path, more in requests():
        one, other = wire(method, path, **more), twin_wire(method, path, **more)
        assert one.content == other.content, path
        assert one.headers == other.headers, path


def test_another_seed_gives_another_world():
    assert World(7).generated != World(8).generated
    assert World(7).company("unseen.example") != World(8).company("unseen.example")


def test_the_world_holds_hundreds_of_companies_on_reserved_domains_only():
    world = World()
    assert len(world.generated) == 300
    domains = [company.domain for company in world.generated]
    domains += [contact.domain for contact in world.contacts]
    domains += [value.rpartition("@")[2] for value in world.blocked]
    domains += [headline.host for headline in world.news]
    assert not [domain for domain in domains if not RESERVED.match(domain)]
    kinds = {contact.kind for contact in world.contacts}
    assert kinds == {"lead", "customer"}
    assert any(contact.dnd_email for contact in world.contacts)
    assert any(contact.bounced for contact in world.contacts)


def test_country_and_time_zone_belong_together():
    zones_of: dict[str, set[str]] = {}
    for company in World().generated:
        zones_of.setdefault(company.place.country, set()).add(company.place.time_zone)
    assert set().union(*zones_of.values()) <= available_timezones()
    assert zones_of["GB"] == {"Europe/London"}
    assert all(zone.startswith("America/") for zone in zones_of["US"])


def test_a_sub_domain_is_its_company_and_free_mail_is_nobodys():
    world = World()
    assert world.company("EU.RivalMinds.example.") == world.company("rivalminds.example")
    assert world.company("freemail.example") is None
    assert world.company("localhost") is None
    assert world.person("no address") is None


def test_dice_choose_by_weight_and_without_repeats():
    drawn = Counter(Dice("w", n).weighted([("a", 9), ("b", 1)]) for n in range(2000))
    assert 1700 < drawn["a"] < 1900
    some = Dice("s").some("abcdef", 4)
    assert len(set(some)) == 4
    assert Dice("s").some("ab", 9) in (("a", "b"), ("b", "a"))


def test_the_initial_batch_is_ten_leads_whom_the_world_knows():
    world = World()
    with BATCH.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 10
    assert tuple(rows[0]) == HEADER
    for row in rows:
        assert RESERVED.match(row["Email"].rpartition("@")[2])
        person = world.person(row["Email"])
        assert person is not None
        assert person.last_name == row["Last Name"]
    assert sum(not row["Email"].isascii() or not row["First Name"].isascii() for row in rows) == 1


@pytest.mark.parametrize("n", [0, 1, 500])
def test_lead_files_have_n_rows_and_equal_bytes_for_equal_seeds(tmp_path, n):
    one, other = tmp_path / "one.csv", tmp_path / "other.csv"
    write_leads_csv(one, n, 3)
    write_leads_csv(other, n, 3)
    assert one.read_bytes() == other.read_bytes()
    with one.open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == n


def test_lead_files_are_mostly_good_and_hold_a_few_of_every_bad_kind():
    world = World()
    rows = list(lead_rows(1500, 1))
    emails = Counter(row["Email"] for row in rows)
    assert len(emails) > 1400
    assert max(emails.values()) <= 12  # the few that the CRM or Instantly holds come again
    places = Counter(row["Country"] for row in rows)
    assert places["United States"] + places["United Kingdom"] > 0.85 * len(rows)
    held = {contact.email for contact in world.contacts} | {lead.email for lead in world.outreach}
    domains = {email.rpartition("@")[2] for email in emails}
    assert held & set(emails)
    assert {"freemail.example", "rivalminds.example"} <= domains
    assert any("@" not in email for email in emails)
    assert any(email.startswith(("info@", "sales@", "hello@")) for email in emails)
    assert {"Germany", "Netherlands", "Canada"} & set(places)
