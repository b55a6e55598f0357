"""What the tests of saving and of the Hub compare: a network's outputs."""

import torch


@torch.no_grad()
def outputs(network):
    image = torch.rand(1, network.in_chans, 64, 64, generator=torch.Generator().manual_seed(0))
    return network.eval()(image)
