"""From a network to one verified file."""

import contextlib
import dataclasses
import importlib.metadata
import importlib.util
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from skinseg.errors import MissingPackageError
from skinseg.exporting.checks import check_file, tolerance
from skinseg.exporting.graphs import Source, fast_graph, published
from skinseg.exporting.preprocessing import Preprocessed
from skinseg.exporting.report import ExportError, ExportReport
from skinseg.exporting.wrapped import refuse_wrapped
from skinseg.exporting.writers import FORMATS, Format
from skinseg.factory import create_model
from skinseg.hub.origin import channels_in
from skinseg.hub.save import record_of
from skinseg.models.input_check import MIN_SIZE
from skinseg.names import near_matches
from skinseg.optimization.forms import use_forms
from skinseg.runtimes.base import FileRuntime
from skinseg.runtimes.files import RUNTIMES_OF, open_file
from skinseg.runtimes.metadata import ExportMetadata

OUTPUTS = ("probability", "mask")


def export(
    model: str | nn.Module,
    output: str | os.PathLike[str] | None = None,
    *,
    format: str = "onnx",
    size: int | tuple[int, int] | str | None = None,
    half: bool = False,
    with_preprocessing: bool = False,
    result: str = "probability",
) -> ExportReport:
    """Write a network into one file that other runtimes run, and verify the file.

    What is written is the network's fast form (see :func:`skinseg.optimize`). The file is opened
    and compared with the published network on random and on synthetic dermoscopy images, at two
    batch sizes, and at four sizes where it takes any; a file that differs is not kept. Its metadata
    has name, hash and license of the weights, input size, normalization and threshold, so that
    ``skinseg.Predictor(file)`` and ``skinseg predict --model FILE`` need nothing else.

    Args:
        model: Name for :func:`skinseg.create_model`, with its weights; or a network with one
            output (B, num_classes, h, w).
        output: File to write, in a folder that is made where there is none. By default it is in
            the current folder and has the name of the weights, as ``egeunet.isic2017.onnx``, or of
            the folder of ``"local-dir:FOLDER"``. An existing file is replaced. OpenVINO's weights
            lie in a ``.bin`` file beside it.
        format: ``"onnx"``, ``"openvino"``, ``"torchscript"``, ``"pt2"`` (an exported program of
            torch), or ``"executorch"`` (phones; XNNPACK).
        size: Side, or height and width, of the images that the network will see; that of the
            weights' record by default. ``"dynamic"`` for images of any size, which is slower.
        half: Keep the weights in half precision, for a file of half the size. The network computes
            in single precision all the same.
        with_preprocessing: Take uint8 RGB images (B, H, W, 3) of any size, and return what
            ``result`` says at that size. Resizing and normalization are inside.
        result: With preprocessing: ``"probability"``, float32 (B, 1, H, W), or ``"mask"``, uint8
            (B, 1, H, W), 255 where the probability reaches the record's threshold.

    Returns:
        The checks, the path, and what is in the file.

    Raises:
        ValueError: If an argument is wrong, the format cannot do what is asked, or there are no
            weights of that name.
        TypeError: If ``model`` is a network in a wrapper, as of ``torch.compile``.
        ModuleNotFoundError: If a package that the format needs is not installed.
        ExportError: If the network cannot be written in the format, or a check fails.
        OSError: If the file cannot be written.

    Example:
        >>> import skinseg, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     report = skinseg.export("basic_unet", f"{folder}/net.pt2", format="pt2", size=64)
        ...     skinseg.Predictor(report.path).input_size, len(report.checks)
        ((64, 64), 4)
    """
    written = _format(format)
    _check_options(format, written, size, half, with_preprocessing, result)
    _check_installed(format, written)
    network = create_model(model, pretrained=True) if isinstance(model, str) else model
    refuse_wrapped(network)
    network = published(network)
    metadata = _metadata(network, written, size, half, result if with_preprocessing else "logits")
    path = Path(output or f"{_stem(model, metadata)}{written.suffix}").expanduser()
    _check_path(path, format, written)
    # Files compute in single precision, and are compared with networks that do.
    with _temporary_folder(path) as folder, torch.autocast("cpu", enabled=False):
        temporary = folder / path.name
        nodes = _written(network, metadata, written, temporary, format)
        runtime = open_file(temporary)
        checks = check_file(runtime, network, _sizes(metadata))
        files = _moved(folder, path)
    return ExportReport(
        path=path,
        files=files,
        model=metadata.record.name,
        format=format,
        bytes=sum(file.stat().st_size for file in files),
        nodes=nodes,
        runtime=_runtime_name(runtime, path),
        tolerance=tolerance(metadata),
        checks=checks,
    )


