"""Exported files: verified against the network, self-describing, and the same masks everywhere."""

import errno
import importlib
import json
import shlex
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from command import run
from filling import fill
from torch import nn

import skinseg
from skinseg.blocks.ghpa import GroupedHadamardProductAttention
from skinseg.data.normalization import Normalization
from skinseg.data.transforms import resize_images
from skinseg.exporting import FORMATS, ExportError, checks
from skinseg.exporting.checks import check_file
from skinseg.exporting.graphs import fast_graph
from skinseg.exporting.preprocessing import Preprocessed
from skinseg.exporting.reductions import add_channels_by_product, halve_channels_for_maximum
from skinseg.exporting.rules import bicubic_as_products, spell_out_group_norms
from skinseg.optimization.graph import trace
from skinseg.pretrained import PretrainedCfg, get_pretrained_cfg
from skinseg.runtimes import ExportedFileError, ExportMetadata, open_file, read_metadata
from skinseg.runtimes.base import FileRuntime


def installed(format):
    return all(find_spec(package) for package in FORMATS[format].packages)


FORMATS_HERE = [format for format in FORMATS if installed(format)]
needs_onnx = pytest.mark.skipif(not installed("onnx"), reason="needs the packages of ONNX")


@pytest.fixture(scope="module")
def image():
    return skinseg.data.synthetic_lesion(3, size=200)[0][:180]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """BasicUNet in every format, made when first asked for."""
    folder = tmp_path_factory.mktemp("exported")
    made = {}

    def file(format, **options):
        key = (format, *sorted(options.items()))
        if key not in made:
            path = folder / f"{len(made)}{FORMATS[format].suffix}"
            made[key] = skinseg.export("basic_unet", path, format=format, **options)
        return made[key]

    return file


@pytest.mark.parametrize("format", FORMATS_HERE)
def test_a_file_gives_the_networks_masks(files, format, image):
    report = files(format, size=64)
    assert {(check.images, check.batch) for check in report.checks} == {
        (kind, batch) for kind in ("random", "synthetic") for batch in (1, 3)
    }
    assert all(check.passed for check in report.checks)
    assert report.largest_difference < report.tolerance
    expected = skinseg.Predictor("basic_unet", input_size=(64, 64))([image, image[:100]])
    found = skinseg.Predictor(report.path)([image, image[:100]])
    for prediction, reference in zip(found, expected, strict=True):
        assert np.array_equal(prediction.mask, reference.mask)
        np.testing.assert_allclose(prediction.probability, reference.probability, atol=1e-4)


@pytest.mark.parametrize("format", FORMATS_HERE)
def test_a_file_says_what_it_is(files, format):
    metadata = read_metadata(files(format, size=64).path)
    record = get_pretrained_cfg("basic_unet")
    assert metadata.weights_sha256 == record.sha256
    assert metadata.record.to_dict() == {**record.to_dict(), "input_size": (3, 64, 64)}
    assert (metadata.size, metadata.in_chans, metadata.num_classes) == ((64, 64), 3, 1)
    assert metadata.version == skinseg.__version__


@needs_onnx
def test_the_ending_of_a_file_may_be_in_capitals(files, tmp_path):
    report = files("pt2", size=64)
    shutil.copy(report.path, tmp_path / "NET.PT2")
    assert read_metadata(tmp_path / "NET.PT2") == read_metadata(report.path)


def test_other_programs_find_the_facts_in_an_onnx_file(files):
    import onnx

    model = onnx.load(files("onnx", size=64).path)
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert facts["skinseg.model"] == "basic_unet.isic2017"
    assert json.loads(facts["skinseg.normalization"]) == {"kind": "minmax", "scale": 255.0}
    assert json.loads(facts["skinseg.threshold"]) == 0.5
    assert "CC" in facts["skinseg.license"] or facts["skinseg.license"]
    assert [value.name for value in model.graph.input] == ["images"]


@needs_onnx
def test_the_graph_has_few_nodes_and_no_transposes(files):
    import onnx

    kinds = [node.op_type for node in onnx.load(files("onnx", size=64).path).graph.node]
    assert len(kinds) < 100
    assert not {"Transpose", "Cast", "CastLike", "GroupNormalization", "BatchNormalization"} & set(
        kinds
    )


