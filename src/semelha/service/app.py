"""`create_app`: the server as an ASGI application."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
from fastapi import Depends, FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from semelha._version import __version__
from semelha.errors import GalleryMoved
from semelha.service import compreface
from semelha.service.access import Access
from semelha.service.context import Context
from semelha.service.dependencies import named_gallery
from semelha.service.galleries import Galleries
from semelha.service.idempotency import Idempotency
from semelha.service.jobs import Jobs
from semelha.service.limits import Limits
from semelha.service.metrics import Metrics
from semelha.service.openapi import describe, operation_id
from semelha.service.paths import GALLERY
from semelha.service.problems import add_handlers, problem_response
from semelha.service.routes import ROUTERS, docs, page, system
from semelha.service.settings import Settings
from semelha.service.state import State
from semelha.service.streams import Streams
from semelha.service.temporary import remove_abandoned
from semelha.service.traces import Traces

PREFIXES = ("/api/v1", GALLERY)
"""Where the endpoints of a gallery are: of the first one, and of the one that is named."""
NO_TELEMETRY: Any = dict.fromkeys(("tracing", "metrics", "logs", "operation_spans", "auto_configure"), False)
"""That of FastAPI has the paths of requests, with names of subjects; `Traces` has its own spans."""
DESCRIPTION = "Names the subject that a picture shows, or says that it is unknown. See docs/service.md."


def create_app(settings: Settings) -> FastAPI:
    """Open the galleries, and make the application that serves them; its shutdown closes them.

    Without `settings.state` it forgets answers and jobs when it ends. Raises `UsageError` if no gallery is named or two
    have one name, `SemelhaError` if the state cannot be kept, and the errors of `Gallery`.
    """
    metrics = Metrics()
    state = State(settings.state)
    jobs = Jobs(state, settings.max_jobs, metrics)
    try:
        galleries = Galleries(settings, metrics, state)
    except BaseException:
        state.close()
        raise
    app = FastAPI(
        title="semelha",
        version=__version__,
        description=DESCRIPTION,
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=operation_id,
        telemetry=NO_TELEMETRY,
    )
    app.state.settings, app.state.metrics, app.state.galleries = settings, metrics, galleries
    app.state.jobs, app.state.shared = jobs, state
    app.state.streams, app.state.checking = Streams(jobs, settings.max_streams, metrics), asyncio.Lock()
    describe(app)
    add_handlers(app)
    app.add_exception_handler(GalleryMoved, _reopen)
    app.add_middleware(Idempotency, state=state)
    app.add_middleware(Limits, settings=settings, metrics=metrics)
    app.add_middleware(Access, settings=settings, metrics=metrics, state=state)
    app.add_middleware(Traces)
    app.add_middleware(Context, metrics=metrics)  # the last one is the outermost
    for router in (system.router, docs.router, page.router):
        app.include_router(router)
    if settings.compreface:
        compreface.add_to(app)
    for prefix in PREFIXES:
        dependencies = [Depends(named_gallery)] if "{" in prefix else []
        for each in ROUTERS:
            app.include_router(each, prefix=prefix, dependencies=dependencies)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    anyio.to_thread.current_default_thread_limiter().total_tokens = settings.threads
    threading.Thread(target=remove_abandoned, args=(settings.temporary,), daemon=True).start()
    app.state.galleries.watch()
    yield
    await run_in_threadpool(app.state.jobs.close)
    await run_in_threadpool(app.state.galleries.close)
    await run_in_threadpool(app.state.shared.close)


async def _reopen(request: Request, error: Exception) -> Response:
    """Open the gallery again that was replaced: the client sends the request again after a second."""
    await run_in_threadpool(request.app.state.galleries.reopen)
    return problem_response(error, request.scope)
