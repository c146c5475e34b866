"""The preloaded parent: what it forks is a server as any other; without it the swarm goes on."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil
import pytest

from guardrails.errors import ServerUnavailable
from orchestrator.begun import begin
from orchestrator.mcp_session import Session
from orchestrator.nursery import NotForked, Nursery
from orchestrator.processes import ServerSpec
from tests.orchestrator.fakes.awkward import MODULE, ROOT, awkward, awkward_nursery
from tests.orchestrator.fakes.awkward_server import DO, Do

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.processes,
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere servers are spawned"),
]
THREADED = "tests.orchestrator.fakes.threaded_server"


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def nursery(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Nursery]:
    """For tests that leave it whole."""
    async with awkward_nursery(tmp_path_factory.mktemp("nursery")) as started:
        yield started


@asynccontextmanager
async def session(nursery: Nursery | None, log: Path, **env: str) -> AsyncIterator[Session]:
    started = await Session.start(awkward(**env), log_file=log, timeout_s=30, nursery=nursery)
    try:
        yield started
    finally:
        await started.close()


async def echo(server: Session, what: str = "echo") -> str:
    return (await server.call(DO, Do(what=what, text="here"), 30)).text


def is_forked(server: Session, nursery: Nursery) -> bool:
    return psutil.Process(server.pid).ppid() == nursery.pid


async def gone(pid: int) -> None:
    """Not even a zombie is left, within ten seconds."""
    for _ in range(1000):
        if not psutil.pid_exists(pid):
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"process {pid} is still there")


async def test_a_forked_server_holds_nothing_of_its_parent_or_of_its_sister(
    nursery: Nursery, tmp_path: Path
) -> None:
    async with (
        session(nursery, tmp_path / "one", MINE="1") as one,
        session(nursery, tmp_path / "two", YOURS="2") as two,
        session(None, tmp_path / "three") as spawned,
    ):
        assert is_forked(one, nursery)
        assert is_forked(two, nursery)
        kinds = [await echo(server, "descriptors") for server in (one, two, spawned)]
        # Wherever its stdin comes from, it has as many open files as a spawned one.
        assert {len(each.split()) for each in kinds} == {len(kinds[2].split())}
        assert "[pidfd]" not in kinds[0] + kinds[1]
        env = (await two.call(DO, Do(what="echo"), 30)).env
        assert env["YOURS"] == "2"
        assert "MINE" not in env
        assert os.getsid(one.pid) == one.pid
    assert nursery.pid is not None
    assert psutil.Process(nursery.pid).num_fds() == 3


async def test_two_forked_servers_draw_different_numbers(nursery: Nursery, tmp_path: Path) -> None:
    drawn = []
    for number in range(2):
        async with session(nursery, tmp_path / str(number)) as server:
            drawn += (await echo(server, "draw")).split()
    assert len(set(drawn)) == 8


async def test_an_environment_larger_than_a_pipe_arrives_whole(
    nursery: Nursery, tmp_path: Path
) -> None:
    async with session(nursery, tmp_path / "log", LONG="é" * 200_000) as server:
        assert is_forked(server, nursery)
        assert (await server.call(DO, Do(what="echo"), 30)).env["LONG"] == "é" * 200_000


async def test_a_dead_server_is_no_zombie_and_its_session_ends_even_when_the_nursery_is_stopped(
    nursery: Nursery, tmp_path: Path
) -> None:
    assert nursery.pid is not None
    async with session(nursery, tmp_path / "log") as server:
        os.kill(nursery.pid, signal.SIGSTOP)
        try:
            with pytest.raises(ServerUnavailable, match="died during the call"):
                await echo(server, "die")
            await gone(server.pid)
        finally:
            os.kill(nursery.pid, signal.SIGCONT)


async def test_a_request_that_nobody_waits_for_any_more_leaves_no_server_and_no_mistake(
    nursery: Nursery, tmp_path: Path
) -> None:
    assert nursery.pid is not None
    os.kill(nursery.pid, signal.SIGSTOP)
    try:
        start = Session.start(
            awkward(), log_file=tmp_path / "given up", timeout_s=30, nursery=nursery
        )
        asking = asyncio.create_task(start)
        await asyncio.sleep(0)  # it has asked, and waits
        while not asking.done():
            asking.cancel()
            await asyncio.wait([asking], timeout=1)
    finally:
        os.kill(nursery.pid, signal.SIGCONT)
    async with session(nursery, tmp_path / "log") as server:
        assert is_forked(server, nursery)
        assert await echo(server) == "here"
        for child in psutil.Process(nursery.pid).children():
            if child.pid != server.pid:
                await gone(child.pid)


async def test_when_the_nursery_dies_its_servers_die_and_a_new_one_forks_the_next(
    tmp_path: Path,
) -> None:
    async with awkward_nursery(tmp_path) as nursery:
        async with session(nursery, tmp_path / "log") as server:
            first = nursery.pid
            assert first is not None
            os.kill(first, signal.SIGKILL)
            with pytest.raises(ServerUnavailable):
                await echo(server, "sleep")
            assert server.exited.is_set()
        async with session(nursery, tmp_path / "log") as server:
            assert nursery.pid != first
            assert is_forked(server, nursery)
            assert await echo(server) == "here"


async def test_a_stopped_nursery_is_waited_for_only_so_long_and_its_servers_live_on(
    tmp_path: Path,
) -> None:
    async with awkward_nursery(tmp_path, patience_s=0.2) as nursery:
        async with session(nursery, tmp_path / "log") as forked:
            assert nursery.pid is not None
            os.kill(nursery.pid, signal.SIGSTOP)
            async with session(nursery, tmp_path / "log") as server:
                assert not is_forked(server, nursery)
                assert [await echo(server), await echo(forked)] == ["here", "here"]
        stopped = nursery.pid
    await gone(stopped)


async def test_a_nursery_that_cannot_start_is_done_without(tmp_path: Path) -> None:
    async with awkward_nursery(tmp_path, "no.such.module") as nursery:
        async with session(nursery, tmp_path / "log") as server:
            assert await echo(server) == "here"
        assert nursery.pid is None
        with pytest.raises(NotForked):  # and is not tried again
            await refused(nursery, tmp_path)
        assert nursery.pid is None
    assert "No module named 'no'" in (tmp_path / "nursery.log").read_text()


async def test_a_process_that_was_begun_before_is_the_one_that_forks(tmp_path: Path) -> None:
    begun = begin({"PYTHONPATH": ROOT})
    async with awkward_nursery(tmp_path, begun=begun) as nursery:
        assert nursery.pid == begun.process.pid
        async with session(nursery, tmp_path / "log") as server:
            assert is_forked(server, nursery)
    assert begun.process.returncode == -signal.SIGKILL


async def test_one_that_was_begun_and_has_died_is_done_without(tmp_path: Path) -> None:
    begun = begin({"PYTHONPATH": ROOT})
    begun.process.kill()
    begun.process.wait()
    async with (
        awkward_nursery(tmp_path, begun=begun) as nursery,
        session(nursery, tmp_path / "log") as server,
    ):
        assert not is_forked(server, nursery)
        assert await echo(server) == "here"


def test_one_that_was_begun_and_is_told_nothing_ends_with_whoever_began_it() -> None:
    begun = begin({"PYTHONPATH": ROOT})
    begun.wire.close()
    assert begun.process.wait(60) == 0


async def refused(nursery: Nursery, tmp_path: Path) -> None:
    """Ask for a server that it does not have."""
    ear = Session("nobody")
    with (tmp_path / "refused").open("wb") as log:
        await nursery.fork(ServerSpec("hunter", {}), ear, log)


async def test_after_a_refusal_it_goes_on(nursery: Nursery, tmp_path: Path) -> None:
    with pytest.raises(NotForked):
        await refused(nursery, tmp_path)
    async with session(nursery, tmp_path / "log") as server:
        assert is_forked(server, nursery)


def test_nothing_unknown_nothing_beside_a_thread_and_nothing_without_its_descriptors_is_forked(
    tmp_path: Path,
) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs, (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "servers.common.nursery"],
            stdin=theirs, stdout=log, stderr=log, env={**os.environ, "PYTHONPATH": ROOT},
        )  # fmt: skip
        theirs.close()
        ours.settimeout(30)
        ours.send(THREADED.encode())
        asked = {(MODULE, 3): "KeyError", (THREADED, 2): "2 desc", (THREADED, 3): "one thread"}
        for (module, descriptors), why in asked.items():
            socket.send_fds(ours, [f"7 {module}".encode()], [log.fileno()] * descriptors)
            answer, fds, _, _ = socket.recv_fds(ours, 1024, 1)
            assert answer.startswith(b"7 0 ")
            assert why in answer.decode()
            assert fds == []
        assert psutil.Process(process.pid).children() == []
        ours.close()
        assert process.wait(30) == 0  # nobody can ask any more


async def test_a_killed_queen_takes_nursery_and_servers_with_her_even_stopped(
    tmp_path: Path,
) -> None:
    script = (
        "import asyncio, os, signal, sys\n"
        "from pathlib import Path\n"
        "from orchestrator.mcp_session import Session\n"
        "from tests.orchestrator.fakes.awkward import awkward, awkward_nursery\n"
        "async def main():\n"
        "    folder = Path(sys.argv[1])\n"
        "    async with awkward_nursery(folder) as nursery:\n"
        "        spec, log = awkward(SWARM_CHILD='1'), folder / 'log'\n"
        "        server = await Session.start(spec, log_file=log, timeout_s=30, nursery=nursery)\n"
        "        for pid in (server.pid, nursery.pid):\n"
        "            os.kill(pid, signal.SIGSTOP)\n"
        "        print(server.pid, nursery.pid, flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    queen = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(tmp_path),
        stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": ROOT},
    )  # fmt: skip
    assert queen.stdout is not None
    pids = [int(pid) for pid in (await queen.stdout.readline()).split()]
    assert len(pids) == 2
    queen.kill()
    await queen.wait()
    for pid in pids:
        for _ in range(1000):  # as a zombie, where nobody reaps orphans
            with suppress(psutil.NoSuchProcess):
                if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                    await asyncio.sleep(0.01)
                    continue
            break
        else:
            raise AssertionError(f"process {pid} outlives the queen")
