"""The kill switch as everybody reads it. Owns: whether the swarm is stopped, and the stop epoch.

The STOP file or the database's row, either is enough (P5). What cannot be read counts as stopped
(P6). Raising and lifting it is `stop_raise`; the file alone, `stop_file`.
"""

from __future__ import annotations

from sqlalchemy import Connection, select

from guardrails.brakes.stop_state import UNKNOWN_EPOCH, StopState
from guardrails.errors import Stopped, StoreUnavailable
from guardrails.hive import Hive
from guardrails.store import Store
from guardrails.store.tables import stop_state

_QUERY = select(stop_state.c.epoch, stop_state.c.stopped, stop_state.c.reason)
_QUERY_AND_HOLD = _QUERY.with_for_update(read=True)


class StopSwitch:
    """Reads the kill switch afresh at every call: nothing is cached."""

    def __init__(self, hive: Hive, store: Store) -> None:
        self._file = hive.stop_file
        self._store = store

    def state(self) -> StopState:
        """The state now; never raises, an unreadable part means stopped."""
        try:
            with self._store.read() as conn:
                return self.state_in(conn)
        except StoreUnavailable as error:
            said = self._file_reason() or f"the stop state cannot be read: {error.message}"
            return StopState(stopped=True, reason=said, epoch=UNKNOWN_EPOCH)

    def state_in(self, conn: Connection, *, hold: bool = False) -> StopState:
        """The state as seen inside a transaction.

        Args:
            hold: keep anybody from raising a stop until the transaction ends (PostgreSQL; a
                write transaction on SQLite does so anyway), so that what is committed with it
                is ordered before the stop.
        """
        row = conn.execute(_QUERY_AND_HOLD if hold else _QUERY).first()
        if row is None:
            missing = self._file_reason() or "the stop state is missing from the database"
            return StopState(stopped=True, reason=missing, epoch=UNKNOWN_EPOCH)
        return self.judged(stopped=bool(row.stopped), reason=row.reason, epoch=row.epoch)

    def judged(self, *, stopped: bool, reason: str | None, epoch: int) -> StopState:
        """The state that the database's row and the file make together."""
        in_row = (reason or "stopped, no reason given") if stopped else None
        why = self._file_reason() or in_row
        return StopState(stopped=why is not None, reason=why, epoch=epoch)

    def require_running(self) -> StopState:
        """The state, when the swarm is not stopped.

        Raises:
            Stopped: it is, or nobody can tell.
        """
        state = self.state()
        if state.stopped:
            raise Stopped(f"the swarm is stopped: {state.reason}")
        return state

    def here(self) -> str | None:
        """Why the file stops this machine; None when it is certainly absent. Asks no database."""
        return self._file_reason()

    def _file_reason(self) -> str | None:
        """Why the file stops us; None only when it is certainly absent."""
        try:
            self._file.lstat()
        except FileNotFoundError:
            return self._hive_gone()
        except OSError as error:
            return f"the STOP file cannot be checked: {error.strerror}"
        try:
            with self._file.open(encoding="utf-8", errors="replace") as file:
                first = file.readline(200).strip()
        except OSError:
            first = ""  # a directory, a dangling link, no permission: it is there all the same
        return first or "the STOP file is present"

    def _hive_gone(self) -> str | None:
        # Without its directory the file's absence says nothing.
        return None if self._file.parent.is_dir() else "the hive directory is gone"


__all__ = ["UNKNOWN_EPOCH", "StopState", "StopSwitch"]