@needs_onnx
@pytest.mark.slow
def test_poolings_with_and_without_indices_are_told_apart(tmp_path):
    """SegNet has both of one map, which onnxslim takes for equal and then fails."""
    torch.manual_seed(0)
    network = skinseg.create_model("segnet_ecdf")
    report = skinseg.export(network, tmp_path / "segnet.onnx", size=64)
    assert all(check.passed for check in report.checks)


@pytest.mark.slow
@pytest.mark.parametrize("align_corners", [True, False])
def test_maps_that_are_enlarged_by_a_factor(tmp_path, align_corners):
    torch.manual_seed(0)
    enlarge = nn.Upsample(scale_factor=1.5, mode="bilinear", align_corners=align_corners)
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), enlarge, nn.Conv2d(4, 1, 1))
    report = skinseg.export(network, tmp_path / "enlarged.onnx", size=64)
    assert report.largest_difference < 1e-5


@pytest.mark.slow
def test_a_constant_of_a_billionth_is_kept(tmp_path):
    """External attention divides by a sum plus 1e-9, which an optimizer takes for nothing."""
    report = skinseg.export("malunet", tmp_path / "malunet.onnx", size=128)
    assert report.largest_difference < 1e-5


@pytest.mark.parametrize("format", ["onnx", "pt2", "torchscript"])
@pytest.mark.skipif(not installed("onnx"), reason="needs the packages of ONNX")
def test_dynamic_files_take_any_size(files, format):
    report = files(format, size="dynamic")
    assert len({check.size for check in report.checks}) == 4
    assert min(check.size for check in report.checks) == (32, 32)
    runtime = open_file(report.path)
    assert runtime.size is None
    assert runtime(np.zeros((2, 3, 50, 70), np.float32)).shape == (2, 1, 50, 70)


class AxisByAxis(nn.Module):
    """The deepest map of an image of 32 pixels has one position, and weights are resized to it."""

    in_chans, num_classes = 3, 1

    def __init__(self):
        super().__init__()
        self.attention = fill(GroupedHadamardProductAttention(8))
        self.first, self.last = nn.Conv2d(3, 8, 32, stride=32), nn.Conv2d(8, 1, 1)

    def forward(self, x):
        logits = self.last(self.attention(self.first(x)))
        return nn.functional.interpolate(logits, size=x.shape[2:], mode="bilinear")


@pytest.mark.parametrize("format", ["onnx", "pt2"])
@pytest.mark.skipif(not installed("onnx"), reason="needs the packages of ONNX")
def test_dynamic_files_take_the_smallest_images(tmp_path, format):
    network = AxisByAxis().eval()
    path = tmp_path / f"net{FORMATS[format].suffix}"
    skinseg.export(network, path, format=format, size="dynamic")
    for size in ((32, 32), (32, 90), (100, 40)):
        x = torch.randn(1, 3, *size)
        expected = network(x).detach().numpy()
        np.testing.assert_allclose(open_file(path)(x.numpy()), expected, atol=1e-4)
    if format == "pt2":  # Also for those who open it without this package.
        torch.export.load(path).module()(torch.zeros(1, 3, 32, 48))


def test_a_network_that_small_images_are_too_small_for_is_not_of_any_size(tmp_path):
    network = nn.Sequential(nn.ReflectionPad2d(40), nn.Conv2d(3, 1, 81)).eval()
    with pytest.raises(ExportError, match=r"network itself cannot run for images of 32x32.*=256"):
        skinseg.export(network, tmp_path / "x.torchscript", format="torchscript", size="dynamic")


@pytest.mark.parametrize("format", ["onnx", "openvino", "torchscript", "pt2"])
@pytest.mark.parametrize("result", ["probability", "mask"])
def test_images_of_any_size_go_in_and_masks_come_out(files, format, result, image):
    if not installed(format):
        pytest.skip(f"needs the packages of {format}")
    report = files(format, size=64, with_preprocessing=True, result=result)
    found = open_file(report.path)(np.stack([image, image[::-1]]))
    assert found.shape == (2, 1, *image.shape[:2])
    expected = skinseg.Predictor("basic_unet", input_size=(64, 64))([image, image[::-1].copy()])
    for one, prediction in zip(found[:, 0], expected, strict=True):
        if result == "mask":
            assert set(np.unique(one)) <= {0, 255}
            assert np.mean((one == 255) != prediction.mask) < 2e-3
        else:
            np.testing.assert_allclose(one, prediction.probability, atol=0.02)


