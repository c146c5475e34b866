"""What happened before in the sandbox's world. Owns: CRM contacts, outreach, block list, news.

Each is drawn from its own part of the invented companies, so that a company's fate depends on
its name and the seed alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from servers.sandbox import vocabulary
from servers.sandbox.dice import Dice
from servers.sandbox.nouns import CrmContact, Headline, OutreachLead

if TYPE_CHECKING:
    from servers.sandbox.world import World

_TAGS: dict[str, tuple[str, ...]] = {
    "lead": ("newsletter",),
    "customer": ("customer",),
    "dnd": ("unsubscribed",),
    "recent": ("contacted",),
    "bounced": ("bounced",),
}


def crm(world: World) -> list[CrmContact]:
    """Contacts in the CRM: leads, customers, opted out, contacted lately, bounced."""
    held = []
    for company in world.generated[:120]:
        dice = Dice(world.seed, "crm", company.domain)
        person = world.address_at(company, 0)
        fate = dice.weighted(
            [("lead", 40), ("customer", 15), ("dnd", 12), ("recent", 25), ("bounced", 8)]
        )
        held.append(
            CrmContact(
                person.email,
                person.first_name,
                person.last_name,
                company.name,
                company.domain,
                company.place.time_zone,
                company.place.country,
                tags=_TAGS[fate],
                kind="customer" if fate == "customer" else "lead",
                dnd=fate == "dnd" and dice.chance(50),
                dnd_email=fate == "dnd",
                contacted_days_ago=_contacted(fate, dice),
                bounced=fate == "bounced",
                won=fate == "customer",
                added_days_ago=dice.between(120, 900),
            )
        )
    return held


def outreach(world: World) -> list[OutreachLead]:
    """Leads in campaigns, in every status."""
    held = []
    for company in world.generated[100:180]:
        dice = Dice(world.seed, "outreach", company.domain)
        person = world.address_at(company, 0)
        status = dice.weighted([(1, 15), (2, 10), (3, 50), (-1, 10), (-2, 10), (-3, 5)])
        interest = dice.weighted([(None, 80), (-1, 10), (-2, 5), (0, 5)])
        held.append(
            OutreachLead(
                person.email,
                person.first_name,
                person.last_name,
                company.name,
                company.domain,
                dice.number(3),
                status,
                interest,
                contacted_days_ago=dice.between(5, 300),
            )
        )
    return held


def blocked(world: World) -> list[str]:
    """Domains and addresses on the block list."""
    domains = [company.domain for company in world.generated[180:186]]
    people = [world.address_at(company, 0).email for company in world.generated[186:196]]
    return domains + people


def news(world: World) -> list[Headline]:
    """Articles about one company in five."""
    articles = []
    for company in world.generated:
        dice = Dice(world.seed, "news", company.domain)
        if not dice.chance(20):
            continue
        for template in dice.some(vocabulary.HEADLINES, dice.between(1, 3)):
            title = template.format(company=company.name, city=company.place.city)
            publisher, host = dice.pick(vocabulary.PUBLISHERS)
            articles.append(Headline(company.name, title, publisher, host, dice.between(1, 60)))
    return articles


def _contacted(fate: str, dice: Dice) -> int | None:
    if fate == "recent":
        return dice.between(2, 80)
    return dice.between(100, 600) if dice.chance(50) else None
