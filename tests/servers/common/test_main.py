from __future__ import annotations

import io

from servers.common.main import _Lossy


class FullDisk(io.StringIO):
    def write(self, _text: str) -> int:
        raise OSError(28, "No space left on device")

    def flush(self) -> None:
        raise OSError(28, "No space left on device")


def test_a_log_line_that_cannot_be_written_stops_nobody() -> None:
    lossy = _Lossy(FullDisk())
    assert lossy.write("tool_failed") == len("tool_failed")
    lossy.flush()


def test_a_log_line_that_can_be_written_is() -> None:
    kept = io.StringIO()
    _Lossy(kept).write("tool_failed")
    assert kept.getvalue() == "tool_failed"
