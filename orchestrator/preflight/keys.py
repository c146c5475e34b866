"""Whether each credential opens what it must. Owns: what the servers' answers mean for a person.

The vendors' keys are tried by the servers that hold them. Slack's is tried with the variables of
the process that tells people (`slack`), Supabase's with the memory's (`supabase`).
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.environment import Environment
from orchestrator.preflight.model import Check, fail, ok, unknown, warn
from orchestrator.preflight.servers import Servers
from orchestrator.variables import VARIABLES
from servers.common.contract_access import CheckAccess, Door
from servers.enricher import contract as enricher
from servers.ghl import contract as ghl

_CLAY = (
    "Clay's own daily limit cannot be relied on: spend.vendor_daily_cap_micros.clay is the cap "
    "that holds."
)


def check_variables(environment: Environment, *, sandbox: bool) -> tuple[Check, Check]:
    """Those without which nothing starts, and those without which much is missing."""
    if sandbox:
        told = "the sandbox sets its own: no key of yours is used"
        return ok("variables", told), ok("recommended", told)
    return _set("variables", environment, "critical"), _set(
        "recommended", environment, "recommended"
    )


def _set(name: str, environment: Environment, need: str) -> Check:
    wanted = [variable for variable in VARIABLES if variable.need == need]
    missing = [one for one in wanted if not environment.values.get(one.name)]
    if not missing:
        return ok(name, f"all {len(wanted)} are set")
    told = f"not set: {', '.join(one.name for one in missing)}"
    do = "; ".join(f"{one.name}: {one.where.rstrip('.')}" for one in missing[:4])
    do += f"; {len(missing) - 4} more, see .env.example." if len(missing) > 4 else "."
    if need == "critical":
        return fail(name, told, f"Put them into .env. {do}")
    return warn(name, told, f"Each is worth having; .env.example says where it is found. {do}")


async def check_ghl(servers: Servers) -> list[Check]:
    """GoHighLevel's key, scope by scope, and one setting of the location that matters."""
    found = await servers.ask("ghl", ghl.CHECK_ACCESS, CheckAccess())
    key = of_doors("ghl_key", found.doors)
    if key.result == "ok":
        said = f"{key.seen}. Reads only: write scopes show at the first write."
        key = key.model_copy(update={"seen": said})
    if found.duplicates_allowed is None:
        about = unknown("ghl_duplicates", "the location did not say", "Look at its settings.")
    elif found.duplicates_allowed:
        about = warn(
            "ghl_duplicates", "the location allows duplicate contacts",
            "GoHighLevel: Settings, Business Profile: switch Allow Duplicate Contact off.",
        )  # fmt: skip
    else:
        about = ok("ghl_duplicates", "duplicate contacts are not allowed")
    return [key, about]


async def check_enricher(servers: Servers) -> list[Check]:
    """Clay's and RB2B's keys."""
    found = await servers.ask("enricher", enricher.CHECK_ACCESS, CheckAccess())
    clay = [door for door in found.doors if door.name.startswith("clay.")]
    rb2b = [door for door in found.doors if door.name.startswith("rb2b.")]
    key = of_doors("clay_key", [door for door in clay if door.status != "not_set"])
    idle = [door.seen for door in clay if door.status == "not_set"]
    if key.result == "ok" and idle:
        key = warn("clay_key", f"{key.seen}; {', '.join(idle)}: Clay is skipped", _CLAY)
    elif key.result == "ok":
        key = ok("clay_key", f"{key.seen}. {_CLAY}")
    return [key, of_doors("rb2b_key", rb2b)]


def of_doors(name: str, doors: Sequence[Door]) -> Check:
    """One answer out of all reads: the worst counts, and every one that is shut is named."""
    shut = [door for door in doors if door.status != "ok"]
    if not doors:
        return unknown(name, "nothing was tried", "This is a defect: report it.")
    if not shut:
        return ok(name, "; ".join(door.seen for door in doors))
    told = _told(shut)
    do = next((door.remedy for door in shut if door.remedy), None) or "Check the key."
    if any(door.status in ("refused", "odd", "not_set") for door in shut):
        return fail(name, told, do)
    return unknown(name, told, do)


def _told(shut: Sequence[Door]) -> str:
    """Each refusal by itself; of those that gave no answer the first, and who else did not."""
    said = [f"{door.name}: {door.seen}" for door in shut if door.status != "unreachable"]
    silent = [door for door in shut if door.status == "unreachable"]
    if silent:
        others = ", ".join(door.name.partition(".")[2] for door in silent[1:])
        said.append(f"{silent[0].name}: {silent[0].seen}" + (f" (nor {others})" if others else ""))
    return "; ".join(said)
