from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.campaign import proc

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A child that names `tmp_path` in its environment and ends when its stdin closes."""
    code = "import sys; print(flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"HIVE_MIND_DIR": str(tmp_path)},
    )
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.communicate()


def test_a_process_is_measured(sleeper: subprocess.Popen[bytes]) -> None:
    assert 1 < (proc.memory_mb(sleeper.pid) or 0) < 200
    assert (proc.open_files(sleeper.pid) or 0) >= 3


def test_children_and_users_of_a_hive_are_found_until_they_end(
    sleeper: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    assert sleeper.pid in proc.descendants(os.getpid())
    assert proc.using(tmp_path) == {sleeper.pid}
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)  # dead, and not yet buried
    assert proc.alive([sleeper.pid]) == set()
    assert sleeper.pid not in proc.descendants(os.getpid())


def test_what_is_not_there_is_absent_and_not_zero() -> None:
    nobody = 2**22 + 1  # beyond the largest process id
    assert proc.memory_mb(nobody) is None
    assert proc.open_files(nobody) is None
