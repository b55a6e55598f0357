"""Names that are nearly those of a network's place, and what to write instead."""

import re
from pathlib import Path

from skinseg.hub.local_dir import CONFIG_NAME, WEIGHTS_NAME

_HUB_PAGE = re.compile(r"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/([^/\s]+/[^/\s]+)")
_SCHEMES = {
    "local-dir": re.compile(r"(?:local|dir|folder|file|path)", re.IGNORECASE),
    "hf-hub": re.compile(r"(?:hf|hub|hugging)", re.IGNORECASE),
}
WEIGHTS_SUFFIXES = (".bin", ".ckpt", ".pt", ".pth", ".safetensors")
"""How files of weights end, ours and those of others."""


def near_miss(name: str) -> str | None:
    """Tell what a name that is no network should have been.

    Args:
        name: What the user wrote.

    Returns:
        A sentence or two, or None where it does not look like a place.

    Example:
        >>> near_miss("hf:org/name")
        "'hf:org/name' is not known. Write hf-hub:org/name."
        >>> near_miss("malunett") is None
        True
    """
    page = _HUB_PAGE.match(name)
    if page:
        return f"{name!r} is a page of the Hub. Write hf-hub:{page[1]}."
    scheme, colon, place = name.partition(":")
    if colon and place and len(scheme) > 1:  # C:\ is a drive of Windows.
        known = [right for right, like in _SCHEMES.items() if like.match(scheme)]
        places = " or ".join(f"{right}:{place.lstrip('/')}" for right in known or _SCHEMES)
        return f"{name!r} is not known. Write {places}."
    path = Path(name).expanduser()
    if name.lower().endswith(WEIGHTS_SUFFIXES) or path.name == CONFIG_NAME or path.is_file():
        return _of_file(name, path)
    if path.is_dir():
        return _of_folder(name, path)
    if "/" in name or "\\" in name:
        return (
            f"{name!r} looks like a path. Write local-dir:{name} for a folder with {CONFIG_NAME} "
            f"and {WEIGHTS_NAME} (there is no such folder here), or hf-hub:{name} for a "
            "repository on the Hub."
        )
    return None


def _of_file(name: str, path: Path) -> str:
    folder = path.parent
    if path.name in (CONFIG_NAME, WEIGHTS_NAME) and _is_network(folder):
        return f"{name!r} is a file of a network's folder. Write local-dir:{folder}."
    if path.name == CONFIG_NAME and folder.is_dir():
        return _of_folder(str(folder), folder)
    if path.suffix.lower() not in (*WEIGHTS_SUFFIXES, ".json"):
        return (
            f"{name!r} is a file, and by its ending none with weights. Write the name of a "
            "network, local-dir:FOLDER for a folder with one, or hf-hub:ORG/NAME."
        )
    absent = "" if path.is_file() else " (there is no such file here)"
    return (
        f"{name!r}{absent} is a file of weights, and does not say of which network. Pass "
        f'skinseg.create_model("ARCH", checkpoint_path={name!r}), or a folder that has '
        f"{CONFIG_NAME} with its {WEIGHTS_NAME}, as local-dir:FOLDER."
    )


def _of_folder(name: str, path: Path) -> str:
    if _is_network(path):
        return f"{name!r} is a folder with a network. Write local-dir:{name}."
    missing = [file for file in (CONFIG_NAME, WEIGHTS_NAME) if not (path / file).is_file()]
    return (
        f"{name!r} is a folder without {' and '.join(missing)}, so it holds no network. Write "
        "local-dir:FOLDER for one that does, such as that of a training run."
    )


def _is_network(folder: Path) -> bool:
    return all((folder / file).is_file() for file in (CONFIG_NAME, WEIGHTS_NAME))
