"""One step of learning: forward, loss, backward, optimizer, average of the weights."""

import warnings
from collections.abc import Callable, Iterable
from copy import deepcopy
from functools import partial
from typing import Any, NamedTuple, cast

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn, update_bn

from skinseg.logits import lesion_logits
from skinseg.losses import deep_supervision_loss
from skinseg.models.base import SegmentationModel
from skinseg.training.distributed import Distributed
from skinseg.training.muon import MuonWithAdamW
from skinseg.training.recipe import Recipe
from skinseg.unwrap import unwrapped

MakeOptimizer = Callable[[nn.Module], torch.optim.Optimizer]


class MicroBatch(NamedTuple):
    """A part of a batch.

    Attributes:
        x: (B, C, H, W), the network's input; empty if other processes have all its images.
        target: (B, 1, H, W), 0..1.
        fraction: The part's fraction of the batch's images, over all processes.
    """

    x: torch.Tensor
    target: torch.Tensor
    fraction: float


class ModelWithLoss(nn.Module):
    """A network and its loss as one module, from input to a scalar."""

    def __init__(self, model: nn.Module, recipe: Recipe, processes: Distributed) -> None:
        super().__init__()
        self.model = model
        self.recipe = recipe
        network = unwrapped(model)
        self.num_aux = network.num_aux if isinstance(network, SegmentationModel) else 0
        self.across = processes.all_reduce if processes.world_size > 1 else None

    def forward(self, x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the loss of ``x`` (B, C, H, W) with ``target`` (B, 1, H, W), 0..1."""
        if len(x):
            logits, aux = self._outputs(x)
        else:
            # Nothing to learn from here, but the other processes wait for the sums.
            logits, *aux = [target.clone().requires_grad_() for _ in range(1 + self.num_aux)]
        return deep_supervision_loss(
            logits,
            aux,
            target,
            # The weights are those of five outputs, coarsest first: fewer are the finest of them.
            self.recipe.aux_weights[-self.num_aux :],
            kind=self.recipe.loss,
            per_image=self.recipe.dice_per_image,
            across=self.across,
        )

    def _outputs(self, x: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        reduced = self.recipe.precision == "bfloat16"
        # Casts are not kept from step to step: a captured step would read outdated ones.
        with torch.autocast(x.device.type, torch.bfloat16, enabled=reduced, cache_enabled=False):
            if self.num_aux:
                logits, aux = self.model(x, return_aux=True)
            else:
                logits, aux = self.model(x), []
        if not isinstance(logits, torch.Tensor):
            raise TypeError(
                f"the network returned {type(logits).__name__} and must return a tensor of logits "
                "(B, 1 or 2, H, W); wrap it in a module that returns its logits alone"
            )
        return lesion_logits(logits).float(), [lesion_logits(output).float() for output in aux]


class EMA:
    """A network whose weights follow those of another, which learns, as a moving average.

    Its statistics of BatchNorm do not follow; see :meth:`Step.recalibrate_batchnorm`.

    Args:
        model: The network that learns.
        decay: Fraction of the average that a step keeps.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.module = deepcopy(model)
        # Listed once: going through all modules again takes a tenth of a step at 128 pixels.
        self.followed = [p.detach() for p in model.parameters()]
        self.weights = [p.detach() for p in self.module.parameters()]
        self.steps = 0
        self.move = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]  # torch's own

    def update(self) -> None:
        """Take a step towards the weights that are followed; the first goes all the way."""
        if self.steps:
            self.move(self.weights, self.followed, self.steps)
        else:
            for weight, followed in zip(self.weights, self.followed, strict=True):
                weight.copy_(followed)
        self.steps += 1

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next update depends on."""
        return {"steps": self.steps, "module": self.module.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`."""
        self.steps = state["steps"]
        self.module.load_state_dict(state["module"])