@torch.no_grad()
@pytest.mark.parametrize("size", [(40, 300), (64, 64), (200, 33)])
def test_resizing_by_products_is_resizing_with_antialiasing(size):
    image = torch.randint(0, 256, (1, *size, 3), dtype=torch.uint8)
    record = PretrainedCfg(architecture="x", normalization={"kind": "minmax", "scale": 255.0})
    metadata = ExportMetadata(record=record, size=(64, 48), input="rgb", output="probability")
    seen = []

    class Network(nn.Module):
        def forward(self, x):
            seen.append(x)
            return x[:, :1]

    for by_products in (False, True):
        Preprocessed(Network(), metadata, by_products=by_products)(image)
    resized = resize_images(image.permute(0, 3, 1, 2), (64, 48))
    torch.testing.assert_close(seen[0], Normalization()(resized))
    # A product may round a pixel that is half way between two levels to the other one.
    assert (seen[0] - seen[1]).abs().max() < 2


@torch.no_grad()
def test_gray_networks_see_the_luma_of_pillow():
    from PIL import Image

    image = np.random.default_rng(0).integers(0, 256, (48, 48, 3), np.uint8)
    metadata = ExportMetadata(
        record=PretrainedCfg(
            architecture="x", normalization={"kind": "mean_std", "mean": [0.0], "std": [1.0]}
        ),
        in_chans=1,
        size=(48, 48),
        input="rgb",
        output="probability",
    )
    found = Preprocessed(nn.Identity(), metadata)(torch.from_numpy(image)[None])
    expected = np.asarray(Image.fromarray(image).convert("L")) / np.float32(255)
    np.testing.assert_allclose(found[0, 0].logit(), expected, atol=1e-5)


@needs_onnx
def test_half_precision_halves_the_file(files, image):
    whole, half = files("onnx", size=64), files("onnx", size=64, half=True)
    assert half.bytes < 0.65 * whole.bytes
    masks = [skinseg.Predictor(report.path)(image).mask for report in (whole, half)]
    assert np.mean(masks[0] != masks[1]) < 2e-3


@needs_onnx
def test_half_precision_leaves_out_what_runtimes_infer(files):
    import onnx

    graphs = [onnx.load(files("onnx", size=64, half=half).path).graph for half in (False, True)]
    assert [bool(graph.value_info) for graph in graphs] == [True, False]


class Difference(nn.Module):
    """Of two images that lie side by side in a dimension."""

    num_classes, in_chans = 1, 3

    def forward(self, x):
        first, second = torch.stack([x, x.flip(3)], dim=2).unbind(2)
        return (first - 2 * second)[:, :1]


@needs_onnx
def test_a_part_is_one_node(tmp_path):
    import onnx

    report = skinseg.export(Difference(), tmp_path / "parts.onnx", size=64)
    nodes = [node.op_type for node in onnx.load(report.path).graph.node]
    assert nodes.count("Gather") == 2 and "Squeeze" not in nodes, nodes
    assert all(check.passed for check in report.checks)


class OneClass(nn.Module):
    """A network that is none of the package's, with a constant that fits no verification."""

    num_classes, in_chans = 1, 3

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 3, padding=1)

    def forward(self, x):
        return self.conv(x / 255)


def test_users_networks_can_be_exported(tmp_path, image):
    network = OneClass().eval()
    path = tmp_path / "own.pt2"
    skinseg.export(network, path, format="pt2", size=(64, 96))
    metadata = read_metadata(path)
    assert metadata.record.architecture == "OneClass"
    assert metadata.size == (64, 96)
    assert metadata.record.input_size == (3, 64, 96)
    assert len(metadata.weights_sha256) == 64
    predictor = skinseg.Predictor(path)
    expected = skinseg.Predictor(network, input_size=(64, 96))(image).probability
    np.testing.assert_allclose(predictor(image).probability, expected, atol=1e-5)


def test_changed_weights_have_another_hash_and_no_claims(tmp_path):
    network = skinseg.create_model("basic_unet", pretrained=True)
    with torch.no_grad():
        network.head.bias += 1
    skinseg.export(network, tmp_path / "x.pt2", format="pt2", size=64)
    metadata = read_metadata(tmp_path / "x.pt2")
    assert metadata.record.metrics == []
    assert metadata.weights_sha256 not in ("", get_pretrained_cfg("basic_unet").sha256)
    network.save_pretrained(tmp_path / "saved")
    assert skinseg.create_model(f"local-dir:{tmp_path / 'saved'}").pretrained_cfg.sha256 == (
        metadata.weights_sha256
    )


