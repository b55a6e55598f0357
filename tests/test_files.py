import errno
import os

import pytest

from skinseg.files import remove_abandoned, write_atomically, write_json


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})

    def no_space(temporary):
        temporary.write_text("half")
        raise OSError(errno.ENOSPC, "no space left on device")

    with pytest.raises(OSError, match="no space left") as raised:
        write_atomically(path, no_space)
    assert raised.value.filename == str(path)
    with pytest.raises(FileNotFoundError, match=r"directory: '.*none/a\.json'$"):
        write_json(tmp_path / "none" / "a.json", 1)
    assert path.read_text() == '{\n  "old": 1\n}\n'
    assert os.listdir(tmp_path) == ["a.json"]


def test_what_killed_processes_left_is_removed(tmp_path):
    names = []
    write_atomically(tmp_path / "a", lambda place: (names.append(place.name), place.touch()))
    old, fresh = tmp_path / names[0], tmp_path / f".{'0' * 32}.tmp"
    for file in (old, fresh, tmp_path / ".other.tmp"):
        file.touch()
    for file in (old, tmp_path / ".other.tmp"):
        os.utime(file, (0, 0))
    remove_abandoned(tmp_path)
    # The fresh one may be another process's; the other one is none of ours.
    assert not old.exists()
    assert fresh.exists() and (tmp_path / ".other.tmp").exists()
    remove_abandoned(tmp_path, after=0)
    assert not fresh.exists()
    assert sorted(os.listdir(tmp_path)) == [".other.tmp", "a"]
    remove_abandoned(tmp_path / "nowhere")


def test_a_new_file_has_ordinary_rights(tmp_path):
    (tmp_path / "plain").touch()
    write_json(tmp_path / "a.json", 1)
    assert (tmp_path / "a.json").stat().st_mode == (tmp_path / "plain").stat().st_mode
