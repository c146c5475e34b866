"""Whether anything may be started at all. Owns: looking at the stop before a swarm is begun.

A restart does not lift a stop: a run that cannot write anything is refused before its servers are
started and its interrupted work is taken up. What cannot be told counts as stopped; a hive that
does not exist yet is not.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from guardrails.brakes.stop import StopSwitch
from guardrails.errors import NotFound, Stopped
from guardrails.hive import Hive
from guardrails.store import open_existing

_WAIT_S = 10.0


def require_not_stopped(path: Path, database_url: str | None) -> None:
    """Look at the stop of the hive at `path`.

    Raises:
        Stopped: it is in force, or nobody can tell.
        ConfigError: the hive is damaged, or the URL none.
    """
    try:
        hive = Hive.existing(path)
    except NotFound:
        return
    if not database_url and not hive.database_file.exists():
        if hive.stop_file.is_symlink() or hive.stop_file.exists():
            raise Stopped("the swarm is stopped: the STOP file is present")
        return  # nothing has run here yet
    with closing(open_existing(hive, database_url, wait_s=_WAIT_S)) as store:
        StopSwitch(hive, store).require_running()
