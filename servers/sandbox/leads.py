"""Lead files of any length for load, kill and long tests. Owns: plausible rows, mostly good.

Every row's company and person exist in the sandbox's world of the default seed, so that what the
twins say agrees with the row. Most rows are good fits in the United States and the United Kingdom;
a few of each bad kind are mixed in. Equal arguments give equal bytes.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

from servers.sandbox import vocabulary
from servers.sandbox.dice import Dice
from servers.sandbox.nouns import Company
from servers.sandbox.world import World, ascii_slug

HEADER = (
    "First Name", "Last Name", "Email", "Job Title", "Company", "Website", "Country", "State",
    "City", "Industry", "Number of Employees", "LinkedIn URL", "Lifecycle Stage",
)  # fmt: skip
Row = dict[str, str]


def write_leads_csv(path: Path, n: int, seed: int) -> None:
    """Write `n` rows to `path` (UTF-8, comma, HubSpot's headers), in constant memory.

    About nine in ten rows are distinct people whom the pipeline can write to; the others are free
    mail, role accounts, public bodies, competitors, customers, blocked, opted out, already
    contacted, in consent countries, too small, unreadable addresses, or the row before once more.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, HEADER, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lead_rows(n, seed))


def lead_rows(n: int, seed: int) -> Iterator[Row]:
    """The rows of `write_leads_csv`, one after the other."""
    world = _world()
    last: Row | None = None
    for number in range(n):
        dice = Dice(seed, "row", number)
        make = dice.weighted(_KINDS)
        if make is None and last is not None:
            yield dict(last)
            continue
        last = (make or _good)(world, dice, number)
        yield last


@lru_cache(1)
def _world() -> World:
    return World()


def _row(world: World, dice: Dice, company: Company, local: str | None = None) -> Row:
    first, last = dice.pick(vocabulary.FIRST_NAMES), dice.pick(vocabulary.LAST_NAMES)
    email = f"{local or ascii_slug(first) + '.' + ascii_slug(last)}@{company.domain}"
    person = world.person(email)
    sparse = dice.chance(30)  # what a row does not say, the vendors must
    return {
        "First Name": first,
        "Last Name": last,
        "Email": email,
        "Job Title": (person.title if person else None) or "",
        "Company": company.name,
        "Website": f"https://www.{company.domain}",
        "Country": company.place.country_name,
        "State": "" if sparse else company.place.state,
        "City": "" if sparse else company.place.city,
        "Industry": "" if sparse else company.industry,
        "Number of Employees": "" if sparse or not company.employees else str(company.employees),
        "LinkedIn URL": "",
        "Lifecycle Stage": "lead",
    }


def _company_where(world: World, number: int, fits: Callable[[Company], bool]) -> Company:
    """A company nobody has seen before that fits; its name carries the row's number."""
    for attempt in range(10_000):
        dice = Dice("company", number, attempt)
        industry = dice.weighted([(row, row[1]) for row in vocabulary.INDUSTRIES])
        words = f"{dice.pick(vocabulary.NAME_WORDS)} {dice.pick(industry[2])}"
        tail = f"{number}-{attempt}" if attempt else str(number)
        domain = f"{ascii_slug(words)}-{tail}.example"
        company = world.company(domain)
        if company is not None and fits(company):
            return company
    raise AssertionError("no company fits: the world's weights no longer allow this kind")


def _fits(company: Company) -> bool:
    return (
        company.place.country in ("US", "GB", "IE", "SG", "AU", "NZ", "JP")
        and company.ownership in ("private", "public")
        and (company.employees or 0) >= 20
        and company.industry != "Hospitality"
    )


def _good(world: World, dice: Dice, number: int) -> Row:
    return _row(world, dice, _company_where(world, number, _fits))


def _free_mail(world: World, dice: Dice, number: int) -> Row:
    row = _good(world, dice, number)
    local = row["Email"].partition("@")[0]
    return row | {"Email": f"{local}{number}@freemail.example", "Website": ""}


def _role(world: World, dice: Dice, number: int) -> Row:
    company = _company_where(world, number, _fits)
    return _row(world, dice, company, dice.pick(("info", "sales", "hello")))


def _public(world: World, dice: Dice, number: int) -> Row:
    wanted = ("government", "education", "nonprofit")
    return _row(world, dice, _company_where(world, number, lambda c: c.ownership in wanted))


def _tiny(world: World, dice: Dice, number: int) -> Row:
    return _row(world, dice, _company_where(world, number, lambda c: 0 < (c.employees or 99) < 10))


def _consent(world: World, dice: Dice, number: int) -> Row:
    places = vocabulary.CONSENT_PLACES
    return _row(world, dice, _company_where(world, number, lambda c: c.place in places))


def _competitor(world: World, dice: Dice, number: int) -> Row:
    company = world.company("rivalminds.example")
    assert company is not None
    return _row(world, dice, company, f"person.number{number}")


def _crm(world: World, dice: Dice, number: int) -> Row:
    """Someone the CRM holds: customer, opted out, contacted, bounced, or only a lead."""
    held = dice.pick(world.contacts)
    company = world.company(held.domain)
    assert company is not None
    return _row(world, dice, company, held.email.partition("@")[0])


def _outreach(world: World, dice: Dice, number: int) -> Row:
    """Someone Instantly holds, or at a blocked domain."""
    emails = [lead.email for lead in world.outreach]
    emails += [value if "@" in value else f"someone@{value}" for value in world.blocked]
    email = dice.pick(emails)
    company = world.company(email.rpartition("@")[2])
    assert company is not None
    return _row(world, dice, company, email.partition("@")[0])


def _unreadable(world: World, dice: Dice, number: int) -> Row:
    row = _good(world, dice, number)
    return row | {"Email": row["Email"].replace("@", " at ")}


_KINDS: tuple[tuple[Callable[[World, Dice, int], Row] | None, int], ...] = (
    (_good, 180),
    (_free_mail, 3),
    (_role, 3),
    (_public, 2),
    (_tiny, 2),
    (_consent, 2),
    (_competitor, 1),
    (_crm, 3),
    (_outreach, 2),
    (_unreadable, 1),
    (None, 1),  # the row before, once more
)


def main() -> None:
    """`python -P -m servers.sandbox.leads FILE N SEED`: for whoever may not import this package."""
    parser = argparse.ArgumentParser(prog="servers.sandbox.leads", description="A leads file.")
    parser.add_argument("file", type=Path)
    parser.add_argument("number", type=int, help="rows")
    parser.add_argument("seed", type=int)
    asked = parser.parse_args()
    write_leads_csv(asked.file, asked.number, asked.seed)


if __name__ == "__main__":
    main()
