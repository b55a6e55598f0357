"""Which image files the user means."""

import dataclasses
import glob
import os
from pathlib import Path

import skinseg
from skinseg.data.archives import exists, is_folder


@dataclasses.dataclass
class Inputs:
    """Image files, and what went wrong in finding them.

    Attributes:
        files: In the order given; each file once.
        missing: What was asked for and is not there, with the reason.
    """

    files: list[Path] = dataclasses.field(default_factory=list)
    missing: dict[str, str] = dataclasses.field(default_factory=dict)


def find_images(arguments: list[str], *, recursive: bool, leave_out: Path) -> Inputs:
    """Find the files of arguments that are files, folders or patterns.

    A file is taken whatever its name ends in; of a folder its images are, and of a zip archive
    all, as most archives hold a folder.

    Args:
        arguments: As on the command line; ``*``, ``?``, ``[...]`` and ``**`` are expanded, for
            shells that do not.
        recursive: Also take the images of the folders below.
        leave_out: Folder that is passed over when folders are searched, as results are there.
    """
    inputs = Inputs()
    seen = set()
    for argument in arguments:
        paths = [Path(argument)] if exists(argument) else _expanded(argument)
        if not paths:
            wildcards = "no file matches" if glob.has_magic(argument) else "there is no such file"
            inputs.missing[argument] = f"{wildcards} '{argument}'. Check the path."
        for path in paths:
            for file in _images_of(path, recursive, leave_out, inputs):
                if os.path.abspath(file) not in seen:
                    seen.add(os.path.abspath(file))
                    inputs.files.append(file)
    return inputs


def _expanded(pattern: str) -> list[Path]:
    return [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]


def _images_of(path: Path, recursive: bool, leave_out: Path, inputs: Inputs) -> list[Path]:
    if not is_folder(path):
        return [path]
    archived = not path.is_dir()
    try:
        files = skinseg.data.list_images(path, recursive or archived)
    except skinseg.data.ImageError as error:
        inputs.missing[str(path)] = str(error)
        return []
    excluded = leave_out.resolve()
    if path.resolve() in excluded.parents:
        files = [file for file in files if excluded not in file.resolve().parents]
    if not files:
        remedy = "" if recursive or archived else "; --recursive looks into the folders below"
        inputs.missing[str(path)] = f"'{path}' holds no image{remedy}."
    return files


def name_clashes(files: list[Path], output: Path) -> list[str]:
    """Tell what would overwrite one another: results with equal names, or results and inputs.

    Returns:
        A sentence for each clash; none if all is well.
    """
    clashes = []
    first: dict[str, Path] = {}
    for file in files:
        # Some file systems take capitals and small letters for the same.
        stem = os.path.normcase(file.stem)
        if stem in first:
            clashes.append(
                f"'{first[stem]}' and '{file}' would both be written as '{file.stem}_mask.png'."
            )
        first.setdefault(stem, file)
    folder = output.resolve()
    if any(file.parent.resolve() == folder for file in files):
        clashes.append(
            f"the output folder '{output}' holds input images, and results might replace masks "
            "that are beside them."
        )
    return clashes
