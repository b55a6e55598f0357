"""Which images are done, noted while others are under way, so that nothing is done twice."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from skinseg.batch.results import Row, mask_name
from skinseg.batch.shard import Shard
from skinseg.data.archives import exists
from skinseg.files import write_atomically
from skinseg.formatting import printable
from skinseg.locations import (
    Location,
    file_key,
    is_url,
    joined,
    make_folder,
    names_in,
    read_url,
    remove_files,
)

NAME = "manifest"
"""Folder of the notes, in the folder of the results."""

# A folder of that name may have been there before, with files of other programs.
_NOTES = re.compile(r"part(-\d+-of-\d+)?-[0-9a-f]{32}(-\d+)?\.jsonl")

# An object store has no files that grow: each time, what is new becomes another object.
_SECONDS_BETWEEN_OBJECTS = 10


Stamp: TypeAlias = list[int] | None
"""Size and time of a file; None of a URL, or of a path into an archive."""


class ManifestError(ValueError):
    """The results that are there were made otherwise; the message says in what."""


class Manifest:
    """Notes of finished images, in the folder ``manifest`` beside the results.

    Every process writes a file of its own, and reads those of all: jobs that share the images need
    no lock, and any of them may be killed. A file begins with a line of settings and has a line of
    JSON for each image; the last one may be torn, and its image is then not done. Of several lines
    of one image, or of images that have one mask, the latest counts. On an object store a process
    writes an object for all that it has done in ten seconds.

    Args:
        folder: Folder of the results; notes are made when there is something to note.
        settings: As :func:`prediction_settings` returns them.
        shard: Which job writes; it is in the file's name.

    Raises:
        ManifestError: If results are there that were made with other settings.
        OSError: If the notes cannot be read.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with Manifest(folder, {"threshold": 0.5}) as manifest:
        ...     manifest.note("x.jpg", Row("x.jpg", mask_file="x_mask.png"))
        >>> Manifest(folder, {"threshold": 0.5}).find("x.jpg").mask_file
        'x_mask.png'
        >>> Manifest(folder, {"threshold": 0.4})
        Traceback (most recent call last):
            ...
        skinseg.batch.manifest.ManifestError: the results in '...' were made with threshold 0.5...
    """

    def __init__(
        self, folder: Location, settings: Mapping[str, Any], shard: Shard | None = None
    ) -> None:
        self._results = folder
        self._folder = joined(folder, NAME)
        self._settings = dict(settings)
        self._name = f"part{shard.suffix if shard else ''}-{uuid.uuid4().hex}"
        self._file: int | None = None
        self._objects = 0
        self._waiting: list[bytes] = []
        self._written = time.monotonic()
        self._begun: dict[str, Stamp] = {}
        self._rows: dict[str, tuple[Stamp, Row]] = {}
        self._owners: dict[str, str] = {}  # The image that each mask is of.
        notes = [
            note
            for name in _notes_in(self._folder)
            for note in self._notes_of(_read(joined(self._folder, name)), folder)
        ]
        for note in sorted(notes, key=_time):
            self._take_in(note)

    def _notes_of(self, lines: list[Any], folder: Location) -> list[Any]:
        """The notes in a file, if they are of results with these settings."""
        settings = lines[0].get("settings") if lines and isinstance(lines[0], dict) else None
        if settings is None:
            return []  # Cut off before its first line was whole.
        changed = [key for key in self._settings if self._settings[key] != settings.get(key)]
        if changed:
            there = ", ".join(f"{key} {_shown(settings.get(key))}" for key in changed)
            now = ", ".join(f"{key} {_shown(self._settings[key])}" for key in changed)
            raise ManifestError(
                f"the results in '{folder}' were made with {there}, and these would be with {now}; "
                "name another folder, or discard those results with overwrite=True"
            )
        return lines[1:]

    def _take_in(self, note: Any) -> None:
        try:
            location, stamp, row = note["location"], note["stamp"], Row(**note["row"])
        except (KeyError, TypeError):
            return  # Of another version: the image is done again.
        self._rows[location] = stamp, row
        if row.mask_file is not None:
            self._owners[row.mask_file] = location

    @staticmethod
    def discard(folder: Location) -> None:
        """Take away the notes of a folder, so that everything is done again.

        Raises:
            OSError: If they cannot be removed.
        """
        notes = joined(folder, NAME)
        remove_files(notes, _notes_in(notes))

    def refuse_to_replace(self, files: Iterable[Location]) -> None:
        """Raise if an image would get a mask's name that is another one's, which is still there.

        Raises:
            ManifestError: The message names both images.
        """
        there: set[str] | None = None
        for file in files:
            mask, key = mask_name(file), file_key(file)
            owner = self._owners.get(printable(mask), key)
            if owner == key or not _is_another(owner, file):
                continue
            there = names_in(self._results) if there is None else there
            if mask in there:
                raise ManifestError(
                    f"'{mask}' in '{self._results}' is the mask of '{owner}', and '{file}' would "
                    "replace it; name another folder, or discard the results that are there with "
                    "overwrite=True"
                )

    def find(self, file: Location) -> Row | None:
        """Return the row of an image that is done, unless it or its mask is another's since."""
        key = file_key(file)
        stamp, row = self._rows.get(key, (None, None))
        if row is None or self._owners.get(row.mask_file or "", key) != key:
            return None
        return row if stamp == _stamp(file) else None

    def begin(self, files: Iterable[Location]) -> None:
        """Look at files before they are read: one that is replaced meanwhile is not done."""
        self._begun = {file_key(file): _stamp(file) for file in files}

    def note(self, file: Location, row: Row) -> None:
        """Note that an image is done, once all its pictures are there.

        Raises:
            OSError: If the note cannot be written.
        """
        key = file_key(file)
        stamp = self._begun.pop(key) if key in self._begun else _stamp(file)
        about = {"location": key, "stamp": stamp, "time": time.time()}
        self._waiting.append(_line({**about, "row": dataclasses.asdict(row)}))
        if not is_url(self._folder):
            self._append(Path(self._folder))
        elif time.monotonic() - self._written > _SECONDS_BETWEEN_OBJECTS:
            self._write_object(self._folder)

    def _append(self, folder: Path) -> None:
        if self._file is None:
            folder.mkdir(exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
            self._file = os.open(folder / f"{self._name}.jsonl", flags, 0o666)
            self._waiting.insert(0, self._header)
        # Past Python's buffer: a line that is written outlives a process that is killed.
        for line in self._waiting:
            os.write(self._file, line)
        self._waiting.clear()

    def _write_object(self, folder: str) -> None:
        if self._waiting:
            make_folder(folder)
            content = b"".join([self._header, *self._waiting])
            place = joined(folder, f"{self._name}-{self._objects}.jsonl")
            write_atomically(place, lambda temporary: temporary.write_bytes(content))
            self._objects += 1
            self._waiting.clear()
        self._written = time.monotonic()

    @property
    def _header(self) -> bytes:
        return _line({"settings": self._settings})

    def close(self) -> None:
        """Write what is left to be noted.

        Raises:
            OSError: If it cannot be written.
        """
        if is_url(self._folder):
            self._write_object(self._folder)
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __enter__(self) -> Manifest:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _notes_in(folder: Location) -> list[str]:
    """Names of the files of notes; a folder of that name may be the user's own."""
    return sorted(filter(_NOTES.fullmatch, names_in(folder)))


def _time(note: Any) -> float:
    """When a note was written, in seconds; an earlier version did not write it down."""
    written = note.get("time", 0.0) if isinstance(note, dict) else 0.0
    return written if isinstance(written, float) else 0.0


def _line(data: Any) -> bytes:
    # In ASCII: names of files may hold bytes that are no text.
    return (json.dumps(data) + "\n").encode()


def _read(place: Location) -> list[Any]:
    """The whole lines of a file of notes."""
    content = read_url(place) if is_url(place) else Path(place).read_bytes()
    return list(_parsed(content.split(b"\n")[:-1]))


def _parsed(lines: list[bytes]) -> Iterator[Any]:
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:
            continue  # A disk that was full has cut it off.


def _is_another(owner: str, file: Location) -> bool:
    """Whether an image is there that is not the file by another name, as over a symbolic link."""
    if is_url(owner):
        return True  # To ask whether it is there would take a while.
    if not is_url(file):
        with contextlib.suppress(OSError):
            return not os.path.samefile(owner, file)
    return exists(owner)


def _stamp(file: Location) -> Stamp:
    """What tells a file from another that has taken its name; None where nothing does."""
    try:
        status = os.stat(file)
    except OSError:  # A URL, or a path into an archive.
        return None
    return [status.st_size, status.st_mtime_ns]


def _shown(value: Any) -> str:
    return f"{value[:12]}..." if isinstance(value, str) and len(value) == 64 else str(value)