def test_a_file_that_differs_is_refused(monkeypatch):
    network = skinseg.create_model("basic_unet").eval()
    metadata = ExportMetadata(record=PretrainedCfg(architecture="basic_unet"), size=(64, 64))

    class Wrong(FileRuntime):
        offset = np.float32(0.01)

        def run(self, batch):
            with torch.no_grad():
                return network(torch.from_numpy(batch)).numpy() + self.offset

    with pytest.raises(ExportError, match=r"(?s)something else.*random.*FAILED"):
        check_file(Wrong(metadata, "a file"), network, ((64, 64),))
    monkeypatch.setattr(Wrong, "offset", np.float32(0))
    assert len(check_file(Wrong(metadata, "a file"), network, ((64, 64),))) == 4

    def failing(*_):
        raise RuntimeError("no such operator\nin line 7")

    monkeypatch.setattr(Wrong, "run", failing)
    with pytest.raises(ExportError, match=r"cannot run the file.*: no such operator\. Choose"):
        check_file(Wrong(metadata, "a file"), network, ((64, 64),))


@pytest.mark.parametrize(("flipped", "passes"), [(1, True), (2, False)])
def test_one_pixel_of_a_small_lesion_may_flip(flipped, passes):
    metadata = ExportMetadata(record=PretrainedCfg(architecture="x"), size=(32, 32))
    expected = np.full((1, 1, 32, 32), -1.0, np.float32)
    expected[..., :3, :4] = 1e-6
    found = expected.copy()
    found[0, 0, 0, :flipped] = -1e-6
    check = checks._check("drawn", (32, 32), found, expected, metadata)
    assert check.mask_iou == pytest.approx(1 - flipped / 12)
    assert check.passed is passes


def test_nothing_is_left_when_a_check_fails(tmp_path, monkeypatch):
    path = tmp_path / "x.pt2"
    path.write_bytes(b"the file of yesterday")

    def failing(*_):
        raise ExportError("it differs")

    module = importlib.import_module("skinseg.exporting.export")
    monkeypatch.setattr(module, "check_file", failing)
    with pytest.raises(ExportError, match="it differs"):
        skinseg.export("basic_unet", path, format="pt2", size=64)
    assert [file.name for file in tmp_path.iterdir()] == ["x.pt2"]
    assert path.read_bytes() == b"the file of yesterday"


def test_a_folder_that_is_not_there_is_made(tmp_path):
    path = tmp_path / "new/folder/x.pt2"
    assert skinseg.export("basic_unet", path, format="pt2", size=64).path == path
    assert [file.name for file in path.parent.iterdir()] == ["x.pt2"]


def test_a_place_where_no_file_can_be_is_named_before_the_export(tmp_path, monkeypatch):
    module = importlib.import_module("skinseg.exporting.export")
    monkeypatch.setattr(module, "_written", None)  # Which is not come to.
    (tmp_path / "folder.pt2").mkdir()
    with pytest.raises(ValueError, match=r"folder\.pt2' is a folder; name a file"):
        skinseg.export("basic_unet", tmp_path / "folder.pt2", format="pt2", size=64)
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="file' is a file"):
        skinseg.export("basic_unet", tmp_path / "file/x.pt2", format="pt2", size=64)

    def deny(**_):
        raise PermissionError(errno.EACCES, "Permission denied", "/.skinseg-export-1")

    monkeypatch.setattr(module.tempfile, "TemporaryDirectory", deny)
    with pytest.raises(PermissionError) as caught:
        skinseg.export("basic_unet", tmp_path / "x.pt2", format="pt2", size=64)
    assert caught.value.filename == str(tmp_path / "x.pt2")


def test_files_of_own_networks_are_called_by_their_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    network = skinseg.create_model("basic_unet")
    for name in ("run.1", "run.2"):
        skinseg.hub.save_pretrained(network, tmp_path / "runs" / name)
        report = skinseg.export(f"local-dir:runs/{name}", format="pt2", size=64)
        assert report.path == Path(f"{name}.pt2")
    assert skinseg.export("basic_unet", format="pt2", size=64).path.stem == "basic_unet.isic2017"


