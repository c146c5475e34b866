"""Killed writers and concurrent writers: the file is whole, and nothing acknowledged is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guardrails.bank import Bank, Lesson
from guardrails.bank.file import read_document

MakeLesson = Callable[..., Lesson]

# One process forks a writer per seed (forking is safe: it has one thread), lets it work, kills it
# at a seeded moment of its write, and looks at the file.
_KILLER = """
import json, os, random, signal, sys
from pathlib import Path
from guardrails.bank import Bank, Lesson
from guardrails.bank.file import read_document
from guardrails.clock import utc_now
from guardrails.config.models import BankPolicy

path, policy, base = Path(sys.argv[1]), BankPolicy(**json.loads(sys.argv[2])), sys.argv[3]
moments = int(sys.argv[4])

def lesson(seed, step):
    data = json.loads(base) | {"event_id": f"{seed}-{step}", "lead_id": f"L-{seed}-{step}"}
    return Lesson.model_validate(data)

def write(seed, out):
    bank = Bank.open(path, policy, utc_now)
    for step in range(100_000):
        bank.learn(lesson(seed, step))
        os.write(out, b"%d\\n" % step)

acknowledged, torn, lost, strange, midway = set(), 0, 0, 0, 0
unacknowledged = {}
for seed in range(moments):
    rng = random.Random(seed)
    source, sink = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(source)
        write(seed, sink)
    os.close(sink)
    wanted, told = rng.randrange(1, 4), b""
    while told.count(b"\\n") < wanted:
        told += os.read(source, 64)
    for _ in range(rng.randrange(60_000)):
        pass
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    while more := os.read(source, 4096):
        told += more
    os.close(source)
    acknowledged |= {f"{seed}-{step.decode()}" for step in told.split()}
    unacknowledged[seed] = len(told.split())  # the one step that may or may not be on disk
    midway += path.with_name(path.name + ".tmp").exists()
    try:
        document, _ = read_document(path)
    except Exception:
        torn += 1
        break
    known = {e.event_id for item in document.items for e in item.evidence}
    lost += len(acknowledged - known)
    strange += len(known - acknowledged - {f"{s}-{unacknowledged[s]}" for s in range(seed + 1)})
kept = len(acknowledged)
report = {"torn": torn, "lost": lost, "strange": strange, "midway": midway, "kept": kept}
print(json.dumps(report))
"""

_WRITER = """
import json, sys
from pathlib import Path
from guardrails.bank import Bank, Lesson
from guardrails.clock import utc_now
from guardrails.config.models import BankPolicy

bank = Bank.open(Path(sys.argv[1]), BankPolicy(**json.loads(sys.argv[2])), utc_now)
sys.stdin.readline()
for step in range(int(sys.argv[4])):
    name = f"{sys.argv[5]}-{step}"
    data = json.loads(sys.argv[3]) | {"event_id": name, "lead_id": f"L-{name}"}
    bank.learn(Lesson.model_validate(data))
"""


def _arguments(bank: Bank, path: Path, lesson: MakeLesson) -> list[str]:
    policy = json.dumps(bank.policy.model_dump())
    return [str(path), policy, lesson(1, content_hash=None).model_dump_json()]


@pytest.fixture
def bank_path(bank: Bank, tmp_path: Path) -> Path:
    return tmp_path / "reasoning_bank.json"


def _killed(bank: Bank, path: Path, lesson: MakeLesson, moments: int) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", _KILLER, *_arguments(bank, path, lesson), str(moments)],
        capture_output=True,
        text=True,
        timeout=110,
        check=True,
    )
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_a_writer_killed_in_the_midst_of_a_write_leaves_the_old_or_the_new_bank(
    bank: Bank, bank_path: Path, lesson: MakeLesson
) -> None:
    report = _killed(bank, bank_path, lesson, moments=40)
    assert (report["torn"], report["lost"], report["strange"]) == (0, 0, 0)
    assert report["kept"] >= 40
    assert report["midway"] > 0, "no kill hit a write: the test proves nothing"
    bank.learn(lesson(7))  # the next writer is not hindered by what the killed ones left


@pytest.mark.kill
def test_many_writers_killed_in_the_midst_of_a_write_leave_the_old_or_the_new_bank(
    bank: Bank, bank_path: Path, lesson: MakeLesson
) -> None:
    report = _killed(bank, bank_path, lesson, moments=120)
    assert (report["torn"], report["lost"], report["strange"]) == (0, 0, 0)
    assert report["midway"] > 0


def test_two_writers_at_once_lose_nothing(bank: Bank, bank_path: Path, lesson: MakeLesson) -> None:
    each = 25
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, *_arguments(bank, bank_path, lesson), str(each), name],
            stdin=subprocess.PIPE,
            text=True,
        )
        for name in ("a", "b")
    ]
    for writer in writers:
        writer.communicate("go\n", timeout=100)
    assert [writer.returncode for writer in writers] == [0, 0]
    document, _ = read_document(bank_path)
    known = {e.event_id for item in document.items for e in item.evidence}
    assert known == {f"{name}-{step}" for name in "ab" for step in range(each)}
    assert document.version.counter == 1 + 2 * each
    assert bank.version == str(document.version)
