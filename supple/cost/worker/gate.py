"""What every request passes before anything of it is read: its token, its version, and the size that it announces."""

import hmac
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from fastapi.responses import JSONResponse

from supple.cost.request import PROTOCOL, PROTOCOL_HEADER

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_MOST_DIGITS = 18


class Gate:
    """Middleware that refuses requests by their headers alone; their bodies are not read then.

    `largest`: how many bytes the body of a request may have, by method; of other methods none.
    """

    def __init__(self, app: App, token: str, largest: Mapping[str, int]) -> None:
        self._app = app
        self._authorization = f"Bearer {token}".encode()
        self._largest = largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http" and (refusal := self._refusal(scope)):
            await refusal(scope, receive, send)
        elif scope["type"] in ("http", "lifespan"):
            await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers = dict(scope["headers"])
        # In constant time: how long it takes tells nothing about how much of the token is right.
        if not hmac.compare_digest(headers.get(b"authorization", b""), self._authorization):
            return refuse(401, "the token is wrong", {"WWW-Authenticate": "Bearer"})
        version = headers.get(PROTOCOL_HEADER.lower().encode(), b"")
        if version != str(PROTOCOL).encode():
            return refuse(
                426, f"this worker speaks version {PROTOCOL} of the protocol: install the same supple on both"
            )
        most = self._largest.get(scope["method"], 0)
        length = headers.get(b"content-length", b"" if most else b"0")
        if not length.isdigit() or len(length) > _MOST_DIGITS or b"transfer-encoding" in headers:
            return refuse(411, "the request does not say how long it is")
        if int(length) > most:
            return refuse(413, f"it is larger than the {most} bytes that this worker takes")
        return None


def refuse(status: int, reason: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return the response that says why a request is refused; what remains of the request is not read."""
    return JSONResponse({"reason": reason}, status, {"Connection": "close", **(headers or {})})
