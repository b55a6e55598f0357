"""The service as an ASGI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from skinseg.formatting import counted
from skinseg.inference.predictor import Predictor
from skinseg.serving import metrics
from skinseg.serving.intake import BINARY, FIELD, FORM, IMAGE_TYPES
from skinseg.serving.limits import Limits
from skinseg.serving.page import POLICY, page
from skinseg.serving.problems import MEDIA_TYPE, Problem
from skinseg.serving.schema import NOTICE, Answer, Health, ProblemDetails
from skinseg.serving.service import Service
from skinseg.version import __version__

_REFUSED = {
    400: "The form or the address cannot be read.",
    406: "The answer cannot be had in an accepted media type.",
    408: "The request did not arrive in time.",
    413: "An image or the request is too large, or there are too many images.",
    415: "The body is neither a form nor an image, or of a format that is not read.",
    422: "An image is empty, damaged, or no single image.",
    500: "The network failed.",
    503: "Too many requests are being answered, or there was no mask in time; try again.",
}


def create_app(predictor: Predictor, limits: Limits | None = None) -> FastAPI:
    """Return an application that answers with masks, for any ASGI server.

    ``POST /predict`` takes images, ``GET /health`` and ``GET /metrics`` are for whoever runs the
    service, ``/docs`` describes them, and ``/openapi.json`` does so for programs. Nothing of an
    image is logged or kept, and nothing is loaded from elsewhere.

    Args:
        predictor: Segments the images. Its ``batch_size`` is that of the network's batches, its
            ``workers`` the number of threads that read images.
        limits: What a client may ask for; ``Limits()`` if None.

    Example:
        >>> import skinseg
        >>> network = skinseg.create_model("malunet")  # untrained; its name gives trained weights
        >>> app = create_app(skinseg.Predictor(network), Limits(max_images=4))
        >>> sorted(app.openapi()["paths"])
        ['/health', '/predict']
    """
    service = Service(predictor, limits or Limits())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service.batcher:
            yield

    app = FastAPI(
        title="skinseg",
        version=__version__,
        description=f"Outlines skin lesions in images. {NOTICE}",
        lifespan=lifespan,
        # FastAPI's own pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
    )
    app.add_exception_handler(HTTPException, _problem)
    app.add_api_route(
        "/predict",
        service.predict,
        methods=["POST"],
        summary="Segment one image, or several",
        description="The answer is JSON, or the mask of one image as PNG (255 lesion, 0 skin), as "
        "the header Accept asks. If an image cannot be used, no image of its request is answered.",
        response_model=None,
        responses=_responses(),
        openapi_extra={"requestBody": _request_body(service.limits)},
    )
    _add_pages(app, service)
    return app


def _add_pages(app: FastAPI, service: Service) -> None:
    """Add what is there beside the masks."""

    @app.get(
        "/health",
        summary="Does the service take images?",
        response_description="It does.",
        responses={503: {"description": "It does not.", "model": Health}},
    )
    async def health(response: Response) -> Health:
        running = service.batcher.running
        response.status_code = 200 if running else 503
        return Health(status="ok" if running else "stopped", model=service.model)

    @app.get("/metrics", include_in_schema=False)
    async def figures() -> Response:
        return Response(service.metrics.page(), media_type=metrics.MEDIA_TYPE)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(page(app.openapi()), headers={"Content-Security-Policy": POLICY})


async def _problem(request: Request, error: Exception) -> Response:
    """Answer in the one form of all errors where there is no such address or method."""
    assert isinstance(error, HTTPException)
    detail = f"{request.method} {request.url.path[:100]}: {error.detail}; see /docs"
    return Problem(error.status_code, detail, error.headers).response()


def _request_body(limits: Limits) -> dict[str, Any]:
    image = {"type": "string", "format": "binary"}
    images = {"type": "array", "items": image, "minItems": 1, "maxItems": limits.max_images}
    form = {"type": "object", "properties": {FIELD: images}, "required": [FIELD]}
    return {
        "required": True,
        "description": f"A form with up to {counted(limits.max_images, 'image')} in fields named "
        f"'{FIELD}', or one image as the body. An image has at most {limits.max_bytes:,} bytes and "
        f"{limits.max_pixels:,} pixels, the request at most {limits.max_request_bytes:,} bytes.",
        "content": {
            FORM: {"schema": form},
            **{kind: {"schema": image} for kind in (*IMAGE_TYPES, BINARY)},
        },
    }


def _responses() -> dict[int | str, dict[str, Any]]:
    mask = {"schema": {"type": "string", "format": "binary"}}
    masks = {"model": Answer, "content": {"image/png": mask}, "description": "The masks."}
    problem = {"schema": ProblemDetails.model_json_schema()}
    refused: dict[int | str, dict[str, Any]] = {
        status: {"description": text, "content": {MEDIA_TYPE: problem}}
        for status, text in _REFUSED.items()
    }
    return {200: masks, **refused}
