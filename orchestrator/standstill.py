"""Whether anything may be started at all. Owns: looking at the stop before a swarm is begun.

A restart does not lift a stop: a run that cannot write anything is refused before its servers are
started and its interrupted work is taken up. A stop state that cannot be read is for the start to
tell, with what is wrong: until it can be read, nothing is written either. A hive that does not
exist yet is not stopped.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from guardrails.brakes.stop import UNKNOWN_EPOCH, StopSwitch
from guardrails.errors import NotFound, Stopped
from guardrails.hive import Hive
from guardrails.store import open_existing

_WAIT_S = 10.0


def require_not_stopped(path: Path, database_url: str | None) -> None:
    """Look at the stop of the hive at `path`.

    Raises:
        Stopped: it is in force.
        ConfigError: the hive is damaged, or the URL none.
    """
    try:
        hive = Hive.existing(path)
    except NotFound:
        return
    if hive.stop_file.is_symlink() or hive.stop_file.exists():
        raise Stopped("the swarm is stopped: the STOP file is present")
    if not database_url and not hive.database_file.exists():
        return  # nothing has run here yet
    with closing(open_existing(hive, database_url, wait_s=_WAIT_S)) as store:
        state = StopSwitch(hive, store).state()
    if state.stopped and state.epoch != UNKNOWN_EPOCH:
        raise Stopped(f"the swarm is stopped: {state.reason}")
