"""The peer: a Starlette route that reads the body and answers 200, as its documentation has it."""

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route


async def hook(request: Request) -> PlainTextResponse:
    """Take the body."""
    await request.body()
    return PlainTextResponse("OK\n")


app = Starlette(routes=[Route("/hook", hook, methods=["POST"])])

if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="critical", access_log=False)
