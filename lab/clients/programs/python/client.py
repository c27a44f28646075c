"""The official Python SDK, 1.x or 2.x, through the whole story: connect, call, step up, call again after the token expired.

Settings are environment variables: MCP_URL, LAB_USER (the command of the user), PROTOCOL, CLIENT_ID_DOCUMENT, WAIT (seconds).
"""
import asyncio
import os
import shlex
import subprocess
import sys
from importlib.metadata import version
from urllib.parse import parse_qs, urlparse

from mcp.client.auth import OAuthClientProvider, TokenStorage
from mcp.shared.auth import OAuthClientMetadata

URL = os.environ["MCP_URL"]
PROTOCOL = os.environ["PROTOCOL"]
WAIT = float(os.environ.get("WAIT", "0"))
DOCUMENT = os.environ.get("CLIENT_ID_DOCUMENT")
IS_VERSION_2 = version("mcp").startswith("2.")


class Storage(TokenStorage):
    tokens = None
    client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


class User:
    answer: dict = {}

    async def open(self, url):
        command = [*shlex.split(os.environ["LAB_USER"]), "--stop", url]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr)
        self.answer = {key: values[0] for key, values in parse_qs(urlparse(done.stdout.strip()).query).items()}

    async def returned(self):
        if not IS_VERSION_2:
            return self.answer.get("code"), self.answer.get("state")
        from mcp.shared.auth import AuthorizationCodeResult

        return AuthorizationCodeResult(
            code=self.answer.get("code"), state=self.answer.get("state"), iss=self.answer.get("iss")
        )


def provider():
    user = User()
    metadata = OAuthClientMetadata(
        client_name="Python",
        redirect_uris=["http://127.0.0.1:33418/callback"],
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
        token_endpoint_auth_method="none",
    )
    extra = {"client_metadata_url": DOCUMENT} if DOCUMENT else {}
    return OAuthClientProvider(URL, metadata, Storage(), user.open, user.returned, **extra)


async def story(session):
    await session.list_tools()
    await session.call_tool("whoami", {})
    await session.call_tool("add-note", {"text": "Buy milk"})
    if WAIT:
        await asyncio.sleep(WAIT)
        await session.call_tool("whoami", {})


async def with_version_2():
    import httpx2
    import mcp.client.session as sessions
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    mode = PROTOCOL
    if PROTOCOL.startswith("2025"):
        sessions.LATEST_HANDSHAKE_VERSION = PROTOCOL
        mode = "legacy"
    async with httpx2.AsyncClient(auth=provider(), timeout=30) as http:
        async with Client(streamable_http_client(URL, http_client=http), mode=mode) as client:
            await story(client)


async def with_version_1():
    import httpx
    import mcp.types
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    mcp.types.LATEST_PROTOCOL_VERSION = PROTOCOL
    async with httpx.AsyncClient(auth=provider(), timeout=30, follow_redirects=True) as http:
        async with streamable_http_client(URL, http_client=http) as streams:
            async with ClientSession(streams[0], streams[1]) as session:
                await session.initialize()
                await story(session)


try:
    asyncio.run(asyncio.wait_for(with_version_2() if IS_VERSION_2 else with_version_1(), 90))
except BaseException as error:
    causes = [error]
    while isinstance(causes[-1], BaseExceptionGroup):
        causes.append(causes[-1].exceptions[0])
    sys.exit(f"{type(causes[-1]).__name__}: {str(causes[-1])[:500]}")
