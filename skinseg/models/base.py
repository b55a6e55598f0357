"""What every segmentation network of the zoo has in common."""

import functools
import inspect
import math
import os
import types
from typing import Any, ClassVar

import torch
from torch import nn

from skinseg import hub
from skinseg.checkpoint import StateDict
from skinseg.models.authors import AuthorsCode
from skinseg.models.citation import Citation
from skinseg.models.features import FeatureInfo
from skinseg.pretrained import PretrainedCfg

MIN_SIZE = 32


class SegmentationModel(nn.Module):
    """Base class: an encoder, a way back to the input's size, and a convolution as the head.

    A subclass sets :attr:`encoder` (a module that returns its feature maps as a list),
    :attr:`feature_info`, and :attr:`head`, and implements :meth:`decode`.

    Attributes:
        architecture: Registered name that it was created by; empty for a class called directly.
        config: The constructor's arguments; JSON-able, and enough to build the network again.
        pretrained_cfg: Record of the weights that it was created with, or None.
        feature_info: Description of the encoder's feature maps.
        num_aux: How many auxiliary outputs ``forward(x, return_aux=True)`` gives.
        first_conv: Name of the convolution that sees the input's channels; a tuple of names
            where several do.
        align_corners: How logits are enlarged to the input's size, as in
            :func:`torch.nn.functional.interpolate`.
        authors_code: How checkpoints of the authors' code are recognized; None where there are
            none to recognize.
        paper: Where the family was published; None where nobody says.
    """

    architecture: str = ""
    first_conv: ClassVar[str | tuple[str, ...]]
    align_corners: ClassVar[bool] = True
    authors_code: ClassVar[AuthorsCode | None] = None
    paper: ClassVar[Citation | None] = None
    num_aux: int = 0
    encoder: nn.Module
    feature_info: FeatureInfo
    head: nn.Conv2d

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # torch.compile keeps a limited number of graphs for each code object. With a code object
        # of its own, a family is not refused because many others were compiled before it. A
        # forward that a class of the family defines itself stays as it is.
        shared = SegmentationModel.forward
        if inspect.unwrap(cls.forward) is not shared:
            return
        own = types.FunctionType(
            shared.__code__.replace(), shared.__globals__, argdefs=shared.__defaults__
        )
        cls.forward = functools.update_wrapper(own, shared)

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        for name in ("in_chans", "num_classes"):
            if not isinstance(config[name], int) or config[name] < 1:
                raise ValueError(f"{name} must be a positive integer, not {config[name]!r}")
        self.config = config
        self.pretrained_cfg: PretrainedCfg | None = None

    @property
    def in_chans(self) -> int:
        """Channels of the input."""
        return self.config["in_chans"]

    @property
    def num_classes(self) -> int:
        """Channels of the logits."""
        return self.config["num_classes"]

    def decode(self, features: list[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Turn the encoder's maps into the head's input and the auxiliary logits."""
        raise NotImplementedError

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        """Return the encoder's deepest feature map of ``x`` (B, in_chans, H, W)."""
        self.check_input(x)
        return self.encoder(x)[-1]

    def forward(
        self, x: torch.Tensor, return_aux: bool = False
    ) -> torch.Tensor | tuple[torch.Tensor, list[torch.Tensor]]:
        """Segment a batch.

        Args:
            x: Images (B, in_chans, H, W), floating point, H and W at least 32, normalised as the
                weights' record says.
            return_aux: Also return the auxiliary outputs of deep supervision.

        Returns:
            Logits (B, num_classes, H, W); with ``return_aux`` the pair of them and a list of
            auxiliary logits (B, 1, H, W), or (B, num_classes, H, W) where the family says so,
            coarsest first, empty for networks without any.

        Raises:
            TypeError: If ``x`` is not a floating-point tensor.
            ValueError: If its rank, channels or size do not fit.
        """
        self.check_input(x)
        decoded, aux = self.decode(self.encoder(x))
        logits = self._to_size_of(x, self.head(decoded))
        if not return_aux:
            return logits
        return logits, [self._to_size_of(x, logit) for logit in aux]

    def _to_size_of(self, x: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        return nn.functional.interpolate(
            logits, size=x.shape[-2:], mode="bilinear", align_corners=self.align_corners
        )

    def check_input(self, x: torch.Tensor) -> None:
        """Raise if ``x`` cannot be segmented; see :meth:`forward`."""
        if torch.jit.is_tracing():
            return
        if not isinstance(x, torch.Tensor) or not x.is_floating_point():
            kind = x.dtype if isinstance(x, torch.Tensor) else type(x).__name__
            raise TypeError(
                f"the input must be a floating-point tensor, not {kind}; convert it with "
                "x.float(), or pass images to skinseg.Predictor"
            )
        if x.ndim != 4:
            raise ValueError(
                f"the input must have 4 dimensions (B, {self.in_chans}, H, W), not {x.ndim}: "
                f"its shape is {tuple(x.shape)}; add a batch dimension with x[None]"
            )
        if x.shape[1] != self.in_chans:
            raise ValueError(
                f"the input has {x.shape[1]} channels and the network takes {self.in_chans}; "
                f"create it with in_chans={x.shape[1]}"
            )
        if x.shape[2] < MIN_SIZE or x.shape[3] < MIN_SIZE:
            raise ValueError(
                f"the input is {x.shape[2]}x{x.shape[3]} and must be at least "
                f"{MIN_SIZE}x{MIN_SIZE}; resize it"
            )

    def reset_head(self, num_classes: int) -> None:
        """Replace the head by a new one with ``num_classes`` outputs, on the same device."""
        if num_classes < 1:
            raise ValueError(f"num_classes must be a positive integer, not {num_classes!r}")
        old = self.head
        self.head = nn.Conv2d(
            old.in_channels, num_classes, old.kernel_size, padding=old.padding
        ).to(old.weight)
        init_conv(self.head)
        self.config["num_classes"] = num_classes

    def save_pretrained(
        self, folder: str | os.PathLike[str], *, record: PretrainedCfg | None = None
    ) -> None:
        """Write the network into a folder, as :func:`skinseg.push_to_hub` publishes it.

        ``model.safetensors`` holds the weights, ``config.json`` their record, ``README.md`` the
        model card. ``create_model("local-dir:FOLDER")`` loads the folder.

        What :attr:`pretrained_cfg` says of training and scores is written only if the weights
        are still those of its file; of changed ones it tells nothing.

        Args:
            folder: Made if it does not exist; the three files are replaced.
            record: What is known of the weights, in place of :attr:`pretrained_cfg`. Architecture,
                arguments, number of parameters and hash are filled in.

        Raises:
            TypeError: If the network was not made by :func:`skinseg.create_model`.
            OSError: If the folder cannot be written to.

        Example:
            >>> import skinseg, tempfile
            >>> net = skinseg.create_model("egeunet", pretrained=True)
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     net.save_pretrained(folder)
            ...     skinseg.create_model(f"local-dir:{folder}").pretrained_cfg.name
            'egeunet.isic2017'
        """
        hub.save_pretrained(self, folder, record=record)

    @classmethod
    def convert_authors_weights(cls, state: StateDict) -> StateDict:
        """Rename the weights of the authors' checkpoint to this network's names."""
        raise NotImplementedError


def upsample(x: torch.Tensor, size: tuple[int, int], mode: str = "bilinear") -> torch.Tensor:
    """Resize ``x`` (B, C, h, w) to ``size``; bilinear aligns corners, as all six-stage nets do."""
    align_corners = mode == "bilinear"
    return nn.functional.interpolate(x, size=size, mode=mode, align_corners=align_corners)


def init_conv(module: nn.Module) -> None:
    """Initialise as the authors of MALUNet and EGE-UNet do; for ``network.apply``."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Conv1d):
        fan_out = module.kernel_size[0] * module.out_channels
        nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
    elif isinstance(module, nn.Conv2d):
        fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
        nn.init.normal_(module.weight, std=math.sqrt(2 * module.groups / fan_out))
        if module.bias is not None:
            nn.init.zeros_(module.bias)
