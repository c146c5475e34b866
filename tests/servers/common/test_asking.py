"""A tool that asks a person: only an answer to its own question counts, and every wait ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import mcp_types as types
import pytest
from mcp import Client
from mcp.server.lowlevel import Server
from pydantic import BaseModel, Field

from guardrails.errors import Refused
from servers.common.asking import Answer, AskingBinding, Question
from servers.common.contract import FAILURE_META, Args, Result, ToolSpec
from servers.common.toolserver import build

pytestmark = pytest.mark.anyio
ERAS = pytest.mark.parametrize("era", ["auto", "legacy"])


class Ask(Args):
    """What about."""

    about: str = Field(description="Anything.")


class Said(Result):
    """What was answered."""

    text: str


class Form(BaseModel):
    """One field."""

    text: str


SPEC = ToolSpec("ask_it", "Ask it", "Ask.", Ask, Said, read_only=False, timeout_s=5.0)


def server(
    ask: Callable[[Any], Awaitable[Question]] | None = None, wait_s: float = 5.0
) -> Server[Any]:
    """One tool that asks and says what was answered to which question."""

    async def simply(args: Ask) -> Question:
        return Question(f"About {args.about}?", Form, args.about)

    async def answered(_args: Ask, answer: Answer) -> Said:
        said = answer.content.text if isinstance(answer.content, Form) else answer.action
        return Said(text=f"{answer.about}: {said}")

    binding = AskingBinding(SPEC, ask or simply, answered, Form, "Ask elsewhere.", wait_s)
    return build("asker", "Asks.", (binding,), state_key=b"k" * 32)


async def failing(client: Client) -> dict[str, Any]:
    """How the call fails."""
    result = await client.call_tool("ask_it", {"about": "tea"})
    assert result.is_error
    assert result.meta is not None
    found: dict[str, Any] = result.meta[FAILURE_META]
    return found


def test_a_server_that_asks_needs_a_key_to_seal_with() -> None:
    async def nobody(*_args: Any) -> Any:
        raise AssertionError

    with pytest.raises(ValueError, match="state_key"):
        build("asker", "", (AskingBinding(SPEC, nobody, nobody, Form, ""),))


@ERAS
async def test_the_answer_comes_back_with_what_it_is_about(era: Any) -> None:
    async def put(_ctx: Any, params: Any) -> types.ElicitResult:
        assert params.message == "About tea?"
        return types.ElicitResult(action="accept", content={"text": "yes"})

    async with Client(server(), mode=era, elicitation_callback=put) as client:
        done = await client.call_tool("ask_it", {"about": "tea"})
    assert done.structured_content == {"text": "tea: yes"}


@ERAS
async def test_what_cannot_be_asked_is_told_before_anybody_is(era: Any) -> None:
    async def ask(_args: Ask) -> Question:
        raise Refused("nothing is to be asked", remedy="Look.")

    async def put(_ctx: Any, _params: Any) -> types.ElicitResult:
        pytest.fail("nobody may be asked")

    async with Client(server(ask), mode=era, elicitation_callback=put) as client:
        assert (await failing(client))["message"] == "nothing is to be asked"


async def test_somebody_who_never_answers_holds_the_call_for_a_bounded_time() -> None:
    async def put(_ctx: Any, _params: Any) -> types.ElicitResult:
        await asyncio.Event().wait()
        raise AssertionError

    async with Client(server(wait_s=0.05), mode="legacy", elicitation_callback=put) as client:
        told = await failing(client)
    assert (told["code"], "in time" in told["message"]) == ("refused", True)


async def test_a_client_that_cannot_put_the_question_after_all_is_told_where_else() -> None:
    async def put(_ctx: Any, _params: Any) -> types.ErrorData:
        return types.ErrorData(code=-32603, message="no window")

    async with Client(server(), mode="legacy", elicitation_callback=put) as client:
        assert (await failing(client))["remedy"] == "Ask elsewhere."


async def test_an_answer_of_another_kind_is_none() -> None:
    async def put(_ctx: Any, _params: Any) -> types.ElicitResult:
        raise AssertionError

    async with Client(server(), elicitation_callback=put) as client:
        arguments = {"about": "tea"}
        asked = await client.session.call_tool("ask_it", arguments, allow_input_required=True)
        assert isinstance(asked, types.InputRequiredResult)
        done = await client.session.call_tool(
            "ask_it",
            arguments,
            input_responses={"answer": types.ListRootsResult(roots=[])},
            request_state=asked.request_state,
        )
    assert isinstance(done, types.CallToolResult)
    assert done.is_error
