"""What the shell offers after Tab; nothing here imports torch."""

import skinseg
from skinseg.names import RECIPE_NETWORKS


def complete_model(incomplete: str) -> list[str]:
    """Names of networks and of weights, and how other sources begin.

    Example:
        >>> complete_model("malunet.")
        ['malunet.isic2017']
    """
    names = {*skinseg.list_models(), *skinseg.list_pretrained(), "local-dir:", "hf-hub:"}
    return sorted(name for name in names if name.startswith(incomplete))


def complete_weights(incomplete: str) -> list[str]:
    """Names of what has weights, and how other sources begin."""
    names = {*skinseg.list_pretrained(), "local-dir:", "hf-hub:"}
    return sorted(name for name in names if name.startswith(incomplete))


def complete_recipe(incomplete: str) -> list[str]:
    """Names of recipes.

    Example:
        >>> complete_recipe("paper-m")
        ['paper-malunet']
    """
    return sorted(name for name in RECIPE_NETWORKS if name.startswith(incomplete))
