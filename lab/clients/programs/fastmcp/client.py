"""FastMCP with its OAuth helper, which opens the browser by itself and listens for the answer.

Settings are environment variables: MCP_URL, LAB_USER (the command of the user), PROTOCOL, CLIENT_ID_DOCUMENT, WAIT (seconds).
"""
import asyncio
import os
import sys

os.environ["BROWSER"] = os.environ["LAB_USER"] + " %s &"

from fastmcp import Client
from fastmcp.client.auth import OAuth

DOCUMENT = os.environ.get("CLIENT_ID_DOCUMENT")
WAIT = float(os.environ.get("WAIT", "0"))
# It has no setting for a version that has a handshake: it asks for the newest one.
MODE = "legacy" if os.environ["PROTOCOL"].startswith("2025") else os.environ["PROTOCOL"]


async def story():
    oauth = OAuth(**({"client_metadata_url": DOCUMENT, "callback_port": 33418} if DOCUMENT else {}))
    async with Client(os.environ["MCP_URL"], auth=oauth, mode=MODE) as client:
        await client.list_tools()
        await client.call_tool("whoami", {})
        await client.call_tool("add-note", {"text": "Buy milk"})
        if WAIT:
            await asyncio.sleep(WAIT)
            await client.call_tool("whoami", {})


try:
    asyncio.run(asyncio.wait_for(story(), 90))
except BaseException as error:
    causes = [error]
    while isinstance(causes[-1], BaseExceptionGroup):
        causes.append(causes[-1].exceptions[0])
    sys.exit(f"{type(causes[-1]).__name__}: {str(causes[-1])[:500]}")