def _format(name: str) -> Format:
    if name not in FORMATS:
        raise ValueError(f"there is no format {name!r}; {near_matches(name, FORMATS)}")
    return FORMATS[name]


def _check_options(
    name: str, written: Format, size: object, half: bool, with_preprocessing: bool, result: str
) -> None:
    if result not in OUTPUTS:
        raise ValueError(f"result must be 'probability' or 'mask', not {result!r}")
    if result != "probability" and not with_preprocessing:
        raise ValueError("a mask comes out only with preprocessing; pass with_preprocessing=True")
    if isinstance(size, str) and size != "dynamic":
        raise ValueError(f"size must be a number, (height, width) or 'dynamic', not {size!r}")
    if size == "dynamic" and with_preprocessing:
        raise ValueError(
            "with preprocessing, images are resized to one size, whatever theirs; pass size=256 or "
            "the like"
        )
    for asked, able, what in (
        (size == "dynamic", written.dynamic, "take images of any size"),
        (half, written.half, "keep its weights in half precision"),
        (with_preprocessing, written.rgb, "prepare images"),
    ):
        if asked and not able:
            raise ValueError(f"a file of the format {name} cannot {what}")


def _stem(model: str | nn.Module, metadata: ExportMetadata) -> str:
    """What a file is called by default, but for its ending."""
    source, _, folder = model.partition(":") if isinstance(model, str) else ("", "", "")
    # Networks of one's own have records without a tag, which are all called by the architecture.
    own = Path(folder).expanduser().resolve().name if source == "local-dir" else ""
    return own or metadata.record.name


def _check_path(path: Path, name: str, written: Format) -> None:
    if path.suffix != written.suffix:
        raise ValueError(f"files of the format {name} end in {written.suffix}, not '{path}'")
    if path.is_dir():
        raise ValueError(
            f"'{path}' is a folder; name a file, such as '{path / 'net'}{path.suffix}'"
        )
    if path.parent.exists() and not path.parent.is_dir():
        raise ValueError(f"'{path.parent}' is a file, and nothing can be written into it")


