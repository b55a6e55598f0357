"""Several processes that train one network: each computes a part of every batch."""

import os
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import nn

T = TypeVar("T")


class Distributed:
    """The processes of a run, started by ``torchrun``; one, alone, otherwise.

    All of them draw the same order and the same augmentation, take their part of each batch, and
    add their gradients up, so that every step is that of one process with the whole batch.

    Args:
        device: Where this process computes; it decides how processes talk (NCCL between GPUs,
            Gloo between CPUs).

    Attributes:
        rank: Number of this process, from 0.
        world_size: How many there are.
    """

    def __init__(self, device: torch.device) -> None:
        if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        self.device = device
        self.joined = dist.is_initialized()
        self.rank = dist.get_rank() if self.joined else 0
        self.world_size = dist.get_world_size() if self.joined else 1

    @property
    def is_main(self) -> bool:
        """Whether this process writes the files and shows the progress."""
        return self.rank == 0

    def shard(self, rows: slice) -> slice:
        """Return this process's part of a batch's rows; the first processes get the rest."""
        length, rest = divmod(rows.stop - rows.start, self.world_size)
        start = rows.start + self.rank * length + min(self.rank, rest)
        return slice(start, start + length + (self.rank < rest))

    def broadcast_module(self, module: nn.Module) -> None:
        """Give the weights and buffers of the first process to every other."""
        if self.world_size == 1:
            return
        for tensor in (*module.parameters(), *module.buffers()):
            # Backends send memory as it lies, and channels-last weights lie in another order.
            sent = tensor.detach().clone(memory_format=torch.contiguous_format)
            dist.broadcast(sent, src=0)
            tensor.detach().copy_(sent)

    def from_main(self, value: T) -> T:
        """Return what the first process has for a value, in every process."""
        if self.world_size == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, src=0, device=self.device)
        return values[0]

    def all_reduce(self, values: torch.Tensor) -> torch.Tensor:
        """Add a tensor up over all processes, keeping the gradient of the own part."""
        if self.world_size == 1:
            return values
        everywhere = values.detach().clone()
        dist.all_reduce(everywhere)
        return values + (everywhere - values.detach())

    def all_reduce_gradients(self, parameters: list[nn.Parameter]) -> None:
        """Add the gradients of all processes up, in every one of them."""
        if self.world_size == 1:
            return
        gradients = []
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            gradients.append(parameter.grad)
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        dist.all_reduce(flat)
        pieces = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, piece in zip(gradients, pieces, strict=True):
            gradient.copy_(piece.view_as(gradient))

    def barrier(self) -> None:
        """Let every process come to this point before one goes on."""
        if self.world_size > 1:
            dist.barrier()