class Step:
    """What is done with each batch.

    Args:
        model: The network, on its device, in training mode.
        recipe: Settings.
        processes: Who shares the batch.
        optimizer: Makes the optimizer of the network; the recipe's if None.

    Attributes:
        kept: The network that is validated and kept: the average of the weights over time, or
            the network itself.
        captures: Whether a step on a GPU is captured as a CUDA graph.
    """

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe,
        processes: Distributed,
        optimizer: MakeOptimizer | None = None,
    ) -> None:
        self.model = model
        self.recipe = recipe
        self.processes = processes
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = optimizer(model) if optimizer else self._recipes_optimizer()
        self.kept: nn.Module = model
        if recipe.ema_decay is not None:
            self.average = EMA(model, recipe.ema_decay)
            self.kept = self.average.module
        self.plain = ModelWithLoss(model, recipe, processes)
        self.captures = processes.world_size == 1 and recipe.accumulate == 1
        self.captured: dict[torch.Size, nn.Module] = {}

    def __call__(self, parts: Iterable[MicroBatch], rate: float) -> torch.Tensor:
        """Learn from a batch.

        Args:
            parts: The batch, in parts that are handled one after the other.
            rate: Learning rate.

        Returns:
            The loss of the whole batch, a scalar on the device.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("lr_scale", 1.0)
        self.optimizer.zero_grad(set_to_none=True)
        losses = []
        for x, target, fraction in parts:
            loss = fraction * self._loss_of(x)(x, target)
            loss.backward()
            losses.append(loss.detach())
        self.processes.all_reduce_gradients(self.parameters)
        self.optimizer.step()
        if self.kept is not self.model:
            self.average.update()
        return torch.stack(losses).sum()

    def _recipes_optimizer(self) -> torch.optim.Optimizer:
        muon = self.recipe.optimizer == "muon"
        make = MuonWithAdamW if muon else partial(torch.optim.AdamW, fused=True)
        rate, decay = self.recipe.learning_rate, self.recipe.weight_decay
        return make(self.parameters, lr=rate, weight_decay=decay)

    def recalibrate_batchnorm(self, inputs: Iterable[torch.Tensor]) -> None:
        """Measure BatchNorm's statistics again, if the weights that are kept are averages.

        Neither the latest statistics nor their average are those of averaged weights. In
        LMSAUNet's chains of norms the difference grows until it finds nothing.

        Args:
            inputs: Some of the network's inputs (B, C, H, W); not looked at if there is no need.
        """
        if self.kept is not self.model:
            update_bn(inputs, self.kept)

    def _loss_of(self, x: torch.Tensor) -> nn.Module:
        """The loss; on a GPU captured as one graph, for the launches of small kernels cost most.

        Batches of every other size than the first, the last of an epoch among them, run uncaptured.
        So do batches in several parts: a graph writes all its gradients to the same memory, which
        the parameters' gradients share, so that a second part would overwrite those of the first.
        """
        if not self.captures or x.device.type != "cuda":
            return self.plain
        if not self.captured:
            self.captured[x.shape] = self._capture(x)
        return self.captured.get(x.shape, self.plain)

    def _capture(self, x: torch.Tensor) -> nn.Module:
        loss = ModelWithLoss(self.model, self.recipe, self.processes)
        target = x.new_zeros(len(x), 1, *x.shape[2:])
        try:
            # A resumed run captures again: Dropout must not draw for it, or it would draw on from
            # elsewhere than in a run that was not stopped.
            with torch.random.fork_rng([x.device]):
                # Of a module it makes a module, which its type does not say.
                return cast(nn.Module, torch.cuda.make_graphed_callables(loss, (x.clone(), target)))
        except RuntimeError as error:
            warnings.warn(
                f"the step cannot be captured as a CUDA graph and runs slower: {error}",
                stacklevel=2,
            )
            return self.plain

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on."""
        return {
            "model_state_dict": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state_dict() if self.kept is not self.model else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`."""
        self.model.load_state_dict(state["model_state_dict"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.kept is not self.model:
            self.average.load_state_dict(state["average"])
