"""Clay's public API (v0) as it answers over HTTP. Owns: routine runs, their results, the balance.

True to the vendor: `clay-api-key`, 202 with a run id and then polling, `{message}` errors, 402
when the balance is spent, 429 with `Retry-After`, no idempotency (the same run twice is paid
twice). The routine is the user's own table: its inputs and outputs here are those that
`config/production.json` maps. What nobody knows is null, never invented.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from servers.sandbox.asgi import Reply, reply
from servers.sandbox.behaviour import Denial, Window
from servers.sandbox.dice import fingerprint
from servers.sandbox.nouns import Company, Person
from servers.sandbox.wire import Call, Endpoint, Refused, Site, Twin

KEY = "sandbox-clay-key-0001"
ROUTINE_ID = "rt_sandbox_enrich"
INPUTS = ("email", "domain", "linkedin_url", "first_name", "last_name", "company")
OUTPUTS = (
    "employee_count", "industry", "job_title", "country", "time_zone", "city", "linkedin_url",
    "technologies", "open_roles", "last_funding", "parent_domain", "ownership", "email_status",
    "ai_initiative", "revenue_usd", "email",
)  # fmt: skip
_MAX_ITEMS = 100


@dataclass
class Run:
    """One routine run: its finished items, and how often they were asked for."""

    run_id: str
    data: list[dict[str, Any]]
    polls: int = 0


class ClayTwin(Twin):
    """One workspace with one routine."""

    vendor = "clay"
    denials: Mapping[Denial, tuple[int, str]] = {
        "revoked": (401, "Invalid API key"),
        "no_scope": (403, "Forbidden"),
    }

    def __init__(self, site: Site) -> None:
        self.window = Window(10, 1)
        super().__init__(site)

    def reset(self) -> None:
        self.runs: dict[str, Run] = {}
        self.repeats: dict[str, int] = {}

    def endpoints(self) -> Sequence[Endpoint]:
        return (
            Endpoint("GET", "/me", "read", self.me),
            Endpoint("POST", "/routines/{id}/run", "paid_read", self.run_routine),
            Endpoint("GET", "/routines/run/{id}/results", "read", self.results),
        )

    def guard(self, call: Call, endpoint: Endpoint) -> None:
        if call.header(b"clay-api-key") != KEY:
            raise self.refuse(call, 401, "Invalid API key")
        over = self.window.left("all", self.now()) < 0
        if over and self.site.behaviour.limits(self.vendor):
            answer = self.failure(call, 429, "Rate limit exceeded")
            answer.headers["Retry-After"] = "1"
            raise Refused(answer)

    def failure(self, call: Call, status: int, message: str) -> Reply:
        return reply(status, {"message": message})

    def refuse(self, call: Call, status: int, message: str) -> Refused:
        """An error to raise."""
        return Refused(self.failure(call, status, message))

    def me(self, call: Call) -> Reply:
        user = {"id": "usr_sandbox", "name": "Sandbox"}
        return reply(200, {"user": user, "workspace": {"id": "wsp_sandbox"}})

    def run_routine(self, call: Call) -> Reply:
        items = self._items(call)
        if call.params["id"] != ROUTINE_ID:
            raise self.refuse(call, 404, "Routine not found")
        if self.site.behaviour.clay_balance < len(items):
            raise self.refuse(call, 402, "Insufficient credits")
        self.site.behaviour.clay_balance -= len(items)
        # Not from the items' ids: those are the caller's own, and others in every hive.
        inputs = orjson.dumps([item["inputs"] for item in items])
        body = fingerprint(self.site.world.seed, "run", inputs.hex())
        nth = self.repeats[body] = self.repeats.get(body, 0) + 1
        run_id = f"rr_{fingerprint(body, nth)[:24]}"
        self.runs[run_id] = Run(run_id, [self._finish(item) for item in items])
        return reply(202, {"routine_run_id": run_id, "status": "in_progress"})

    def _items(self, call: Call) -> list[dict[str, Any]]:
        try:
            body = call.json()
        except ValueError:
            raise self.refuse(call, 400, "Invalid JSON body") from None
        if not isinstance(body, dict) or not {"items", "webhook_id"}.issuperset(body):
            raise self.refuse(call, 400, "Unrecognized key(s) in object")
        items = body.get("items")
        if not isinstance(items, list) or not 1 <= len(items) <= _MAX_ITEMS:
            raise self.refuse(call, 400, f"items must contain 1 to {_MAX_ITEMS} elements")
        for item in items:
            if not isinstance(item, dict) or set(item) != {"id", "inputs"}:
                raise self.refuse(call, 400, "items must have id and inputs only")
            if not isinstance(item["id"], str) or not 1 <= len(item["id"]) <= 64:
                raise self.refuse(call, 400, "items.id must be a string of 1 to 64 characters")
            if not isinstance(item["inputs"], dict):
                raise self.refuse(call, 400, "items.inputs must be an object")
        return items

    def _finish(self, item: dict[str, Any]) -> dict[str, Any]:
        inputs = {name: str(value) for name, value in item["inputs"].items() if value}
        world = self.site.world
        person = world.person(inputs["email"]) if "email" in inputs else None
        if person is None and "linkedin_url" in inputs:
            person = world.person_of_slug(inputs["linkedin_url"])
        domain = inputs.get("domain") or (person.domain if person else "")
        company = world.company(domain) if domain else None
        if person is None and company is None:
            error = {"message": "No input could be matched"}
            return {"id": item["id"], "status": "failed", "error": error}
        return {"id": item["id"], "status": "complete", "result": outputs(person, company)}

    def results(self, call: Call) -> Reply:
        run = self.runs.get(call.params["id"])
        if run is None:
            raise self.refuse(call, 404, "Routine run not found")
        limit, cursor = call.query.get("limit", "20"), call.query.get("cursor", "0")
        if not limit.isdigit() or not 1 <= int(limit) <= _MAX_ITEMS or not cursor.isdigit():
            raise self.refuse(call, 400, "limit must be between 1 and 100")
        run.polls += 1
        total = len(run.data)
        state: dict[str, Any] = {"routine_run_id": run.run_id, "total": total}
        if run.polls <= self.site.behaviour.clay_pending_polls:
            return reply(202, state | {"finished": 0, "status": "in_progress"})
        end = int(cursor) + int(limit)
        page = state | {
            "finished": total,
            "status": "complete",
            "data": run.data[int(cursor) : end],
        }
        return reply(200, page | ({"cursor": str(end)} if end < total else {}))


def outputs(person: Person | None, company: Company | None) -> dict[str, Any]:
    """The routine's columns for this person and company; null where nobody knows."""
    found: dict[str, Any] = dict.fromkeys(OUTPUTS)
    if company is not None:
        found |= {
            "employee_count": company.employees,
            "industry": company.industry,
            "country": company.place.country_name,
            "time_zone": company.place.time_zone,
            "city": company.place.city,
            "technologies": list(company.technologies) or None,
            "open_roles": list(company.open_roles) or None,
            "last_funding": company.last_funding,
            "parent_domain": company.parent_domain,
            "ownership": company.ownership,
            "ai_initiative": company.ai_initiative,
            "revenue_usd": company.revenue_usd,
        }
    if person is not None:
        found |= {
            "email": person.email,
            "job_title": person.title,
            "linkedin_url": f"https://www.linkedin.com/in/{person.linkedin_slug}",
            "email_status": person.email_status,
        }
    return found
