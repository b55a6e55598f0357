"""What a client may ask for at once."""

import dataclasses
import math

from skinseg.data.decoding import MAX_PIXELS


@dataclasses.dataclass(frozen=True)
class Limits:
    """Limits of a service; what is beyond them is refused with a reason.

    The memory that requests may take is about ``max_concurrency * max_request_bytes``, and for each
    thread that reads images that of one image of ``max_pixels``, decoded.

    Attributes:
        max_bytes: Bytes of an image file.
        max_request_bytes: Bytes of a request's body.
        max_pixels: Pixels of an image, width times height; the header of the file tells them, so
            that a larger image is not decoded.
        max_images: Images in one request.
        max_concurrency: Requests for masks that are answered at a time.
        timeout: Seconds that a client has to send a request, and the service to answer it.

    Raises:
        ValueError: If a limit is out of range.

    Example:
        >>> Limits(max_images=0)
        Traceback (most recent call last):
        ValueError: max_images must be 1 or more, not 0
    """

    max_bytes: int = 25_000_000
    max_request_bytes: int = 50_000_000
    max_pixels: int = 50_000_000
    max_images: int = 16
    max_concurrency: int = 64
    timeout: float = 30.0

    def __post_init__(self) -> None:
        for name in ("max_bytes", "max_request_bytes", "max_images", "max_concurrency"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")
        if not 1 <= self.max_pixels <= MAX_PIXELS:
            raise ValueError(f"max_pixels must be 1 to {MAX_PIXELS:,}, not {self.max_pixels:,}")
        if not 0 < self.timeout < math.inf:
            raise ValueError(f"timeout must be more than 0 seconds, and finite, not {self.timeout}")
        if self.max_request_bytes < self.max_bytes:
            raise ValueError(
                f"max_request_bytes must be {self.max_bytes:,} or more, as one image may have so "
                f"many bytes, not {self.max_request_bytes:,}"
            )
