"""The queen's conversation with one server process, spawned or forked: she cannot tell which."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import mcp
import psutil
import pytest
from mcp.client.stdio import StdioServerParameters

from guardrails.errors import ServerUnavailable
from orchestrator.mcp_session import Session, ToolFailed
from orchestrator.nursery import Nursery
from tests.mcp.failures import failure_of
from tests.orchestrator.fakes.awkward import ROOT, SERVER, awkward, awkward_nursery
from tests.orchestrator.fakes.awkward_server import DO, Do

pytestmark = [pytest.mark.anyio, pytest.mark.processes]
HARMLESS = {"HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "PATH", "SHELL", "TERM", "TZ", "USER"}
Open = Callable[..., AbstractAsyncContextManager[Session]]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module", params=["spawned", "forked"])
async def nursery(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Nursery | None]:
    if request.param == "spawned":
        yield None
        return
    async with awkward_nursery(tmp_path_factory.mktemp("nursery")) as started:
        yield started


@pytest.fixture
def session(nursery: Nursery | None, tmp_path: Path) -> Open:
    @asynccontextmanager
    async def open_session(**env: str) -> AsyncIterator[Session]:
        spec, log = awkward(**env), tmp_path / "log"
        started = await Session.start(spec, log_file=log, timeout_s=30, nursery=nursery)
        try:
            if nursery is not None:
                assert psutil.Process(started.pid).ppid() == nursery.pid
            yield started
        finally:
            await started.close()

    return open_session


async def assert_gone(pid: int) -> None:
    """The process ends within ten seconds (as a zombie, where nobody reaps orphans)."""
    for _ in range(200):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"process {pid} is still alive")


async def test_a_tool_answers_with_its_typed_result(session: Open) -> None:
    async with session() as server:
        answers = await asyncio.gather(
            *(server.call(DO, Do(what="echo", text=f"é{n}"), 10) for n in range(50))
        )
    assert [answer.text for answer in answers] == [f"é{n}" for n in range(50)]


async def test_the_child_sees_its_own_variables_and_no_others(
    session: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GHL_PROD_API_KEY", "of another process")
    async with session(MINE="1") as server:
        env = (await server.call(DO, Do(what="echo"), 10)).env
    assert env["MINE"] == "1"
    assert set(env) <= {"MINE", "PYTHONPATH", *HARMLESS}


async def test_a_structured_failure_keeps_its_code_and_retry_hint(session: Open) -> None:
    async with session() as server:
        with pytest.raises(ToolFailed) as caught:
            await server.call(DO, Do(what="fail"), 10)
    assert caught.value.failure.code == "vendor_unavailable"
    assert caught.value.failure.retryable
    assert caught.value.failure.retry_after_s == 3


async def test_an_unexpected_exception_is_masked_and_the_server_lives_on(session: Open) -> None:
    async with session() as server:
        with pytest.raises(ToolFailed) as caught:
            await server.call(DO, Do(what="crash"), 10)
        assert "secret detail" not in str(caught.value)
        assert (await server.call(DO, Do(what="echo", text="alive"), 10)).text == "alive"


async def test_sigkill_during_a_call_ends_the_call_at_once(session: Open) -> None:
    async with session() as server:
        with pytest.raises(ServerUnavailable, match="died during the call"):
            await server.call(DO, Do(what="die"), 30)
        assert server.exited.is_set()
        with pytest.raises(ServerUnavailable, match="not running"):
            await server.call(DO, Do(what="echo"), 30)


async def test_a_grandchild_that_holds_stdout_cannot_make_a_call_hang(
    session: Open, tmp_path: Path
) -> None:
    pid_file = tmp_path / "pid"
    async with session() as server:
        with pytest.raises(ServerUnavailable):
            await server.call(DO, Do(what="grandchild", text=str(pid_file)), 30)
    await assert_gone(int(pid_file.read_text()))


async def test_a_stray_print_does_not_spoil_the_protocol(session: Open, tmp_path: Path) -> None:
    async with session() as server:
        assert (await server.call(DO, Do(what="print", text="ok"), 10)).text == "ok"
    assert "not the protocol" in (tmp_path / "log").read_text()


async def test_a_hung_call_ends_at_its_time_limit_and_others_go_on(session: Open) -> None:
    async with session() as server:
        with pytest.raises(ServerUnavailable, match="did not answer"):
            await server.call(DO, Do(what="sleep"), 0.2)
        assert (await server.call(DO, Do(what="echo", text="next"), 10)).text == "next"


async def test_closing_ends_even_a_stopped_process(session: Open) -> None:
    async with session() as server:
        os.kill(server.pid, signal.SIGSTOP)
        await server.close(grace_s=0.2)
        assert server.exited.is_set()


async def test_a_server_that_cannot_start_is_a_clear_error(session: Open, tmp_path: Path) -> None:
    with pytest.raises(ServerUnavailable):
        async with session(REFUSE_TO_START="1"):
            pass
    assert "the moon" in (tmp_path / "log").read_text()


async def test_a_child_dies_with_its_parent_even_when_it_cannot_read_stdin(tmp_path: Path) -> None:
    script = (
        "import asyncio, os, signal, sys\n"
        "from pathlib import Path\n"
        "from orchestrator.mcp_session import Session\n"
        "from tests.orchestrator.fakes.awkward import awkward\n"
        "async def main():\n"
        "    spec, log = awkward(SWARM_CHILD='1'), Path(sys.argv[1])\n"
        "    server = await Session.start(spec, log_file=log, timeout_s=30)\n"
        "    os.kill(server.pid, signal.SIGSTOP)\n"
        "    print(server.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(tmp_path / "log"),
        stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": ROOT},
    )  # fmt: skip
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    parent.kill()
    await parent.wait()
    await assert_gone(child)


async def test_the_sdks_own_client_speaks_with_our_stdio_transport() -> None:
    parameters = StdioServerParameters(
        command=sys.executable, args=[str(SERVER)], env={"PYTHONPATH": ROOT}
    )
    async with mcp.Client(parameters) as client:
        tools = await client.list_tools()
        assert [tool.name for tool in tools.tools] == ["do"]
        result = await client.call_tool("do", {"what": "echo", "text": "hi"})
        assert result.structured_content["text"] == "hi"
        refused = await client.call_tool("do", {"what": "echo", "confirm": True})
        assert refused.is_error
        assert "confirm" in failure_of(refused)["message"]
