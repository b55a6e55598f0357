import errno
import os
from pathlib import Path

import pytest
import torch
from torchvision_operators import declare_missing_operators

import skinseg
from skinseg.data import SyntheticDermoscopy

declare_missing_operators()

SHARED = Path(__file__).parents[2] / "shared"


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.get_closest_marker("minutes") is None)


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Small networks are faster, and their sums reproducible, on one thread."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def same_chance():
    """Weights and inputs that a test draws are the same each time that it runs."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def no_weights_of_the_user(monkeypatch):
    monkeypatch.delenv("SKINSEG_WEIGHTS", raising=False)


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Reference outputs and the ISIC 2017 images, which are not part of the repository."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the reference data, which is not at {SHARED}")
    return SHARED


@pytest.fixture
def lock(monkeypatch):
    """A function that makes a folder one of another user's; root could read it by its mode."""

    def lock(folder: Path) -> None:
        for name in ("scandir", "listdir"):
            listed = getattr(os, name)

            def refuse(place=".", listed=listed):
                if os.fspath(place) == str(folder):
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(place))
                return listed(place)

            monkeypatch.setattr(os, name, refuse)

    return lock


@pytest.fixture
def timm():
    return pytest.importorskip("timm", reason="needs timm; see the Makefile's install rule")


@pytest.fixture(scope="module")
def lesions():
    """12 training and 4 validation images."""
    dataset = SyntheticDermoscopy(16, size=48, seed=5)
    return dataset.subset(dataset.ids[:12]), dataset.subset(dataset.ids[12:])


@pytest.fixture(scope="module")
def egeunet():
    """EGE-UNet with its bundled weights."""
    return skinseg.create_model("egeunet", pretrained=True).eval()
