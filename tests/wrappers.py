"""What networks are wrapped in."""

import torch
from torch import nn

WRAPPERS = {
    "parallel": nn.DataParallel,
    "average": torch.optim.swa_utils.AveragedModel,
    "compiled": lambda network: torch.compile(network, backend="eager"),
    "parallel and compiled": lambda net: nn.DataParallel(torch.compile(net, backend="eager")),
}
