"""What every segmentation network of the zoo has in common."""

import functools
import inspect
import math
import os
import types
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, overload

import torch
from torch import nn

from skinseg import hub
from skinseg.arguments import require_whole
from skinseg.checkpoint import StateDict, adapt_channels, fill, read_state_dict
from skinseg.models.authors import AuthorsCode
from skinseg.models.citation import Citation
from skinseg.models.features import FeatureInfo
from skinseg.models.grad_checkpointing import checkpointed
from skinseg.models.input_check import check_images
from skinseg.models.new_head import replace_layers
from skinseg.pretrained import PretrainedCfg
from skinseg.registry import is_model, model_class

if TYPE_CHECKING:
    from typing_extensions import Self


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
        classifier: Names of the modules whose channels depend on the number of classes.
        backbones: Names, within the encoder, of the parts that image classifiers' weights are
            published of; the encoder itself is ``""``.
        grad_checkpointing: Whether activations are computed again in the backward pass; see
            :meth:`set_grad_checkpointing`.
        align_corners: How logits are enlarged to the input's size, as in
            :func:`torch.nn.functional.interpolate`.
        authors_code: How checkpoints of the authors' code are recognized; None where there are
            none to recognize.
        paper: Where the family was published; None where nobody says.
    """

    architecture: str = ""
    first_conv: str | tuple[str, ...]
    classifier: ClassVar[tuple[str, ...]] = ("head",)
    backbones: ClassVar[tuple[str, ...]] = ("",)
    align_corners: ClassVar[bool] = True
    authors_code: ClassVar[AuthorsCode | None] = None
    paper: ClassVar[Citation | None] = None
    num_aux: int = 0
    grad_checkpointing: bool = False
    encoder: nn.Module
    feature_info: FeatureInfo
    head: nn.Module

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
        type.__setattr__(cls, "forward", functools.update_wrapper(own, shared))

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        names = ("in_chans", "num_classes")
        self.config = {**config, **{name: require_whole(name, config[name]) for name in names}}
        self.pretrained_cfg: PretrainedCfg | None = None

    @property
    def in_chans(self) -> int:
        """Channels of the input."""
        in_chans: int = self.config["in_chans"]
        return in_chans

    @property
    def num_classes(self) -> int:
        """Channels of the logits."""
        num_classes: int = self.config["num_classes"]
        return num_classes

    @property
    def num_features(self) -> int:
        """Channels of :meth:`forward_features`."""
        return self.feature_info.channels()[-1]

    @property
    def default_cfg(self) -> PretrainedCfg | None:
        """The same as :attr:`pretrained_cfg`, by timm's older name."""
        return self.pretrained_cfg

    @property
    def first_convs(self) -> tuple[str, ...]:
        """:attr:`first_conv` as a tuple, also where it is one name."""
        return (self.first_conv,) if isinstance(self.first_conv, str) else self.first_conv

    @property
    def first_weights(self) -> list[str]:
        """Names of the weights of :attr:`first_conv`."""
        return [f"{name}.weight" for name in self.first_convs]

    def decode(self, features: list[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Turn the encoder's maps into the head's input and the auxiliary logits."""
        raise NotImplementedError

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        """Return the encoder's deepest feature map of ``x`` (B, in_chans, H, W)."""
        self.check_input(x)
        return self._encode(x)[len(self.feature_info) - 1]

    @overload
    def forward(self, x: torch.Tensor, return_aux: Literal[False] = False) -> torch.Tensor: ...

    @overload
    def forward(
        self, x: torch.Tensor, return_aux: Literal[True]
    ) -> tuple[torch.Tensor, list[torch.Tensor]]: ...

    @overload
    def forward(
        self, x: torch.Tensor, return_aux: bool
    ) -> torch.Tensor | tuple[torch.Tensor, list[torch.Tensor]]: ...

    def forward(
        self, x: torch.Tensor, return_aux: bool = False
    ) -> torch.Tensor | tuple[torch.Tensor, list[torch.Tensor]]:
        """Segment a batch.

        Args:
            x: Images (B, in_chans, H, W), floating point, H and W at least 32, normalized as the
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
        if self.grad_checkpointing and torch.is_grad_enabled():
            maps = checkpointed(self._encode, x, self)
            decoded, aux = checkpointed(self.decode, maps, self)
        else:
            decoded, aux = self.decode(self._encode(x))
        logits = self._to_size_of(x, self.head(decoded))
        if not return_aux:
            return logits
        return logits, [self._to_size_of(x, logit) for logit in aux]

    if TYPE_CHECKING:
        # nn.Module says that a call returns anything; it returns what forward does.
        __call__ = forward

    def _encode(self, x: torch.Tensor) -> list[torch.Tensor]:
        maps: list[torch.Tensor] = self.encoder(x)
        return maps

    def _to_size_of(self, x: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        return nn.functional.interpolate(
            logits, size=x.shape[-2:], mode="bilinear", align_corners=self.align_corners
        )

    def check_input(self, x: torch.Tensor) -> None:
        """Raise if ``x`` cannot be segmented; see :meth:`forward`."""
        check_images(x, self.in_chans)

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Train in less memory and more time: compute activations again in the backward pass.

        Encoder and decoder are each computed a second time when their turn in the backward pass
        comes, so that the activations of one of them are in memory, not of both. The
        gradients are the same, and so are BatchNorm's statistics. Without gradients, in
        evaluation, nothing changes.

        Args:
            enable: False to keep activations again.

        Example:
            >>> import skinseg
            >>> net = skinseg.create_model("malunet")
            >>> net.set_grad_checkpointing()
            >>> net(torch.randn(2, 3, 64, 64)).sum().backward()
        """
        self.grad_checkpointing = enable

    def get_classifier(self) -> nn.Module:
        """Return the head, the layer that gives the logits.

        Example:
            >>> import skinseg
            >>> skinseg.create_model("malunet", num_classes=2).get_classifier().out_channels
            2
        """
        return self.head

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Replace the head by a new one with ``num_classes`` outputs, on the same device.

        With it goes all of :attr:`classifier`: heads of auxiliary outputs, or layers before the
        head that have a channel for each class. Blocks that were put before one of them stay.

        Args:
            num_classes: Channels of the logits.
            global_pool: None or ``""``: these networks do not pool before the head. It is here for
                code that was written for timm.

        Raises:
            TypeError: If ``num_classes`` is no whole number.
            ValueError: If it is less than 1, a block was put in the place of such a layer, or
                after it, or ``global_pool`` names a pooling.

        Example:
            >>> import skinseg
            >>> net = skinseg.create_model("malunet")
            >>> net.reset_classifier(4)
            >>> net.num_classes, net.head.out_channels
            (4, 4)
        """
        refuse_pooling(global_pool)
        num_classes = require_whole("num_classes", num_classes)
        config = {**self.config, "num_classes": num_classes}
        new = type(self)(**config).train(self.training).to(next(self.head.parameters()))
        replace_layers(self, new, self.classifier)
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
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike[str],
        *,
        revision: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        token: str | bool | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        **kwargs: Any,
    ) -> "Self":
        """Load a network from the Hugging Face Hub or from a folder, in evaluation mode.

        Arguments are named as in ``huggingface_hub.PyTorchModelHubMixin``. The network is that of
        :func:`skinseg.create_model` with ``hf-hub:`` or ``local-dir:``, where it is in training
        mode.

        Args:
            pretrained_model_name_or_path: ``org/name`` or ``org/name@revision``, or a folder.
            revision: Branch, tag or commit.
            cache_dir: Folder of the cache, in place of the client's.
            token: Token, in place of that of ``HF_TOKEN`` or of ``hf auth login``; False for none.
            force_download: Fetch the files though they are in the cache.
            local_files_only: Take them from the cache alone.
            **kwargs: Arguments of the network other than the record's, such as ``num_classes``.

        Returns:
            The network.

        Raises:
            HubError: If the repository or the network is out of reach and the cache is empty.
            CheckpointError: If the weights are not those of the record.
            ValueError: If it is a network of another family than this class's, the config cannot be
                read, or a folder is given a revision.
            TypeError: If the network does not take an argument.

        Example:
            >>> import skinseg, tempfile
            >>> net = skinseg.create_model("egeunet", pretrained=True)
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     net.save_pretrained(folder)
            ...     again = skinseg.models.EGEUNet.from_pretrained(folder)
            >>> again.pretrained_cfg.name, again.training
            ('egeunet.isic2017', False)
        """
        from skinseg.models.loading import network_of

        how = hub.Fetching(
            cache_dir=cache_dir,
            token=token,
            force_download=force_download,
            local_files_only=local_files_only,
        )
        cfg = hub.open_place(pretrained_model_name_or_path, revision, how)
        family = model_class(cfg.architecture) if is_model(cfg.architecture) else None
        known = family is not None and issubclass(family, SegmentationModel)
        network = (
            None if known and not issubclass(family or object, cls) else network_of(cfg, kwargs)
        )
        if not isinstance(network, cls):
            raise ValueError(
                f"{pretrained_model_name_or_path} holds a {cfg.architecture}, which is no "
                f"{cls.__name__}; skinseg.create_model loads any network"
            )
        return network.eval()

    def push_to_hub(
        self,
        repo_id: str,
        *,
        commit_message: str | None = None,
        private: bool | None = None,
        token: str | bool | None = None,
        branch: str | None = None,
        record: PretrainedCfg | None = None,
    ) -> str:
        """Publish the network on the Hugging Face Hub, as :func:`skinseg.push_to_hub` does.

        Arguments are named as in ``huggingface_hub.PyTorchModelHubMixin``.

        Args:
            repo_id: ``org/name``; the repository is made if there is none.
            commit_message: What the history says; the network's name by default.
            private: Whether a new repository is private; None leaves that to the account.
            token: Token that may write; that of ``HF_TOKEN`` or of ``hf auth login`` by default.
            branch: Branch to commit to, made if there is none; the main branch by default.
            record: As in :meth:`save_pretrained`.

        Returns:
            The address of the commit.

        Raises:
            HubError: If the Hub refuses, or cannot be reached.
            CheckpointError: If the record has the name of known weights, and these are others.
            ValueError: If ``repo_id`` is not ``org/name``.
            TypeError: If the network was not made by :func:`skinseg.create_model`.

        Example:
            >>> import skinseg
            >>> net = skinseg.create_model("egeunet", pretrained=True)
            >>> net.push_to_hub("org/egeunet-isic2017")  # doctest: +SKIP
        """
        commit = hub.push_to_hub(
            self,
            repo_id,
            private=private,
            revision=branch,
            token=token,
            commit_message=commit_message,
            record=record,
        )
        return commit.commit_url

    def load_encoder_weights(self, path: str | os.PathLike[str]) -> None:
        """Load published weights of an image classifier into the encoder, every one of them.

        The names are those of the library that published them; see the network's
        ``convert_encoder_weights``. Where the input has other channels, the first convolution is
        adapted. Where only a part of the encoder is an image classifier, or each of two parts is
        one, that part is filled which the names belong to. Decoder and head stay as they are.

        Args:
            path: ``.safetensors``, or a file of :func:`torch.save`.

        Raises:
            CheckpointError: If the file cannot be read, or a weight is missing, left over, or of
                another shape. The network is then unchanged.
            NotImplementedError: If no library publishes weights of this encoder.

        Example:
            >>> import skinseg
            >>> net = skinseg.create_model("bisenet", in_chans=4)
            >>> net.load_encoder_weights("resnet18.safetensors")  # doctest: +SKIP
        """
        state = self.convert_encoder_weights(read_state_dict(path))
        for name in (first.removeprefix("encoder.") for first in self.first_weights):
            if name in state and state[name].shape[1] != self.in_chans:
                state[name] = adapt_channels(state[name], self.in_chans)
        inside = [part for part in self.backbones if any(key.startswith(part) for key in state)]
        part = (inside or self.backbones)[0]
        prefix = f"{part}." if part else ""
        state = {key.removeprefix(prefix): value for key, value in state.items()}
        fill(self.encoder.get_submodule(part), state, str(path))

    def convert_encoder_weights(self, state: StateDict) -> StateDict:
        """Rename published weights of the encoder to :attr:`encoder`'s own names.

        Args:
            state: Weights by the names of the library that published them.

        Returns:
            The encoder's weights; those of the classifier that it was trained with are left out.

        Raises:
            NotImplementedError: If no library publishes weights of this encoder.
        """
        raise NotImplementedError(
            f"no library publishes weights of {type(self).__name__}'s encoder"
        )

    @classmethod
    def convert_authors_weights(cls, state: StateDict) -> StateDict:
        """Rename the weights of the authors' checkpoint to this network's names."""
        raise NotImplementedError


def refuse_pooling(global_pool: str | None) -> None:
    """Raise if a pooling is asked for, which would leave one vector of an image, and no mask."""
    if global_pool:
        raise ValueError(
            "a segmentation network does not pool before its head: global_pool must be None or "
            f"'', not {global_pool!r}"
        )


def upsample(x: torch.Tensor, size: Sequence[int], mode: str = "bilinear") -> torch.Tensor:
    """Resize ``x`` (B, C, h, w) to ``size``; bilinear aligns corners, as all six-stage nets do."""
    align_corners = mode == "bilinear"
    return nn.functional.interpolate(x, size=size, mode=mode, align_corners=align_corners)


def init_conv(module: nn.Module) -> None:
    """Initialize as the authors of MALUNet and EGE-UNet do; for ``network.apply``."""
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
