"""The worker's three requests over HTTP: what it is, a program for it, and a measurement.

Every request carries the token and the version of the protocol. Answers are JSON; a measurement's are lines of JSON,
the messages of the measuring process as they come.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Literal

import pydantic
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from supple import __version__
from supple.cost import request as asked
from supple.cost.latency import Effort
from supple.cost.patience import DEFAULT_LIMITS, Limits
from supple.cost.worker.gate import Gate, refuse
from supple.cost.worker.measuring import Measurer
from supple.cost.worker.program_store import ProgramStore, UploadError
from supple.errors import SuppleError, first_line
from supple.machine import describe_machine
from supple.runtime.program import Format
from supple.runtime.runtimes import BACKENDS
from supple.runtime.target import PLACES, Target, parse_target
from supple.storage.json_files import parse_json

_LARGEST_REQUEST = 2**20
_UPLOAD_SECONDS = 300.0
_FORMATS = (Format.ONNX, Format.EXECUTORCH)


@dataclass(frozen=True)
class WorkerSettings:
    """What a worker allows: the size of one program, of all that it keeps, and what a measuring process may take."""

    token: str
    largest_program_bytes: int = 2**29
    kept_bytes: int = 2**32
    limits: Limits = DEFAULT_LIMITS


_Digest = Annotated[str, pydantic.StringConstraints(pattern=r"\A[0-9a-f]{64}\z")]
_Finite = pydantic.Field(allow_inf_nan=False)


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", strict=True)


class _Effort(_Strict):
    precision: Annotated[float, _Finite, pydantic.Field(ge=0)]
    min_rounds: Annotated[int, pydantic.Field(ge=1, le=100_000)]
    max_seconds: Annotated[float, _Finite, pydantic.Field(ge=0, le=3600)]
    seed: int


class _Measurement(_Strict):
    kind: Literal["measure"]
    protocol: int
    identity: Annotated[str, pydantic.StringConstraints(pattern=r"\A[0-9a-f]{16}\z")]
    target: Annotated[str, pydantic.StringConstraints(max_length=200)]
    reference: _Digest | None
    programs: Annotated[list[_Digest], pydantic.Field(min_length=1, max_length=1024)]
    effort: _Effort
    reference_ms: Annotated[float, _Finite, pydantic.Field(gt=0)] | None
    quantity: Literal["latency", "energy"]


def make_app(settings: WorkerSettings) -> FastAPI:
    """Return the worker as a web application."""
    store = ProgramStore(settings.kept_bytes)
    measurer = Measurer(settings.limits)

    @asynccontextmanager
    async def until_the_end(_: FastAPI) -> AsyncIterator[None]:
        yield
        measurer.close()
        store.close()

    app = FastAPI(
        lifespan=until_the_end,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        # Nothing that happens here is reported anywhere, whatever the environment says.
        telemetry={"auto_configure": False, "tracing": False, "metrics": False, "logs": False},
    )
    largest = {"PUT": settings.largest_program_bytes, "POST": _LARGEST_REQUEST}
    app.add_middleware(Gate, token=settings.token, largest=largest)

    @app.exception_handler(SuppleError)
    async def refused(_: Request, error: Exception) -> JSONResponse:
        return refuse(422, str(error))

    @app.exception_handler(OSError)
    async def failed(_: Request, error: Exception) -> JSONResponse:
        return refuse(507, first_line(error))

    @app.get("/device")
    async def device(target: str | None = None) -> JSONResponse:
        version = None if target is None else await measurer.runtime_version(_target(target))
        return JSONResponse(
            {
                "supple": __version__,
                "machine": describe_machine().to_json(),
                "targets": _missing(),
                "runtime_version": version,
            }
        )

    @app.put("/programs/{digest}")
    async def program(digest: str, request: Request) -> Response:
        try:
            async with asyncio.timeout(_UPLOAD_SECONDS), measurer.turn:
                await store.add(digest, request.stream(), settings.largest_program_bytes)
        except UploadError as error:
            return refuse(400, str(error))
        except TimeoutError:
            return refuse(503, "other measurements go first", {"Retry-After": "1"})
        return Response(status_code=204)

    @app.post("/measurements")
    async def measurement(request: Request) -> Response:
        asked_for = _request(await request.body())
        if wanted := store.lacking(asked_for.digests):
            return JSONResponse({"wanted": wanted, "largest_bytes": settings.largest_program_bytes}, 409)
        lines = (json.dumps(message) + "\n" async for message in measurer.messages(asked_for, store.content))
        return StreamingResponse(lines, media_type="application/x-ndjson")

    return app


def _missing() -> dict[str, str | None]:
    """Return why each target that a worker may measure is not available, None where it is."""
    return {
        place: BACKENDS[runtime].missing(device)
        for place, (runtime, device) in PLACES.items()
        if runtime in BACKENDS and BACKENDS[runtime].format in _FORMATS
    }


def _target(address: str) -> Target:
    target = parse_target(address)
    if target.worker is not None:
        raise SuppleError("A worker does not ask further workers.")
    if target.place not in _missing():
        raise SuppleError(f'A worker measures ONNX and ExecuTorch programs only, not "{target.place}".')
    if target.threads > (cores := describe_machine().logical_cores):
        raise SuppleError(f'"{target}" asks for {target.threads} threads; the worker has {cores} cores.')
    return target


def _request(body: bytes) -> asked.Request:
    try:
        content = _Measurement.model_validate(parse_json(body, "The request"))
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise SuppleError(f"The request is not valid: {place}: {first['msg']}.") from None
    return asked.Request(
        _target(content.target),
        content.reference,
        tuple(content.programs),
        Effort(**content.effort.model_dump()),
        content.reference_ms,
        content.identity,
        asked.Quantity(content.quantity),
    )
