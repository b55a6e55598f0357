"""What went wrong between here and the Hub, said so that the reader knows what to do."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub import constants

# HTTPError is the base of the transport's own errors, a connection that breaks off among them,
# in whichever HTTP library the installed client uses.
from huggingface_hub.errors import (  # type: ignore[attr-defined]  # HTTPError: not re-exported
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)


class HubError(OSError):
    """A repository of the Hub that cannot be read or written."""


@contextmanager
def hub_errors(repo: str, what: str) -> Iterator[None]:
    """Turn whatever the client raises into one :class:`HubError` that says what to do.

    Args:
        repo: ``org/name`` or ``org/name@revision``.
        what: What fails, for example ``"config.json cannot be fetched"``.

    Raises:
        HubError: In place of every error of the client, the network and the server.
        ValueError: If ``repo`` is not such a name.
    """
    try:
        yield
    except HFValidationError as error:
        raise ValueError(f"hf-hub:{repo} is not org/name or org/name@revision: {error}") from error
    # The client wraps errors of an upload in RuntimeError, and reads some answers before it looks
    # whether they are errors.
    except (HTTPError, OSError, RuntimeError, json.JSONDecodeError) as error:
        raise HubError(f"hf-hub:{repo}: {what}: {_reason(_root(error), repo)}") from error


def _root(error: BaseException) -> BaseException:
    """The error below those that say only that something failed."""
    vague = (LocalEntryNotFoundError, RuntimeError)
    while isinstance(error, vague) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _reason(error: BaseException, repo: str) -> str:
    page = f"{constants.ENDPOINT}/{repo.partition('@')[0]}"
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set, so only the cache is used; unset it to go online"
    if isinstance(error, GatedRepoError):
        return f"the repository is gated; ask for access at {page}, then set HF_TOKEN"
    if isinstance(error, RevisionNotFoundError):
        return f"there is no such branch, tag or commit; {page}/tree/main lists them"
    if isinstance(error, LocalEntryNotFoundError):
        return "it is not in the cache, and only the cache was asked (local_files_only=True)"
    if isinstance(error, EntryNotFoundError) and isinstance(error, HfHubHTTPError):
        return "the repository has no such file, so it does not hold one of these networks"
    if isinstance(error, RepositoryNotFoundError) or _status(error) == 401:
        return (
            "there is no such repository, or it takes a token to see or change it; check the "
            "name, and set HF_TOKEN to a token that is valid and may do this"
        )
    if isinstance(error, HfHubHTTPError):
        return _of_status(_status(error), error)
    if getattr(error, "errno", None) is not None and not isinstance(error, ConnectionError):
        return str(error)  # The disk failed.
    return (
        f"the connection to {constants.ENDPOINT} failed or broke off ({_line(error)}); check the "
        "network, the proxy and HF_ENDPOINT, and try again"
    )


def _status(error: BaseException) -> int | None:
    return getattr(getattr(error, "response", None), "status_code", None)


def _of_status(status: int | None, error: BaseException) -> str:
    if status == 403:
        return f"access is forbidden; set HF_TOKEN to a token that may do this ({_line(error)})"
    if status == 429:
        return "too many requests (429); wait some minutes, or set HF_TOKEN for a higher limit"
    if status is not None and status >= 500:
        return f"the server fails ({status}); that is an error of the server, try again later"
    return _line(error)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
