"""Asking the person at the client, in both eras of the protocol. Owns: that only an answer counts.

A tool that asks is an `AskingBinding`: `ask` says what is asked, `answered` does what the answer
says. Since 2026-07-28 the question is the result of the call, and the client calls again with the
answer; before, it is a request of ours while the call is under way. Either way the answer is taken
from where the protocol puts a person's answer and never from an argument.

What the question was about travels as sealed state (`mcp.server.request_state`): encrypted, of
this server and these arguments, for a quarter of an hour. So an answer without its question is no
answer, and a forged or edited state is refused before anything here runs. Refuses a client that
does not say it can ask. That the client really asked somebody is its word, and cannot be proved.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

import anyio
import mcp_types as types
from mcp.server.elicitation import render_elicitation_schema
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.shared.exceptions import MCPError
from mcp_types.version import is_version_at_least
from pydantic import BaseModel, ValidationError

from guardrails.config.loader import describe
from guardrails.errors import BadInput, Refused
from servers.common import limits
from servers.common.contract import ToolSpec

_IN_THE_RESULT = "2026-07-28"  # from this revision on the question is a result
_KEY = "answer"
SEALED_FOR_S = 900.0


@dataclass(frozen=True)
class Question:
    """What a person is asked.

    Args:
        message: all that they need to answer.
        form: flat model of the answer: texts, numbers, booleans, choices.
        about: what the answer will be applied to; it comes back with it, unchanged.
    """

    message: str
    form: type[BaseModel]
    about: str


@dataclass(frozen=True)
class Answer:
    """What came back. `content` is the form filled in, None unless accepted.

    Args:
        about: the question's.
        question_id: of this one question; another asking has another one.
    """

    action: Literal["accept", "decline", "cancel"]
    content: BaseModel | None
    about: str
    question_id: str


@dataclass(frozen=True)
class AskingBinding:
    """A tool that asks a person before it does anything.

    Args:
        form: of every question it asks.
        elsewhere: where to answer instead, for a client that cannot ask.
        wait_s: how long a question stays open in the older era.
    """

    spec: ToolSpec[Any, Any]
    ask: Callable[[Any], Awaitable[Question]]
    answered: Callable[[Any, Answer], Awaitable[BaseModel]]
    form: type[BaseModel]
    elsewhere: str
    wait_s: float = 600.0

    async def run(
        self, args: Any, ctx: Any, params: types.CallToolRequestParams
    ) -> BaseModel | types.InputRequiredResult:
        """The tool's result, or the question that has to be answered first.

        Raises:
            Refused: the client cannot ask, or nobody answered in time.
            BadInput: what came back is no answer to this question.
        """
        if not is_version_at_least(ctx.protocol_version, _IN_THE_RESULT):
            return await _while_it_runs(self, args, ctx)
        given = (params.input_responses or {}).get(_KEY)
        if given is None or params.request_state is None:
            return await _asked(self, args, ctx)
        about, question_id = _sealed(params.request_state)
        return await _apply(self, args, _answer(self, given, about, question_id))


def sealing(server: str, key: bytes) -> RequestStateBoundary:
    """The middleware without which no state may be believed.

    Args:
        key: 32 secret bytes, the same in every replica of the server.
    """
    security = RequestStateSecurity(keys=[key], ttl=SEALED_FOR_S)
    return RequestStateBoundary(security, default_audience=server)


async def _asked(binding: AskingBinding, args: Any, ctx: Any) -> types.InputRequiredResult:
    _can_ask(binding, ctx)
    question = await limits.in_time(binding.spec, binding.ask(args))
    state = json.dumps({"about": question.about, "id": secrets.token_hex(16)})
    return types.InputRequiredResult(
        input_requests={_KEY: types.ElicitRequest(params=_form(question))}, request_state=state
    )


async def _while_it_runs(binding: AskingBinding, args: Any, ctx: Any) -> BaseModel:
    _can_ask(binding, ctx)
    if not ctx.session.can_send_request:
        raise Refused("on this connection the server cannot ask anybody", remedy=binding.elsewhere)
    question = await limits.in_time(binding.spec, binding.ask(args))
    form = _form(question)
    try:
        with anyio.fail_after(binding.wait_s):
            given = await ctx.session.elicit_form(
                form.message, form.requested_schema, related_request_id=ctx.request_id
            )
    except TimeoutError as error:
        raise Refused("nobody answered in time: nothing was done", remedy="Ask again.") from error
    except (MCPError, ValidationError) as error:
        raise Refused(
            "the client could not put the question: nothing was done", remedy=binding.elsewhere
        ) from error
    answer = _answer(binding, given, question.about, secrets.token_hex(16))
    return await _apply(binding, args, answer)


async def _apply(binding: AskingBinding, args: Any, answer: Answer) -> BaseModel:
    return await limits.in_time(binding.spec, binding.answered(args, answer))


def _can_ask(binding: AskingBinding, ctx: Any) -> None:
    """A bare `elicitation: {}` is a form, as it was before there were modes."""
    said = ctx.session.client_capabilities
    found = said.elicitation if said is not None else None
    if found is None or (found.form is None and found.url is not None):
        raise Refused(
            "this client does not say that it can ask a person (elicitation): nothing was done",
            remedy=binding.elsewhere,
        )


def _form(question: Question) -> types.ElicitRequestFormParams:
    schema = render_elicitation_schema(question.form)
    return types.ElicitRequestFormParams(message=question.message, requested_schema=schema)


def _sealed(state: str) -> tuple[str, str]:
    """What we sealed; the boundary has opened it, so that it is ours."""
    try:
        found = json.loads(state)
        return str(found["about"]), str(found["id"])
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput("the question of this answer is not known here") from error


def _answer(binding: AskingBinding, given: Any, about: str, question_id: str) -> Answer:
    if not isinstance(given, types.ElicitResult):
        raise BadInput("this is no answer of a person", remedy="Call again without one.")
    if given.action != "accept":
        return Answer(given.action, None, about, question_id)
    try:
        content = binding.form.model_validate(given.content or {})
    except ValidationError as error:
        raise BadInput(
            f"the answer cannot be used: {describe(error)}; nothing was done",
            remedy="Call again; the person is asked again.",
        ) from error
    return Answer("accept", content, about, question_id)
