"""Where images and masks lie in a folder of one's own."""

from collections import Counter
from pathlib import Path

from skinseg.data.archives import files_below, is_folder, split_archive
from skinseg.data.listing import list_images
from skinseg.data.pairs import MASK_SUFFIXES, DatasetError

IMAGE_FOLDERS = ("images", "image")
"""What the folder of the images may be called; capitals make no difference."""

MASK_FOLDERS = ("masks", "mask")
"""What the folder of the masks may be called."""

_SHOWN = 4


def find_folders(root: Path) -> tuple[Path, Path]:
    """Find the folder of the images and that of the masks, which may be one.

    Args:
        root: What the user calls the data set: a folder, a zip archive, or a folder in one.

    Raises:
        DatasetError: There are several folders that may be meant, or none.
    """
    root = _beyond_wrappers(root)
    folders = subfolders(root)
    images = _only([f for f in folders if f.name.lower() in IMAGE_FOLDERS], root)
    masks = _only([f for f in folders if f.name.lower() in MASK_FOLDERS], root)
    if images or masks:
        return images or root / "images", masks or root / "masks"
    if list_images(root):
        return root, root
    inner = [folder for folder in folders if _is_data_set(folder)]
    if len(inner) > 1:
        raise DatasetError(
            f"'{root}' holds several data sets: {_named(inner)}. Give one of them, or join them: "
            "FolderDataset(first) + FolderDataset(second)."
        )
    return find_folders(inner[0]) if inner else (root, root)


def _beyond_wrappers(root: Path) -> Path:
    """The folder within, where a folder holds nothing but one, as many archives do."""
    folders = subfolders(root)
    while len(folders) == 1 and not list_images(root):
        if folders[0].name.lower() in IMAGE_FOLDERS + MASK_FOLDERS:
            break
        root, folders = folders[0], subfolders(folders[0])
    return root


def _only(folders: list[Path], root: Path) -> Path | None:
    if len(folders) > 1:
        raise DatasetError(
            f"'{root}' holds {_named(folders)}. Name the two folders that you mean: "
            "FolderDataset(images, masks)."
        )
    return folders[0] if folders else None


def _is_data_set(folder: Path) -> bool:
    try:
        names = {inner.name.lower() for inner in subfolders(folder)}
    except DatasetError:  # Without permission it is left out, as among the images.
        return False
    return bool(names & set(IMAGE_FOLDERS) and names & set(MASK_FOLDERS))


def subfolders(folder: Path) -> list[Path]:
    """The folders directly in a folder, sorted; hidden ones are left out.

    Raises:
        DatasetError: The folder, or the archive that it is in, cannot be read.
    """
    try:
        if split_archive(folder) is None:
            return sorted(f for f in folder.iterdir() if f.is_dir() and not f.name.startswith("."))
        inside = [path.relative_to(folder).parts for path in files_below(folder)]
    except OSError as error:
        raise DatasetError(f"Cannot look into '{folder}': {error}.") from error
    return sorted({folder / parts[0] for parts in inside if len(parts) > 1})


def require_folder(folder: Path) -> None:
    """Raise if there is no such folder, on disk or in an archive.

    Raises:
        DatasetError: There is none.
    """
    if not is_folder(folder):
        raise DatasetError(f"No folder '{folder}'. {expected(folder)}")


def expected(root: Path) -> str:
    """What a data set looks like, and which folders with images there are instead."""
    endings = ", ".join(f"'{suffix}'" for suffix in MASK_SUFFIXES)
    text = (
        f"Expected is 'images/x.jpg' with 'masks/x.png' below '{root}', or two folders "
        f"FolderDataset(images, masks), or 'x.jpg' beside 'x_mask.png' (endings: {endings})."
    )
    counts = Counter(path.parent for path in list_images(root, True)) if is_folder(root) else {}
    if counts:
        shown = [f"'{folder}' ({count})" for folder, count in sorted(counts.items())[:_SHOWN]]
        more = ", ..." if len(counts) > _SHOWN else ""
        text += f" Images are in {', '.join(shown)}{more}."
    return text


def _named(folders: list[Path]) -> str:
    *first, last = [f"'{folder}'" for folder in folders[:_SHOWN]]
    more = ", ..." if len(folders) > _SHOWN else ""
    return f"{', '.join(first)} and {last}{more}"
