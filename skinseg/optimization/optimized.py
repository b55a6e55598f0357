"""A network in its fast form, used as the network itself is."""

import copy
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from skinseg.allocator import keep_freed_memory
from skinseg.data.synthetic import synthetic_lesion
from skinseg.errors import OptimizationError
from skinseg.models.base import SegmentationModel
from skinseg.models.input_check import MIN_SIZE
from skinseg.optimization.derive import derive
from skinseg.optimization.eager import Function, as_function
from skinseg.optimization.packing import pack_convolutions

# Rounding by which both forms may differ from the exact result: of the largest logit, and in
# multiples of the published form's own rounding.
_TOLERANCE, _MULTIPLE = 1e-5, 4
_SIZES_KEPT = 4


class OptimizedModel(nn.Module):
    """The fast form of a network: equal logits in less time, for inference only.

    It is derived for each size of images when the first of them comes, which takes some seconds,
    and kept for the last four sizes. Several threads may use it at once. Where it is copied or
    pickled, the copy derives its forms again. It computes in single precision, whatever the
    network's is, also under autocast.

    Args:
        model: A network of this package.
        verify: Compare each derived form with the published one.

    Attributes:
        published: The network itself, which still trains, saves and counts; of a network that is
            not in single precision, a copy that is.
        config, pretrained_cfg, in_chans, num_classes: Those of the network.
    """

    def __init__(self, model: SegmentationModel, *, verify: bool = True) -> None:
        super().__init__()
        single = next(model.parameters()).dtype == torch.float32
        self.published = model if single else copy.deepcopy(model).float()
        self.verify = verify
        self.config = model.config
        self.pretrained_cfg = model.pretrained_cfg
        self.in_chans = model.in_chans
        self.num_classes = model.num_classes
        self.training = False
        self._forget()
        self.register_load_state_dict_post_hook(_forget_forms)  # type: ignore[no-untyped-call]
        keep_freed_memory()

    def _forget(self) -> None:
        self._functions: OrderedDict[tuple[torch.Size, torch.device], Function] = OrderedDict()
        self._deriving = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """All but the derived forms, which are functions and cannot be copied."""
        return {k: v for k, v in vars(self).items() if k not in ("_functions", "_deriving")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take what :meth:`__getstate__` left."""
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._forget()

    def train(self, mode: bool = True) -> "OptimizedModel":
        """Refuse training: the constants of the fast form are computed from today's weights.

        Raises:
            RuntimeError: If ``mode`` is true.
        """
        if mode:
            raise RuntimeError(
                "an optimized network cannot train; train its `published` network and optimize "
                "that again"
            )
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Segment a batch (B, in_chans, H, W) as the published network does.

        Returns:
            Logits (B, num_classes, H, W), float32.

        Raises:
            TypeError: If ``x`` is not a floating-point tensor.
            ValueError: If its rank, channels or size do not fit.
            OptimizationError: If a form that is derived for a new size differs from the published
                one.
        """
        self.published.check_input(x)
        return self.prepare(x.shape[-2:])(x.float())

    def prepare(self, size: Sequence[int]) -> Function:
        """Derive the form for images of ``size`` (height, width), unless it is there already."""
        device = next(self.published.parameters()).device
        key = (torch.Size(size), device)
        height, width = size
        # Whoever comes while another thread derives a form waits for it.
        with self._deriving:
            function = self._functions.get(key) or self._derived((height, width), device)
            self._functions[key] = function
            self._functions.move_to_end(key)
            while len(self._functions) > _SIZES_KEPT:
                self._functions.popitem(last=False)
        return function

    def _derived(self, size: tuple[int, int], device: torch.device) -> Function:
        module = derive(self.published, size, self.in_chans)
        if device.type == "cpu" and torch._C._has_mkldnn:
            pack_convolutions(module)
        function = as_function(module, device)
        if self.verify:
            check_equal(function, self.published, size)
        return function


def _forget_forms(model: OptimizedModel, _: Any) -> None:
    """Drop forms that were derived from earlier weights; a function that can be pickled."""
    model._forget()


def check_equal(function: Function, model: SegmentationModel, size: tuple[int, int]) -> float:
    """Compare a fast form with the published one, on noise and on a synthetic lesion.

    Args:
        function: Fast form.
        model: Published form.
        size: Height and width of the images, in pixels.

    Returns:
        The largest difference of the fast form from the exact result, relative to the largest
        logit or 1.

    Raises:
        OptimizationError: If it is more than 1e-5 and more than four times the published form's
            own in the layout of memory that is worse, each measured against double precision.
    """
    device = next(model.parameters()).device
    exact = copy.deepcopy(model).double().eval()
    published = copy.deepcopy(model).float().eval()
    x = _examples(model, size).to(device)
    # The tolerance follows the published form's rounding, which autocast would make coarse.
    with torch.no_grad(), torch.autocast(device.type, enabled=False):
        truth = exact(x.double())
        scale = max(1.0, float(truth.abs().max()))
        # The fast form keeps maps channels-last, where torch's group normalization is less exact.
        layouts = x, x.contiguous(memory_format=torch.channels_last)
        rounding = max(_difference(published(y), truth) for y in layouts) / scale
        error = _difference(function(x), truth) / scale
    if not error <= max(_TOLERANCE, _MULTIPLE * rounding):
        raise OptimizationError(
            f"the fast form for {size[0]}x{size[1]} images differs from the published network by "
            f"{error:.1e} of the largest logit, more than rounding ({rounding:.1e}); use the "
            "network itself, and please report it with the network's name and config"
        )
    return error


def _difference(logits: torch.Tensor, truth: torch.Tensor) -> float:
    return float((logits.double() - truth).abs().max())


def _examples(model: SegmentationModel, size: tuple[int, int]) -> torch.Tensor:
    """Noise and a synthetic photograph (2, in_chans, H, W), normalized as its record says."""
    chance = torch.Generator().manual_seed(0)
    noise = torch.randn(1, model.in_chans, *size, generator=chance)
    image, _ = synthetic_lesion(0, size=max(size))
    photograph = torch.from_numpy(image).permute(2, 0, 1)[None, :1, : size[0], : size[1]].float()
    photograph = (photograph - photograph.mean()) / photograph.std()
    return torch.cat([noise, photograph.expand(-1, model.in_chans, -1, -1)])


def optimize(
    model: SegmentationModel, size: int | tuple[int, int] | None = None, *, verify: bool = True
) -> OptimizedModel:
    """Return a network's fast form: the same logits, sooner.

    The fast form is derived from the published one by rules: what does not depend on the image is
    computed once, BatchNorm is folded into convolutions, maps are narrowed before they are
    enlarged and pooled before they are scaled, small convolutions are joined. It runs operator by
    operator, without a compiler. The network itself is not changed.

    Args:
        model: A network of this package, with its weights; on a CPU or a GPU.
        size: Side, or height and width, of the images to prepare for, in pixels; that of the
            weights' record by default. Other sizes are prepared when they come.
        verify: Compare the fast form with the published one in double precision; one more pass of
            the network at each size.

    Returns:
        A module for inference that takes and gives what ``model`` does.

    Raises:
        TypeError: If ``model`` is not a network of this package.
        ValueError: If a side has fewer than 32 pixels.
        OptimizationError: If the forms differ by more than rounding.

    Example:
        >>> import skinseg, torch
        >>> fast = skinseg.optimize(skinseg.create_model("egeunet", pretrained=True), 64)
        >>> fast(torch.randn(2, 3, 64, 64)).shape
        torch.Size([2, 1, 64, 64])
    """
    if not isinstance(model, SegmentationModel):
        raise TypeError(
            f"optimize takes a network of this package, not {type(model).__name__}; make one with "
            "skinseg.create_model"
        )
    if size is None:
        record = model.pretrained_cfg
        size = (256, 256) if record is None else record.input_size[1:]
    height, width = (size, size) if isinstance(size, int) else size
    if min(height, width) < MIN_SIZE:
        raise ValueError(f"sides must be {MIN_SIZE} pixels or more, not {height}x{width}")
    optimized = OptimizedModel(model, verify=verify)
    optimized.prepare((height, width))
    return optimized
