import torch
from torch import nn
from torch.nn import functional as F

from skinseg.blocks.ghpa import AxisWeights


class AxisWeightsAsPlane(nn.Module):
    """Learned weights along one axis, resized as a plane that is one position high.

    Runtimes that resize planes alone have their exporters spell out the resizing of an axis, and
    what is spelled out divides by zero where the axis has one position.

    Args:
        weights: The published module, whose weights are used.

    Shape:
        A length L -> (1, C, L).

    Example:
        >>> weights = AxisWeights(4, 8)
        >>> torch.equal(AxisWeightsAsPlane(weights)(1), weights(1))
        True
    """

    def __init__(self, weights: AxisWeights) -> None:
        super().__init__()
        self.tensor = weights.tensor
        self.refine = weights.refine

    def forward(self, length: int) -> torch.Tensor:
        """Return the weights (1, C, length) at ``length`` positions."""
        plane = self.tensor[:, :, None]
        resized = F.interpolate(plane, size=(1, length), mode="bilinear", align_corners=True)
        weights: torch.Tensor = self.refine(resized[:, :, 0])
        return weights
