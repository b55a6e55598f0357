"""What answers look like, for the service's clients and its OpenAPI document."""

from typing import Annotated

from pydantic import BaseModel, Field

NOTICE = (
    "For research. Not a medical device. A mask says where a network sees a lesion, never what it "
    "is."
)

Point = tuple[float, float]


class Outline(BaseModel):
    """A connected part of a mask; x and y in pixels from the upper left corner of the image."""

    outer: Annotated[list[Point], Field(description="Points (x, y), clockwise as it is seen.")]
    holes: Annotated[list[list[Point]], Field(description="The same for each hole.")]


class RunLengthMask(BaseModel):
    """A mask as COCO's annotations have it."""

    size: Annotated[list[int], Field(description="Height and width of the image.")]
    counts: Annotated[str, Field(description="Compressed run lengths.")]


class ImageAnswer(BaseModel):
    """What the network says of one image."""

    size: Annotated[list[int], Field(description="Height and width of the image, upright.")]
    area: Annotated[int, Field(description="Pixels that are lesion.")]
    area_fraction: Annotated[float, Field(description="Fraction of pixels that are lesion, 0..1.")]
    bounding_box: Annotated[
        list[int] | None,
        Field(description="x, y, width, height in pixels; null without lesion."),
    ]
    components: Annotated[int, Field(description="Connected parts.")]
    confidence: Annotated[
        float,
        Field(
            description="How sure the network is of the mask, 0..1; no probability of a disease."
        ),
    ]
    polygons: Annotated[
        list[Outline], Field(description="Outlines, straightened by up to one pixel.")
    ]
    rle: Annotated[RunLengthMask, Field(description="The mask, to the pixel.")]


class ServedModel(BaseModel):
    """What segments the images."""

    name: Annotated[str, Field(description="Network and tag of its weights.")]
    input_size: Annotated[
        list[int], Field(description="Height and width that the network sees an image at.")
    ]
    threshold: Annotated[float, Field(description="Probability from which a pixel is lesion.")]
    version: Annotated[str, Field(description="Version of skinseg.")]


class Answer(BaseModel):
    """The answer to a request for masks."""

    notice: Annotated[str, Field(description="What the masks are for.")]
    model: ServedModel
    images: Annotated[list[ImageAnswer], Field(description="In the order of the request.")]


class Health(BaseModel):
    """Whether the service takes images."""

    status: Annotated[str, Field(description="'ok', or 'stopped'.")]
    model: ServedModel


class ProblemDetails(BaseModel):
    """Why a request was refused, as RFC 9457 has it."""

    type: Annotated[str, Field(description="'about:blank'.")]
    title: Annotated[str, Field(description="The status in words.")]
    status: Annotated[int, Field(description="The HTTP status.")]
    detail: Annotated[str, Field(description="What was wrong, and what to do.")]
