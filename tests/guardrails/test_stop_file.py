"""The STOP file appears whatever the state of the disk, and before anything heavy is loaded."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from guardrails.brakes.stop import StopSwitch
from guardrails.brakes.stop_file import clean_reason, place, remove
from guardrails.brakes.stop_now import VARIABLE, place_in, press, pressed_before
from guardrails.hive import Hive
from guardrails.store import Store

ROOT = Path(__file__).parents[2]


def test_placing_stops_and_says_why(hive: Hive, sqlite_store: Store) -> None:
    placed = place(hive.path, "too many\ncomplaints by ana@firm.example")
    assert (placed.present, placed.already, placed.how) == (True, False, "file")
    assert placed.durable
    assert hive.stop_file.stat().st_mode & 0o777 == 0o600
    state = StopSwitch(hive, sqlite_store).state()
    assert (state.stopped, state.reason) == (True, "too many complaints by [address]")


def test_whoever_places_it_again_finds_it_and_changes_nothing(hive: Hive) -> None:
    place(hive.path, "first")
    again = place(hive.path, "second")
    assert (again.present, again.already, again.how) == (True, True, "")
    assert hive.stop_file.read_text() == "first\n"


def test_ten_at_once_place_one(hive: Hive) -> None:
    found = []
    together = threading.Barrier(10)

    def one(number: int) -> None:
        together.wait()
        found.append(place(hive.path, f"by {number}"))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(placed.present for placed in found)
    assert [placed.already for placed in found].count(False) == 1


def _elsewhere(limit: str, hive: Path) -> dict[str, object]:
    """Place it in a process that has been given less by its system."""
    code = (
        "import dataclasses, json, resource, signal, sys\n"
        "from pathlib import Path\n"
        "from guardrails.brakes.stop_file import place\n"
        f"{limit}\n"
        "print(json.dumps(dataclasses.asdict(place(Path(sys.argv[1]), 'why'))))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(hive)], cwd=ROOT, capture_output=True, text=True,
        check=True, timeout=30,
    )  # fmt: skip
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_where_not_one_byte_can_be_written_the_empty_file_stops(
    hive: Hive, sqlite_store: Store
) -> None:
    full = (
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))"
    )
    # stdout is a pipe: the limit is for files alone
    assert _elsewhere(full, hive.path)["how"] == "file"
    assert hive.stop_file.read_bytes() == b""
    assert StopSwitch(hive, sqlite_store).state().stopped


def test_where_no_file_can_be_opened_a_directory_of_that_name_stops(
    hive: Hive, sqlite_store: Store
) -> None:
    none_left = "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))"
    placed = _elsewhere(none_left, hive.path)
    assert (placed["present"], placed["how"], placed["durable"]) == (True, "directory", False)
    assert placed["problem"]
    assert StopSwitch(hive, sqlite_store).state().stopped
    remove(hive.path)
    assert not StopSwitch(hive, sqlite_store).state().stopped


def test_where_nothing_can_be_made_it_says_so() -> None:
    placed = place(Path("/proc/self"), "why")  # not even for root
    assert not placed.present
    assert "file: " in placed.problem


def test_removing_takes_whatever_it_is_and_may_be_repeated(hive: Hive) -> None:
    for make in (hive.stop_file.mkdir, lambda: hive.stop_file.symlink_to("nowhere")):
        make()
        remove(hive.path)
        remove(hive.path)
        assert not hive.stop_file.is_symlink()
        assert not hive.stop_file.exists()


def test_a_reason_is_one_short_line() -> None:
    assert clean_reason("a\tb\n\x1b[31mred  a@b.example ") == "a b [31mred [address]"
    assert len(clean_reason("x" * 1000)) == 180


def test_the_named_hive_is_meant_and_no_other(tmp_path: Path, hive: Hive) -> None:
    other = tmp_path / "other"
    other.mkdir()
    pressed = place_in(hive.path, "", {"HIVE_MIND_DIR": str(other)})
    assert list(pressed.hives) == [hive.path]
    assert list(other.iterdir()) == []


def test_a_name_that_is_none_stops_nothing_and_is_not_made(tmp_path: Path) -> None:
    assert place_in(tmp_path / "typo", "", {}).hives == {}
    assert list(tmp_path.iterdir()) == []


def test_without_a_name_it_is_the_environments_hive_and_whichever_runs_here(
    tmp_path: Path, hive: Hive
) -> None:
    other, gone = tmp_path / "other", tmp_path / "gone"
    other.mkdir()
    running = [hive.path.resolve(), other, gone]
    pressed = place_in(None, "", {"HIVE_MIND_DIR": str(hive.path)}, running=lambda: running)
    assert list(pressed.hives) == [hive.path, other]
    assert hive.stop_file.exists()
    assert (other / "STOP").exists()


@pytest.mark.parametrize("words", [["--hive", "{}"], ["--json", "--hive={}"]])
def test_what_was_pressed_is_handed_on_once(hive: Hive, words: list[str]) -> None:
    environ: dict[str, str] = {}
    arguments = [word.format(hive.path) for word in words] + ["--reason", "fire drill"]
    pressed = press(arguments, environ, at=123.5)
    assert "fire drill" in hive.stop_file.read_text()
    assert pressed_before(environ) == pressed
    assert VARIABLE not in environ
    assert pressed_before(environ) is None


def test_nothing_but_the_standard_library_is_loaded_before_the_file_is_there() -> None:
    code = (
        "import sys; import guardrails.brakes.stop_now; "
        "print(sorted({name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True,
        timeout=30,
    )  # fmt: skip
    assert done.stdout.strip() == "['__main__', 'guardrails']"
