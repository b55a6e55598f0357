import errno

import filelock
import pytest

from skinseg.folder_lock import folder_lock


@pytest.mark.parametrize(
    "error", [NotImplementedError(), OSError(errno.ENOLCK, "No locks available")]
)
def test_a_file_system_without_locks_is_warned_of(error, tmp_path, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    with pytest.warns(UserWarning, match="has no locks"), folder_lock(tmp_path / "run"):
        assert (tmp_path / "run").is_dir()


def test_a_folder_that_cannot_be_written_to_is_an_error(tmp_path, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    with pytest.raises(PermissionError), folder_lock(tmp_path):
        pass


def test_an_error_inside_lets_go_of_the_folder(tmp_path):
    with pytest.raises(RuntimeError, match="inside"), folder_lock(tmp_path):
        raise RuntimeError("inside")
    with folder_lock(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    assert not [*tmp_path.iterdir()]
