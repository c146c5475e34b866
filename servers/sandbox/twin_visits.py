"""Visitors of a website, as RB2B reports them. Owns: payloads about people of the sandbox's world.

RB2B's own words, with its spaces in the keys and its odd time stamp; nothing is signed. It posts to
the webhook of the gateway that stands beside the sandbox's Slack, with the sandbox's public secret.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from servers.common.contract_sandbox import RB2B_WEBHOOK_SECRET
from servers.sandbox.leads import Row, lead_rows

_ROWS, _SEED = 1300, 11
_PAGES = ("/pricing", "/", "/fractional-caio", "/case-studies")
_SENIOR = ("CEO", "Founder", "Chief", "VP")


def fitting() -> list[Row]:
    """People whom it would make sense to write to, in the United States."""
    return [row for row in lead_rows(_ROWS, _SEED) if _fits(row)]


def _fits(row: Row) -> bool:
    staff = int(row["Number of Employees"] or 0)
    named = "." in row["Email"].partition("@")[0]  # no role account
    senior = any(word in row["Job Title"] for word in _SENIOR)
    there = row["Country"] == "United States" and row["State"] and row["Industry"]
    return bool(there and named and senior and 51 <= staff <= 500)


def payload(row: Row, number: int, at: datetime) -> dict[str, Any]:
    """What RB2B sends of this person's visit."""
    return {
        "LinkedIn URL": f"https://www.linkedin.com/in/sandbox-visitor-{number}",
        "First Name": row["First Name"],
        "Last Name": row["Last Name"],
        "Title": row["Job Title"],
        "Company Name": row["Company"],
        "Business Email": row["Email"],
        "Website": row["Website"],
        "Industry": row["Industry"],
        "Employee Count": int(row["Number of Employees"]),
        "Estimate Revenue": None,
        "City": row["City"] or "Springfield",
        "State": row["State"],
        "Zipcode": "00000",
        "Seen At": f"{at:%Y-%m-%dT%H:%M:%S}:00.00+00.00",
        "Referrer": None,
        "Captured URL": f"https://www.chiefaiofficer.example{_PAGES[number % len(_PAGES)]}",
        "Tags": "Hot Pages",
    }


def webhook(request_url: str) -> str:
    """RB2B's webhook of the gateway that takes Slack's clicks at `request_url`."""
    parts = urlsplit(request_url)
    return f"{parts.scheme}://{parts.netloc}/webhooks/rb2b/{RB2B_WEBHOOK_SECRET}"
