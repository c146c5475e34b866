"""A server that somebody starts by hand: it says what it is, and Ctrl-C ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes.swarm import environment

pytestmark = [pytest.mark.processes, pytest.mark.timeout(60)]


def test_it_says_that_it_speaks_to_programs_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    keyboard, terminal = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "servers.hunter"],
        env=environment(HIVE_MIND_DIR=str(tmp_path / "hive"), SWARM_SANDBOX="1"),
        stdin=terminal, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        said = process.stderr.readline()
        assert "swarm mcp config" in said
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == -signal.SIGINT
        assert process.stderr.read() == ""
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
        os.close(keyboard)
        os.close(terminal)
