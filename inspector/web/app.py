"""The web application: addresses, what a browser may do with the pages, errors as pages.

Every request reads; only GET and HEAD are answered.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from ...errors import MaieuticError, printable
from ..index_file import cache_folder, forget_gone
from . import assets, events, machine, overview, question, questions, run, transcript, weaknesses
from .rendering import page
from .runs import Runs

OURS = ("127.0.0.1", "localhost", "[::1]")
"""Names by which a page is asked for on this machine. Another one is a stranger's that was pointed here."""

_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_PAGES: tuple[APIRouter, ...] = (
    run.router,
    questions.router,
    question.router,
    transcript.router,
    weaknesses.router,
    machine.router,
    events.router,
)


def application(path: Path, hosts: Sequence[str] = OURS, cache: Path | None = None) -> FastAPI:
    """The inspector of the runs in a folder.

    Args:
        hosts: names by which it may be asked for.
        cache: where indexes are kept; the user's cache if left out.
    """
    runs = Runs(path, cache)

    @contextlib.asynccontextmanager
    async def alive(_: FastAPI) -> AsyncIterator[None]:
        forget_gone(cache or cache_folder())
        threading.Thread(target=machine.prepare, daemon=True).start()
        yield
        runs.close()

    made = FastAPI(title="Maieutic", docs_url=None, redoc_url=None, openapi_url=None, lifespan=alive)
    made.state.runs = runs
    made.include_router(assets.router)
    made.include_router(overview.router)
    for router in _PAGES:
        made.include_router(router, prefix="/run/{name}")
        made.include_router(router, prefix="/compared/{grid}/{name}")
    _answer_head(made)
    made.add_exception_handler(HTTPException, _refused)
    made.add_exception_handler(RequestValidationError, _not_understood)
    made.add_exception_handler(MaieuticError, _failed)
    made.add_middleware(GZipMiddleware, minimum_size=2000, compresslevel=3)
    # What is asked for is compared in small letters.
    named = [host.lower() for host in hosts]
    made.add_middleware(TrustedHostMiddleware, allowed_hosts=named, www_redirect=False)
    made.middleware("http")(_with_headers)
    return made


def _answer_head(made: FastAPI) -> None:
    """HEAD where there is GET; but for events, which would go on sending nothing."""
    for route in made.routes:
        if isinstance(route, APIRoute) and not route.path.endswith("/events"):
            route.methods.add("HEAD")


async def _with_headers(request: Request, follow: Callable[[Request], Awaitable[Response]]) -> Response:
    # A page of a stranger may not have its visitor's browser look around here.
    if (
        request.headers.get("sec-fetch-site") == "cross-site"
        and request.headers.get("sec-fetch-mode") != "navigate"
    ):
        return Response("asked for by another site", 403, headers=_HEADERS)
    try:
        answer = await follow(request)
    except Exception as error:  # whatever a damaged or a foreign file of a run makes of a page
        logging.getLogger("uvicorn.error").exception("%s could not be shown", request.url.path)
        answer = _not_shown(error)
    for name, value in _HEADERS.items():
        answer.headers.setdefault(name, value)
    return answer


def _not_shown(error: Exception) -> HTMLResponse:
    what = printable(f"{type(error).__name__}: {error}")[:300]
    said = (
        f"This page cannot be shown: something in the folder is not as maieutic writes it, or went ({what})"
    )
    return page("error.jinja", 500, said=said, run=None)


async def _refused(_: Request, error: Exception) -> HTMLResponse:
    assert isinstance(error, HTTPException)
    return page("error.jinja", error.status_code, said=str(error.detail), run=None)


async def _not_understood(_: Request, error: Exception) -> HTMLResponse:
    assert isinstance(error, RequestValidationError)
    named = ", ".join(str(one["loc"][-1])[:40] for one in error.errors())
    return page(
        "error.jinja", 400, said=f"the address says something for {named} that cannot be read", run=None
    )


async def _failed(_: Request, error: Exception) -> HTMLResponse:
    return page("error.jinja", 500, said=str(error), run=None)
