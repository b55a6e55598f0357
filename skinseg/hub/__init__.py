"""Networks in folders and on the Hugging Face Hub: ``config.json`` and ``model.safetensors``."""

from skinseg.hub.card import model_card
from skinseg.hub.errors import HubError
from skinseg.hub.header import FETCH_AGAIN, check_header, limited, read_header
from skinseg.hub.local_dir import (
    CONFIG_NAME,
    WEIGHTS_NAME,
    read_local_dir,
    write_local_dir,
    write_weights,
)
from skinseg.hub.near_misses import WEIGHTS_SUFFIXES, near_miss
from skinseg.hub.origin import (
    Origin,
    build,
    channels_in,
    origin_of,
    rebuilt_differences,
    record_in,
    set_origin,
)
from skinseg.hub.place import open_place
from skinseg.hub.push import files_for_hub, push_to_hub
from skinseg.hub.remote import AS_USUAL, Fetching, download, download_weights
from skinseg.hub.save import CARD_NAME, save_pretrained, weights_held

__all__ = [
    "AS_USUAL",
    "CARD_NAME",
    "CONFIG_NAME",
    "FETCH_AGAIN",
    "Fetching",
    "WEIGHTS_NAME",
    "WEIGHTS_SUFFIXES",
    "HubError",
    "Origin",
    "build",
    "channels_in",
    "check_header",
    "download",
    "download_weights",
    "files_for_hub",
    "limited",
    "model_card",
    "near_miss",
    "open_place",
    "origin_of",
    "push_to_hub",
    "read_header",
    "read_local_dir",
    "rebuilt_differences",
    "record_in",
    "save_pretrained",
    "set_origin",
    "weights_held",
    "write_local_dir",
    "write_weights",
]
