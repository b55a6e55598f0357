"""Networks inside of something else, which exporters do not look through."""

from torch import nn

from skinseg.optimization import OptimizedModel
from skinseg.unwrap import unwrapped


def refuse_wrapped(model: nn.Module) -> None:
    """Raise a TypeError that says which network to pass in place of its wrapper."""
    if hasattr(model, "_orig_mod"):
        inside = "what torch.compile was given, model._orig_mod"
    elif unwrapped(model) is not model:
        inside = "the network in it, model.module"
    elif isinstance(model, OptimizedModel):
        inside = "the network that it was derived from, model.published"
    else:
        return
    raise TypeError(f"a {type(model).__name__} cannot be exported; pass {inside}")
