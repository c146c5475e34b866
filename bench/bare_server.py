"""The peer: a server with one trivial tool, as the SDK's own documentation builds it.

Over stdio, or with a port number as its argument over HTTP.
"""

import sys

from mcp.server import MCPServer

server = MCPServer("bare")


@server.tool()
async def echo(text: str) -> str:
    """Give the text back."""
    return text


if __name__ == "__main__":
    if sys.argv[1:]:
        server.run("streamable-http", port=int(sys.argv[1]), stateless_http=True)
    else:
        server.run()