@torch.no_grad()
@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("scale", [2, 1.7, 0.6])
def test_bicubic_products(align_corners, scale):
    class Bicubic(nn.Module):
        def forward(self, x):
            size = (int(x.shape[2] * scale), int(x.shape[3] * 2))
            return nn.functional.interpolate(
                x, size=size, mode="bicubic", align_corners=align_corners
            )

    module = trace(Bicubic().eval(), (20, 30), 3)
    bicubic_as_products(module)
    module.recompile()
    x = torch.randn(2, 3, 20, 30)
    torch.testing.assert_close(module(x), Bicubic()(x), atol=1e-5, rtol=0)


def test_constants_lie_in_memory_as_their_shape_says():
    # ExecuTorch refuses any other strides, of sides of 1 as well.
    graph = fast_graph(skinseg.create_model("lmsaunet", channels=(8, 8, 16, 16)), (32, 32), 3)
    for name, constant in graph.named_buffers():
        assert constant.stride() == torch.empty(constant.shape).stride(), name


@torch.no_grad()
def test_spelled_out_group_norms():
    norm = fill(nn.Sequential(nn.Conv2d(3, 8, 1), nn.GroupNorm(4, 8))).eval()
    module = trace(norm, (16, 20), 3)
    spell_out_group_norms(module)
    module.recompile()
    x = torch.randn(2, 3, 16, 20)
    torch.testing.assert_close(module(x), norm(x), atol=1e-5, rtol=0)


class Reduced(nn.Module):
    """One reduction of a map over its channels."""

    def __init__(self, reduction, flat=False, keepdim=True):
        super().__init__()
        self.reduction, self.flat, self.keepdim = reduction, flat, keepdim

    def forward(self, x):
        return self.reduction(x.flatten(2) if self.flat else x, 1, keepdim=self.keepdim)


@torch.no_grad()
@pytest.mark.parametrize("channels", [12, 7])
@pytest.mark.parametrize(
    ("model", "rule", "gone"),
    [
        (Reduced(torch.mean), add_channels_by_product, "mean"),
        (Reduced(torch.mean, keepdim=False), add_channels_by_product, "mean"),
        (Reduced(torch.sum, flat=True), add_channels_by_product, "sum"),
        (Reduced(torch.amax), halve_channels_for_maximum, None),
        (Reduced(torch.amax, keepdim=False), halve_channels_for_maximum, None),
    ],
)
def test_reductions_over_channels(model, rule, gone, channels):
    module = trace(model, (70, 80), channels)
    rule(module)
    module.recompile()
    x = torch.randn(2, channels, 70, 80)
    torch.testing.assert_close(module(x), model(x), atol=1e-5, rtol=0)
    names = [str(node.target) for node in module.graph.nodes]
    assert gone is None or not any(gone in name for name in names)
    if gone is None and model.keepdim:
        assert sum("maximum" in name for name in names) == {12: 2, 7: 0}[channels]


@torch.no_grad()
@pytest.mark.parametrize("name", ["malunet", "egeunet", "lmsaunet"])
def test_the_graph_that_is_written_is_the_network(name):
    network = skinseg.create_model(name, pretrained=True).eval()
    graph = fast_graph(network, (64, 96), 3)
    x = torch.rand(3, 3, 64, 96)
    torch.testing.assert_close(graph(x), network(x), atol=2e-5, rtol=1e-5)
    assert not any("conv1d" in str(node.target) for node in graph.graph.nodes)


WRONG = {
    "format": (dict(format="onxx"), "there is no format 'onxx'; did you mean onnx"),
    "size": (dict(size="big"), "size must be a number"),
    "small": (dict(size=16), "32 pixels or more, not 16x16"),
    "result": (dict(result="mask"), "only with preprocessing"),
    "half": (dict(format="pt2", half=True), "cannot keep its weights in half precision"),
    "both": (dict(size="dynamic", with_preprocessing=True), "resized to one size"),
    "suffix": (dict(output="x.onnx", format="pt2"), r"end in \.pt2"),
}


@pytest.mark.parametrize("case", WRONG)
@needs_onnx
def test_wrong_arguments_are_explained(case):
    options, message = WRONG[case]
    with pytest.raises(ValueError, match=message):
        skinseg.export("basic_unet", **options)


