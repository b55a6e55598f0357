"""Masks over HTTP: one process that segments what its clients send; see ``skinseg serve``.

The names are in ``__init__.pyi`` and are loaded when they are first used. They need the extra
``serve``.
"""

from typing import Any

import lazy_loader

from skinseg.errors import MissingPackageError

_PACKAGES = ("fastapi", "prometheus_client", "pydantic", "python_multipart", "uvicorn")

_load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    try:
        return _load(name)
    except ModuleNotFoundError as error:
        if error.name not in _PACKAGES:
            raise
        raise MissingPackageError(
            f"the service needs {error.name}, which is not installed: pip install '.[serve]' in a "
            "clone of skinseg",
            name=error.name,
        ) from error
