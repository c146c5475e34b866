"""The campaign's own configuration. Owns: what differs from the one in force, and saying so.

Against real vendors nothing is scaled. In the sandbox waits are shortened, so that an hour sees
more than a few faults, and the limits of vendors whose twins invent no limit are lifted. Mode is
always shadow. Refuses to touch a rule that decides about leads: only production.json differs.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guardrails.config import Config, config_path
from guardrails.config.loader import FILES
from guardrails.config.models.production import FaultTarget, Production
from guardrails.model import Mode
from orchestrator.campaign.plan import Plan

_FOLDERS_AND_MORE = ("templates", "tone_corpus.json", "sandbox_lessons.json")
_TIMEOUTS = {"connect": 1.5, "read": 1.5, "write": 1.5, "pool": 3.0, "total": 4.5}
_NEWS_LIMITS = {"requests": 1000, "per_seconds": 1.0}
OPEN_S = 4.0
CALL_TIMEOUT_S = 15.0
POLL_DEADLINE_S = 5.0
CONCURRENCY = 4  # of a random campaign
# An hour asks for the same leads hundreds of times; the cap is for a day's leads.
_CAP_FACTOR = 1000


@dataclass(frozen=True)
class Derived:
    """Files of the campaign's configuration, and what was scaled in them."""

    steady: Path  # faults off, call sites recorded
    faulty: Path
    production: Production  # as in `faulty`
    scaled: dict[str, str]


def derive(
    plan: Plan, config: Config, folder: Path, targets: Sequence[FaultTarget] = ()
) -> Derived:
    """Write both configurations to `folder`, beside copies of every other file in force."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in (*(f"{each}.json" for each in FILES if each != "production"), *_FOLDERS_AND_MORE):
        _copy(config_path(name, plan.config), folder / name)
    document = config.production.model_dump(mode="json")
    scaled = _scale(document) if plan.sandbox else {}
    if plan.sandbox and plan.kind == "random":
        scaled["work.concurrency"] = f"{CONCURRENCY} leads at once, so that leads meet each fault"
    document["mode"] = Mode.SHADOW.value
    injection = {"enabled": True, "seed": plan.seed, "faults": list(plan.http_faults)}
    document["failure_injection"] = injection | {"rate": 0.0, "targets": []}
    _write(folder / "steady.json", document)
    document["failure_injection"] = injection | {
        "rate": 0.0 if targets else plan.rate,
        "targets": [target.model_dump(mode="json") for target in targets],
    }
    production = _write(folder / "production.json", document)
    return Derived(folder / "steady.json", folder / "production.json", production, scaled)


def _scale(document: dict[str, Any]) -> dict[str, str]:
    for name, vendor in document["vendors"].items():
        vendor["timeouts"] = {
            key: min(value, _TIMEOUTS[key]) for key, value in vendor["timeouts"].items()
        }
        if name in ("gdelt", "google_news"):
            vendor["limits"] |= _NEWS_LIMITS
    clay, work, spend = document["vendors"]["clay"], document["work"], document["spend"]
    clay["poll_deadline_s"] = min(clay["poll_deadline_s"], POLL_DEADLINE_S)
    document["breaker"]["open_s"] = min(document["breaker"]["open_s"], OPEN_S)
    work["call_timeout_s"] = min(work["call_timeout_s"], CALL_TIMEOUT_S)
    spend["daily_cap_micros"] *= _CAP_FACTOR
    caps = spend["vendor_daily_cap_micros"]
    spend["vendor_daily_cap_micros"] = {name: cap * _CAP_FACTOR for name, cap in caps.items()}
    return {
        "vendors.*.timeouts": "connect, read and write at most 1.5 s, pool 3 s, total 4.5 s",
        "vendors.clay.poll_deadline_s": f"at most {POLL_DEADLINE_S:g} s",
        "vendors.gdelt.limits, vendors.google_news.limits": "1000 requests in a second",
        "breaker.open_s": f"at most {OPEN_S:g} s",
        "work.call_timeout_s": f"at most {CALL_TIMEOUT_S:g} s",
        "spend caps": f"times {_CAP_FACTOR}: the same leads are paid for in every round",
        "days": "between two rounds a day is taken to pass: cached answers and holds on paid "
        "runs are forgotten, and leads in quarantine are released",
    }


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, target)


def _write(path: Path, document: dict[str, Any]) -> Production:
    text = json.dumps(document, indent=2) + "\n"
    production = Production.model_validate_json(text)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return production