@pytest.mark.parametrize(
    ("wrapped", "says"),
    [
        (lambda net: torch.compile(net, backend="eager"), r"OptimizedModule .* model\._orig_mod"),
        (nn.DataParallel, r"DataParallel cannot be exported; .* model\.module"),
        (torch.optim.swa_utils.AveragedModel, r"AveragedModel cannot be .* model\.module"),
        (skinseg.optimization.OptimizedModel, r"OptimizedModel .* model\.published"),
    ],
    ids=["compiled", "parallel", "average", "optimized"],
)
def test_the_network_inside_of_a_wrapper_is_named(tmp_path, wrapped, says):
    network = skinseg.create_model("basic_unet")
    with pytest.raises(TypeError, match=says):
        skinseg.export(wrapped(network), tmp_path / "x.pt2", format="pt2", size=64)


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_a_threshold_that_no_logit_has_is_refused(tmp_path, threshold):
    network = skinseg.create_model("basic_unet")
    network.pretrained_cfg = PretrainedCfg(architecture="basic_unet", threshold=threshold)
    with pytest.raises(ValueError, match=f"has the threshold {threshold}; it must be above 0"):
        skinseg.export(network, tmp_path / "x.pt2", format="pt2", size=64)


def test_networks_of_three_classes_have_no_mask(tmp_path):
    network = skinseg.create_model("basic_unet", num_classes=3)
    with pytest.raises(ValueError, match="3 classes"):
        skinseg.export(network, tmp_path / "x.pt2", format="pt2", with_preprocessing=True)
    report = skinseg.export(network, tmp_path / "x.pt2", format="pt2", size=64)
    assert read_metadata(report.path).num_classes == 3


@pytest.mark.parametrize("classes", [2, 3])
def test_the_outputs_of_a_module_that_does_not_tell_are_counted(tmp_path, classes):
    network = nn.Conv2d(3, classes, 1)
    report = skinseg.export(network, tmp_path / "x.pt2", format="pt2", size=32)
    assert read_metadata(report.path).num_classes == classes
    if classes == 3:
        with pytest.raises(ValueError, match="3 classes"):
            skinseg.export(network, tmp_path / "y.pt2", format="pt2", with_preprocessing=True)


