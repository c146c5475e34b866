"""The nouns of spending. Owns: what is reserved, how it ends, prices, and dollars for people.

Amounts are integer micro-dollars (1 USD = 1,000,000). Refuses a price that is not in the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from guardrails.config.models import Spend
from guardrails.errors import ConfigError

TOTAL = "*"  # the scope of all vendors together


@dataclass(frozen=True)
class Reservation:
    """Money for one paid call. `entry_id` is random and new for each call, not each attempt."""

    entry_id: str
    vendor: str
    operation: str
    micros: int
    lead_id: str | None = None


@dataclass(frozen=True)
class Settlement:
    """How a paid call ended.

    `charged`: the vendor did it. `not_charged`: it certainly did not, or bills nothing for it.
    `unknown`: nobody can tell (time-out, broken answer, death in flight): the money stays held.
    """

    entry_id: str
    outcome: Literal["charged", "not_charged", "unknown"]


@dataclass(frozen=True)
class Reconciled:
    """What a person's word changed. `changed` is False when the entry said so already."""

    entry_id: str
    vendor: str
    day: str
    micros: int
    before: str
    after: str
    changed: bool
    lead_id: str | None = None


def price_of(config: Spend, vendor: str, price: str) -> int:
    """Micro-dollars of one call.

    Raises:
        ConfigError: the price table does not name it; a paid call is never free by omission.
    """
    table = {str(name): prices for name, prices in config.prices_micros.items()}
    found = table.get(vendor, {}).get(price)
    if found is None:
        raise ConfigError(f"spend.prices_micros.{vendor}.{price} is missing")
    return found


def setting_of(scope: str) -> str:
    """Where the cap of `scope` stands in config/production.json."""
    if scope == TOTAL:
        return "spend.daily_cap_micros"
    return f"spend.vendor_daily_cap_micros.{scope}"


def dollars(micros: int) -> str:
    """`$0.02`, with as many decimals as the amount has, two at least."""
    whole, rest = divmod(abs(micros), 1_000_000)
    decimals = f"{rest:06d}".rstrip("0").ljust(2, "0")
    return f"{'-' if micros < 0 else ''}${whole:,}.{decimals}"
