"""The library's messages in the words of the command line: options, not arguments of Python."""

import re
from collections.abc import Callable

# Arguments that are options by the same name, at the beginning of a message.
_ARGUMENT = re.compile(
    r"^(batch_size|bootstrap|early_stop|epochs|folds|labels|learning_rate|max_bytes|"
    r"max_concurrency|max_images|max_pixels|max_request_bytes|optimizer|seed|shard|size|threshold|"
    r"tile|timeout|tolerance|val_fraction|workers)(?= must )"
)


def _labels(found: re.Match[str]) -> str:
    """Write ``{0: 'background', 2: 'lesion'}`` as ``--labels 0=background,2=lesion``."""
    return f"--labels {found[1].replace(', ', ',').replace(': ', '=')}".replace("'", "")


_PHRASES: list[tuple[str, str | Callable[[re.Match[str]], str]]] = [
    (r"fetch it again: delete it, or load the network with force_download=True", "delete it"),
    (r"MappedLabels\(dataset, \{(.*?)\}\)", _labels),
    (r"recursive=True looks", "--recursive looks"),
    (r"or discard those results with overwrite=True", "or discard those results with --overwrite"),
    (r"with labels=\{(.*?)\}", lambda found: f"with {_labels(found)}"),
    (r"AnyLabel\(dataset\),", "--any-label,"),
    (r"labels and any_label exclude", "--labels and --any-label exclude"),
    (r"and labels names ([\d, ]+) only", r"and --labels names \1 only"),
    (r"^labels (?=')", "--labels "),
    (r"^groups lacks", "--groups lacks"),
    (r"^groups are for", "--groups is for"),
    (r"^val_fraction is for", "--val-fraction is for"),
    (r"only without `strict` is it", "only without --strict is it"),
    (r"two folders FolderDataset\(images, masks\)", "two folders, the second with --masks"),
    (r": FolderDataset\(images, masks\)\.", ", the second with --masks."),
    (r", or join them: FolderDataset\(first\) \+ FolderDataset\(second\)\.", "."),
    (r", or leave the (samples|image) out with `subset`", ""),
    (r"max_pixels=([\d,]+)\. Scale the image down, or raise max_pixels", r"\1. Scale it down"),
    (
        r"Pass skinseg\.create_model\(.*?\), or a folder that has (.*) as local-dir:FOLDER\.",
        r"Name a folder that has \1 as local-dir:FOLDER; `skinseg convert` makes one of a .pth "
        "file of a network's authors.",
    ),
    (r"pass with_preprocessing=True", "give --with-preprocessing"),
    (r"pass size=256 or the like", "give a number as --size"),
    (r"Ask for fewer or larger parts\.", "Choose another --val-fraction."),
    (r"; see skinseg\.list_pretrained\(\)", "; see `skinseg list --pretrained`"),
    (
        r"pass pretrained_cfg_overlay=dict\(file=\.\.\.\) if you have them",
        "put them into a folder that SKINSEG_WEIGHTS names if you have them",
    ),
    (r"of this network; begin from scratch$", "of this network; leave --pretrained out"),
    (r"validation images of its own; give them again$", "its own --val; give it again"),
    (
        r"validation images from the data; give none$",
        "validation images from --data; leave --val out",
    ),
]


def in_options(text: str) -> str:
    """Say what to do in terms of options.

    Example:
        >>> in_options("batch_size must be 1 or more, not 0")
        '--batch-size must be 1 or more, not 0'
    """
    for pattern, replacement in _PHRASES:
        text = re.sub(pattern, replacement, text)
    return _ARGUMENT.sub(lambda found: "--" + found[1].replace("_", "-"), text)
