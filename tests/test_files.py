import errno
import os

import pytest

from skinseg.files import write_atomically, write_json


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})

    def no_space(temporary):
        temporary.write_text("half")
        raise OSError(errno.ENOSPC, "no space left on device")

    with pytest.raises(OSError, match="no space left"):
        write_atomically(path, no_space)
    assert path.read_text() == '{\n  "old": 1\n}\n'
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_new_file_has_ordinary_rights(tmp_path):
    (tmp_path / "plain").touch()
    write_json(tmp_path / "a.json", 1)
    assert (tmp_path / "a.json").stat().st_mode == (tmp_path / "plain").stat().st_mode
