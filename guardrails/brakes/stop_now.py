"""The first milliseconds of an emergency stop: which hives, and the file in each. Standard library.

What was done here is handed on in one environment variable, because the script that presses may
have to start another Python before it can do the rest. Refuses to guess a hive that somebody named
wrongly: nothing is placed in a directory that is not there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from guardrails.brakes.stop_file import Placed, place
from guardrails.brakes.stop_processes import real_hives

VARIABLE = "SWARM_STOP_PRESS"
DEFAULT = ".hive-mind"
CHECKOUT = Path(__file__).resolve().parents[2]
EXPLANATION = """\
This is the red button. It stops the whole swarm at once, and asks nothing further:

  STOP_SWARM=1 python scripts/emergency_stop.py [--reason TEXT]

No write leaves any more: a STOP file stops this machine, the database every other one; whatever
was on its way is waited for; every campaign at Instantly is paused and read back; the team is told
in Slack; it all goes on record. It prints each step with its second, and what it could not verify.
Nothing is lost: what waits stays where it is, and `swarm resume` lets it go on.

Without STOP_SWARM=1 nothing has been done now.
"""


@dataclass(frozen=True)
class Pressed:
    """When, and what became of the file in each hive (absolute paths)."""

    at: float
    hives: Mapping[Path, Placed]


def armed(environ: Mapping[str, str]) -> bool:
    """Whether somebody means it."""
    return environ.get("STOP_SWARM", "").strip() == "1"


def press(arguments: Sequence[str], environ: MutableMapping[str, str], at: float) -> Pressed:
    """Place the file in every hive that is meant, and leave word of it in `environ`.

    Args:
        arguments: the command line's; only --hive and --reason are looked at.
        at: seconds since 1970, when it was pressed.
    """
    named, reason = _named(arguments, "--hive"), _named(arguments, "--reason")
    pressed = place_in(None if named is None else Path(named), reason or "", environ, at)
    left = [[str(hive), list(astuple(placed))] for hive, placed in pressed.hives.items()]
    environ[VARIABLE] = json.dumps([pressed.at, left])
    return pressed


def place_in(
    named: Path | None,
    reason: str,
    environ: Mapping[str, str],
    at: float | None = None,
    running: Callable[[], Sequence[Path]] = real_hives,
) -> Pressed:
    """The same without the arguments of a command line.

    Without a name it is the hive of this directory (or of the checkout), and every real one in
    which servers run on this machine: whoever presses means whatever could send.
    """
    moment = time.time() if at is None else at
    text = f"emergency stop: {reason}" if reason.strip() else "emergency stop"
    if named is not None:
        hives = [named.absolute()] if named.is_dir() else []
        return Pressed(moment, {hive: place(hive, text) for hive in hives})
    placed = {hive: place(hive, text) for hive in _own(environ)}
    for hive in running():
        if hive.is_dir() and hive not in {each.resolve() for each in placed}:
            placed[hive] = place(hive, text)
    return Pressed(moment, placed)


def pressed_before(environ: MutableMapping[str, str]) -> Pressed | None:
    """What `press` left word of, once."""
    word = environ.pop(VARIABLE, None)
    if word is None:
        return None
    at, hives = json.loads(word)
    return Pressed(float(at), {Path(hive): Placed(*placed) for hive, placed in hives})


def _own(environ: Mapping[str, str]) -> list[Path]:
    given = environ.get("HIVE_MIND_DIR")
    places = [Path(given)] if given else [Path(DEFAULT), CHECKOUT / DEFAULT]
    found = [each.absolute() for each in places if _is_hive(each)]
    return found[:1]


def _is_hive(path: Path) -> bool:
    return any((path / name).exists() for name in ("hive.json", "swarm.db", "audit"))


def _named(arguments: Sequence[str], option: str) -> str | None:
    """The last value of an option."""
    found = None
    for place_, word in enumerate(arguments):
        if word == option and place_ + 1 < len(arguments):
            found = arguments[place_ + 1]
        elif word.startswith(f"{option}="):
            found = word.partition("=")[2]
    return found


def env_file() -> Path:
    """Where the variables stand: here, or else in the checkout; a frightened person is anywhere."""
    here = Path(".env")
    return here if here.is_file() else CHECKOUT / ".env"


__all__ = [
    "EXPLANATION",
    "VARIABLE",
    "Pressed",
    "armed",
    "env_file",
    "place_in",
    "press",
    "pressed_before",
]