@contextlib.contextmanager
def _temporary_folder(path: Path) -> Iterator[Path]:
    """A folder beside a file that is to be written, so that the file can be moved there whole."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(dir=path.parent, prefix=".skinseg-export-")
    except OSError as error:
        # By the name that the user gave it.
        raise OSError(error.errno, error.strerror, str(path)) from error
    with folder as name:
        yield Path(name)


def _check_installed(name: str, written: Format) -> None:
    missing = [p for p in written.packages if importlib.util.find_spec(p) is None]
    if missing:
        raise MissingPackageError(
            f"the format {name} needs {', '.join(missing)}: pip install {' '.join(missing)}",
            name=missing[0],
        )


def _metadata(
    network: nn.Module,
    written: Format,
    size: int | tuple[int, int] | str | None,
    half: bool,
    output: str,
) -> ExportMetadata:
    record, sha256 = record_of(network)
    if size is None:
        size = record.input_size[1:]
    fixed = None if isinstance(size, str) else (size, size) if isinstance(size, int) else size
    if fixed is not None and (len(fixed) != 2 or min(fixed) < MIN_SIZE):
        shown = "x".join(map(str, fixed))
        raise ValueError(f"sides must be {MIN_SIZE} pixels or more, not {shown}")
    input_size = (channels_in(network), *(fixed or record.input_size[1:]))
    classes = _num_classes(network, input_size)
    if output != "logits" and classes > 2:
        raise ValueError(
            f"the network has {classes} classes; masks and probabilities of a lesion are those of "
            "networks with one output or two"
        )
    if not 0 < record.threshold < 1:
        raise ValueError(
            f"the network's record has the threshold {record.threshold}; it must be above 0 and "
            "below 1: set network.pretrained_cfg to a record with another one"
        )
    return ExportMetadata(
        # What it takes, whatever size the network learned with.
        record=dataclasses.replace(record, file=None, input_size=input_size),
        weights_sha256=sha256,
        in_chans=input_size[0],
        num_classes=classes,
        size=fixed,
        batch=written.batch,
        input="normalized" if output == "logits" else "rgb",
        output=output,
        precision="float16" if half else "float32",
    )


def _num_classes(network: nn.Module, input_size: tuple[int, int, int]) -> int:
    """Channels of the logits: of a module that does not say, those of what it gives."""
    known = getattr(network, "num_classes", None)
    if isinstance(known, int):
        return known
    # Why a network cannot run is said where its file is written.
    with contextlib.suppress(Exception), torch.no_grad():
        return int(network(torch.zeros(1, *input_size)).shape[1])
    return 1


def _written(
    network: nn.Module, metadata: ExportMetadata, written: Format, path: Path, name: str
) -> int | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # On the inside of the exporters.
            return written.write(_source(network, metadata, written), path, metadata)
    except Exception as error:  # Exporters raise errors of many kinds.
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ExportError(
            f"{metadata.record.name} cannot be written in the format {name}: {reason}"
        ) from error


def _source(network: nn.Module, metadata: ExportMetadata, written: Format) -> Source:
    """What to write, with the inputs that the file takes."""
    channels = metadata.in_chans
    batch = torch.export.Dim("batch")
    if metadata.size is None:
        # The network itself, its blocks in their fast forms: the rules are for one size.
        module = published(network)
        use_forms(module)
        # Found out by torch.export, which takes a map of one pixel for a special case.
        sides = dict.fromkeys((2, 3), torch.export.Dim.AUTO)
        example = torch.zeros(2, channels, 160, 192)
        return Source(module=module, example=example, dynamic={0: batch, **sides})
    height, width = metadata.size
    graph = fast_graph(network, (height, width), channels, *written.rules)
    if metadata.batch is not None:
        example = torch.zeros(metadata.batch, channels, height, width)
        return Source(module=graph, example=example, dynamic={})
    if metadata.input == "normalized":
        example = torch.zeros(2, channels, height, width)
        return Source(module=graph, example=example, dynamic={0: batch})
    # Neither square nor of the network's size, which torch.export would take for the rule.
    images = torch.zeros(2, height + 40, width + 72, 3, dtype=torch.uint8)
    extent = dict.fromkeys((1, 2), torch.export.Dim.AUTO)
    whole = Preprocessed(graph, metadata, by_products=written.resizes_by_products).eval()
    return Source(module=whole, example=images, dynamic={0: batch, **extent})


def _sizes(metadata: ExportMetadata) -> tuple[tuple[int, int], ...]:
    """Sizes that the file is checked at."""
    height, width = metadata.size or metadata.record.input_size[1:]
    if metadata.input == "rgb":
        return (height, width), (height // 2 + 75, width + 93)
    if metadata.size is not None:
        return ((height, width),)
    # A size that nothing divides, the smallest one, and one of which a single side is short: of
    # the deepest maps, exporters and runtimes may take one position for a special case.
    return (height, width), (height // 2 + 33, width + 17), (MIN_SIZE, MIN_SIZE), (95, MIN_SIZE + 3)


def _moved(folder: Path, path: Path) -> tuple[Path, ...]:
    """Move what was written to its place, weights before the file that refers to them."""
    files = sorted(folder.iterdir(), key=lambda file: file.suffix == path.suffix)
    for file in files:
        os.replace(file, path.parent / file.name)
    return (path, *(path.parent / file.name for file in files if file.suffix != path.suffix))


def _runtime_name(runtime: FileRuntime, path: Path) -> str:
    package = RUNTIMES_OF[path.suffix][0]
    return f"{package} {importlib.metadata.version(package)}"
