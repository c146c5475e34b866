"""Find and validate config/. Owns: look-up order and error texts.

Look-up order: the argument, `SWARM_CONFIG`, the copy inside the wheel, the checkout.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from guardrails.config.models import (
    Approvers,
    Competitors,
    Config,
    Exclusions,
    GoldenSet,
    Icp,
    Policy,
    Production,
    Replies,
    Templates,
)
from guardrails.errors import ConfigError
from guardrails.model import digest

_TOLD = 20  # problems in one message; who sends more learns nothing from the rest
_PACKAGED = Path(__file__).parent / "_packaged"
_CHECKOUT = Path(__file__).parents[2] / "config"
FILES: dict[str, type[BaseModel]] = {
    "production": Production,
    "icp": Icp,
    "policy": Policy,
    "competitors": Competitors,
    "exclusions": Exclusions,
    "templates": Templates,
    "golden_set": GoldenSet,
    "approvers": Approvers,
    "replies": Replies,
}
# What an edit may change without turning away what was decided before it: how vendors are reached,
# paced and paid, how much runs at once, chaos, how events arrive, what is watched, how long
# things are kept. An approval binds its approver and its expiry by itself. Whatever is not named
# here decides; a sending day is cut in `spend.time_zone`, so that does.
UNDECIDING: dict[str, Any] = {
    "approvers": True,
    "replies": True,
    "production": {
        "failure_injection": True,
        "vendors": True,
        "breaker": True,
        "retry_budget": True,
        "spend": {"daily_cap_micros", "vendor_daily_cap_micros", "prices_micros"},
        "delivery": {"permit_seconds"},
        "approvals": True,
        "gateway": True,
        "monitor": True,
        "readiness": True,
        "retention": True,
        "work": True,
    },
}


def config_dir(given: Path | None = None) -> Path:
    """The directory of config/: `given` (a directory, or a production.json in one) first.

    Raises:
        ConfigError: none of the places holds a production.json.
    """
    stated = _stated(given)
    places = [stated] if stated else [_PACKAGED, _CHECKOUT]
    for place in places:
        directory = place.parent if place.suffix == ".json" else place
        if (directory / "production.json").is_file() or place.suffix == ".json":
            return directory
    raise ConfigError(
        f"no production.json in {', '.join(str(place) for place in places)}",
        remedy="Give --config FILE, or set SWARM_CONFIG to the directory that holds it.",
    )


def load_config(given: Path | None = None) -> Config:
    """Read and validate every file.

    A `given` file replaces production.json alone; its neighbours, or the packaged files where it
    has none, give the rest. A `given` directory must hold all of them: a lost list of customers
    is not an empty one.

    Raises:
        ConfigError: names file, path in it, the value found and what is allowed.
    """
    sections = {name: _section(_file(name, given), model) for name, model in FILES.items()}
    return Config(**sections, wording=_wording(given))


def policy_version(config: Config) -> str:
    """Name and digest of everything that decides: a changed rule is another version.

    A decision and a permit hold under the version they name and no other, in every process. See
    `UNDECIDING` for what is not part of it.
    """
    parts = config.model_dump(mode="json", exclude=UNDECIDING)
    return f"{config.policy.version}+{digest(parts)[:12]}"


def config_path(name: str, given: Path | None = None) -> Path:
    """A further file or folder of config/, looked up as its JSON files are.

    Raises:
        ConfigError: it is in none of the places.
    """
    places = (config_dir(given), _PACKAGED, _CHECKOUT)
    for place in places:
        if (place / name).exists():
            return place / name
    raise ConfigError(f"no {name} in {', '.join(str(place) for place in places)}")


def packaged_file(name: str) -> Path:
    """A JSON file of config/ as it was delivered, whatever `--config` says."""
    packaged = _PACKAGED / f"{name}.json"
    return packaged if packaged.is_file() else _CHECKOUT / f"{name}.json"


def _file(name: str, given: Path | None) -> Path:
    stated = _stated(given)
    if stated is not None and stated.suffix == ".json":
        return stated if name == "production" else config_path(f"{name}.json", given)
    return config_dir(given) / f"{name}.json"


def _stated(given: Path | None) -> Path | None:
    return given or (Path(os.environ["SWARM_CONFIG"]) if "SWARM_CONFIG" in os.environ else None)


def _wording(given: Path | None) -> str:
    folder, whole = config_path("templates", given), hashlib.sha256()
    try:
        files = sorted(file for file in folder.iterdir() if file.suffix in (".j2", ".json"))
        for path in (*files, config_path("tone_corpus.json", given)):
            content = path.read_bytes()
            whole.update(f"{path.name} {len(content)}\n".encode() + content)
    except OSError as error:
        raise ConfigError(f"{error.filename}: cannot be read ({error.strerror})") from error
    return whole.hexdigest()


def _section(path: Path, model: type[BaseModel]) -> Any:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid JSON: {error}") from error
    try:
        return model.model_validate_json(json.dumps(data))
    except ValidationError as error:
        raise ConfigError(f"{path}: {describe(error)}") from error


def describe(error: ValidationError) -> str:
    """Problems as `path: value: what is allowed`, the first 20 of them, each of bounded length."""
    lines = []
    problems = error.errors(include_url=False)
    for problem in problems[:_TOLD]:
        where = f"{'.'.join(str(part) for part in problem['loc']) or '(whole file)':.200}"
        shown = "" if problem["type"] == "missing" else f" is {problem['input']!r:.120}"
        lines.append(f"{where}{shown}: {problem['msg']}")
    if len(problems) > _TOLD:
        lines.append(f"and {len(problems) - _TOLD} more")
    return "; ".join(lines)
