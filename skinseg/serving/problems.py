"""Requests that are refused, answered as RFC 9457 has it."""

from collections.abc import Mapping
from http import HTTPStatus

from fastapi.responses import JSONResponse

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):
    """A request cannot be answered.

    Args:
        status: HTTP status.
        detail: What was wrong, with which value, and what to do, for the client's user.
        headers: Further headers of the answer.

    Example:
        >>> Problem(415, "text/plain is no image; send a JPEG or PNG file").response().body
        b'{"type":"about:blank","title":"Unsupported Media Type","status":415,"detail":"text/...
    """

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = dict(headers or {})

    def response(self) -> JSONResponse:
        """Return the answer."""
        content = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": str(self),
        }
        return JSONResponse(content, self.status, self.headers, MEDIA_TYPE)