def test_autocast_around_it_changes_no_file(tmp_path):
    network = nn.Conv2d(3, 1, 1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        report = skinseg.export(network, tmp_path / "x.pt2", format="pt2", size=32)
    x = np.random.default_rng(0).random((1, 3, 32, 32), np.float32)
    expected = network(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(open_file(report.path)(x), expected, rtol=1e-5, atol=1e-6)


def test_the_guide_says_what_may_differ():
    guide = (Path(__file__).parents[1] / "docs/guides/export.md").read_text(encoding="utf-8")
    options = {
        "none": ("normalized", "float32"),
        "`--half`": ("normalized", "float16"),
        "`--with-preprocessing`": ("rgb", "float32"),
        "`--with-preprocessing --half`": ("rgb", "float16"),
    }
    assert set(options.values()) == checks.TOLERANCES.keys()
    for option, key in options.items():
        difference, iou = checks.TOLERANCES[key]
        assert f"\n| {option} | {difference:g} | {iou:g} |\n" in guide


def test_missing_packages_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="pip install executorch"):
        skinseg.export("basic_unet", tmp_path / "x.pte", format="executorch")


def test_files_of_other_origin_are_refused(tmp_path, caplog):
    scripted = torch.jit.script(nn.Identity())
    torch.jit.save(scripted, tmp_path / "x.torchscript")
    (tmp_path / "x.pt2").write_bytes(b"no zip")
    with pytest.raises(ExportedFileError, match="does not say what it is"):
        open_file(tmp_path / "x.torchscript")
    with pytest.raises(ExportedFileError, match="cannot be opened"):
        open_file(tmp_path / "x.pt2")
    assert not caplog.records, "torch has logged a traceback"
    with pytest.raises(FileNotFoundError):
        open_file(tmp_path / "y.pt2")
    with pytest.raises(ValueError, match="runs in torch, not in 'openvino'"):
        open_file(tmp_path / "x.pt2", "openvino")


def test_metadata_survives_as_text():
    record = get_pretrained_cfg("egeunet")
    metadata = ExportMetadata(record=record, size=(96, 128), batch=1, weights_sha256="0f")
    again = ExportMetadata.from_strings({**metadata.to_strings(), "other": "x"}, "it")
    assert again.record.to_dict() == record.to_dict()
    assert (again.size, again.batch) == ((96, 128), 1)
    with pytest.raises(ExportedFileError, match=r"'skinseg\.size' is missing"):
        strings = metadata.to_strings()
        del strings["skinseg.size"]
        ExportMetadata.from_strings(strings, "it")


def test_predictors_of_files_refuse_what_they_cannot(files, image):
    path = files("pt2", size=64).path
    with pytest.raises(ValueError, match=r"takes images of \(64, 64\) alone"):
        skinseg.Predictor(path, input_size=(96, 96))
    with pytest.raises(ValueError, match="runs on the CPU"):
        skinseg.Predictor(path, device="cuda")
    with pytest.raises(ValueError, match="there is no runtime 'onyx'"):
        skinseg.Predictor("basic_unet", runtime="onyx")
    rgb = files("pt2", size=64, with_preprocessing=True, result="mask").path
    with pytest.raises(ExportedFileError, match="prepares images itself"):
        skinseg.Predictor(rgb)


@pytest.mark.parametrize(
    "runtime",
    [
        "torch",
        "optimized",
        pytest.param("onnxruntime", marks=needs_onnx),
        pytest.param("openvino", marks=needs_onnx),
        pytest.param("compile", marks=(pytest.mark.slow, pytest.mark.nightly)),
    ],
)
def test_every_runtime_gives_the_same_masks(runtime, image):
    network = skinseg.create_model("basic_unet", pretrained=True)
    expected = skinseg.Predictor(network, input_size=(64, 64))(image)
    found = skinseg.Predictor(network, input_size=(64, 64), runtime=runtime)(image)
    assert np.array_equal(found.mask, expected.mask)


def test_the_command_writes_describes_and_uses_a_file(tmp_path, image):
    path = tmp_path / "the patient's.pt2"
    done = run("export", "basic_unet", "--format", "pt2", "--output", path, "--size", "64x96")
    assert done.exit_code == 0, done.output
    used = done.stdout.partition("Use it: ")[2]
    assert shlex.split(used)[:5] == ["skinseg", "predict", "IMAGES", "--model", str(path)]
    assert done.stdout.count("passed") == 4
    described = run("info", path, "--json")
    facts = json.loads(described.stdout)
    assert facts["record"]["architecture"] == "basic_unet"
    assert facts["size"] == [64, 96]
    assert "basic_unet.isic2017" in run("info", path).stdout
    sized = run("info", path, "--size", 64)
    assert sized.exit_code == 2
    assert "--size does not go with an exported file" in sized.stderr
    skinseg.data.write_png(tmp_path / "x.png", image)
    done = run("predict", tmp_path / "x.png", "--model", path, "--output", tmp_path / "masks")
    assert done.exit_code == 0, done.output
    mask = skinseg.data.read_mask(tmp_path / "masks" / "x_mask.png")
    assert np.array_equal(mask, skinseg.Predictor(path)(image).mask)


def test_the_command_explains_what_is_wrong(tmp_path):
    assert run("export", "malunett").exit_code == 2
    assert "--size must be" in run("export", "malunet", "--size", "1x2x3").stderr
    assert run("predict", "x.png", "--model", "y.onnx", "--output", tmp_path).exit_code != 0


def test_a_file_can_be_evaluated(files, tmp_path):
    for seed in range(2):
        image, mask = skinseg.data.synthetic_lesion(seed, size=80)
        for name, array in (("images", image), ("masks", mask)):
            (tmp_path / name).mkdir(exist_ok=True)
            skinseg.data.write_png(tmp_path / name / f"{seed}.png", array)
    path = files("pt2", size=64).path
    results = [
        skinseg.evaluation.evaluate(
            skinseg.Predictor(model, **options),
            skinseg.data.FolderDataset(tmp_path),
            bootstrap=0,
            progress=False,
        )
        for model, options in ((path, {}), ("basic_unet", {"input_size": (64, 64)}))
    ]
    for size in ("own", "model"):
        # Through both runtimes the masks are equal but for a pixel on the outline.
        ious = [result.summaries[size].scores["pooled_iou"].value for result in results]
        assert ious[0] == pytest.approx(ious[1], abs=2e-3)
