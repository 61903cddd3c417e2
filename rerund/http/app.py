"""The application: endpoints, limits, documentation and the one shape of every error."""

from typing import Any

from fastapi import FastAPI

from rerund import __version__
from rerund.http.backend import Backend
from rerund.http.docs_page import add_docs
from rerund.http.documented import without_own_errors
from rerund.http.errors import add_handlers
from rerund.http.limits import Limits
from rerund.http.once import Once
from rerund.http.routes import router
from rerund.http.start import HttpStart
from rerund.http.tokens import Tokens
from rerund.http.watch import Watch

DESCRIPTION = """\
What technicians, devices and viewers do with the reruns of a report.

Every answer that is not 2xx is `{"error": {"code", "message", "field"}}`. A POST may carry an
`Idempotency-Key`: sent again, it is answered as it was the first time.
"""


class Application(FastAPI):
    """FastAPI that documents what is answered, and not what FastAPI would answer by itself."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        if not self.openapi_schema:
            self.openapi_schema = without_own_errors(super().openapi())
        return self.openapi_schema


def make_app(start: HttpStart, backend: Backend, tokens: Tokens) -> FastAPI:
    """Return the application as it is configured."""
    app = Application(
        title="rerund",
        version=__version__,
        description=DESCRIPTION,
        openapi_url=f"{start.prefix}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.backend = backend
    app.state.tokens = tokens
    app.state.once = Once()
    add_handlers(app)
    app.include_router(router, prefix=start.prefix)
    add_docs(app, f"{start.prefix}/docs")
    app.add_middleware(Limits, max_body_bytes=start.max_body_bytes, max_requests=start.max_requests)
    app.add_middleware(Watch)
    return app
