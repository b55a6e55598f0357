"""The predictor: every form of an image gives the right mask, every error a reason."""

import itertools
import os
import pickle
import re
import signal
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from wrappers import WRAPPERS

import skinseg
from skinseg.data import ImageError, Normalization, read_image, synthetic_lesion
from skinseg.data.resizing import resize_image
from skinseg.data.transforms import resize_images
from skinseg.inference import Prediction, Predictor
from skinseg.inference.pixels import as_rgb
from skinseg.pretrained import PretrainedCfg

UNIT = Normalization(kind="mean_std", mean=(0.0,) * 3, std=(1.0,) * 3)


class Darkness(nn.Module):
    """A network whose logits are known: dark is lesion. It expects pixels 0..1."""

    def __init__(self, outputs: int = 1) -> None:
        super().__init__()
        self.num_classes = outputs
        self.seen: list[tuple[int, ...]] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.append(tuple(x.shape))
        logit = 10 * (0.5 - x.mean(1, keepdim=True))
        return torch.cat([logit * -0.25, logit * 0.75], 1) if self.num_classes == 2 else logit


def darkness(**options: object) -> Predictor:
    return Predictor(Darkness(), **{"normalization": UNIT, "input_size": (64, 64), **options})


def test_one_number_is_a_square():
    assert darkness(input_size=48).input_size == (48, 48)
    assert darkness(input_size=np.int64(48)).input_size == (48, 48)
    assert darkness(input_size=[32, 48], threshold=np.float32(0.25)).input_size == (32, 48)


def spot(height: int = 90, width: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """A dark spot on bright skin, upper left of the middle, and its mask."""
    y, x = np.mgrid[:height, :width]
    mask = ((y - height * 0.4) / height) ** 2 + ((x - width * 0.3) / width) ** 2 < 0.04
    image = np.where(mask[:, :, None], (60, 40, 30), (230, 200, 190)).astype(np.uint8)
    return image, mask


def trained(outputs: int = 1, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return skinseg.create_model("basic_unet_sab", num_classes=outputs)


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return (a & b).sum() / (a | b).sum()


# --- what comes out ------------------------------------------------------------------------------


def test_mask_has_the_size_of_the_image_and_lies_where_the_lesion_is():
    image, mask = spot()
    prediction = darkness()(image)
    assert prediction.probability.shape == prediction.mask.shape == (90, 120)
    assert prediction.probability.dtype == np.float32
    assert prediction.mask.dtype == bool
    assert iou(prediction.mask, mask) > 0.95


def test_logits_not_probabilities_are_resized():
    image, _ = spot()
    network = trained()
    pixels = torch.tensor(resize_image(Image.fromarray(image), (64, 96)))
    network.eval()
    with torch.inference_mode():
        logits = network(Normalization()(pixels.permute(2, 0, 1)[None]))
        expected = F.interpolate(logits, size=(90, 120), mode="bilinear").sigmoid()[0, 0]
    prediction = Predictor(network, input_size=(64, 96))(image)
    np.testing.assert_allclose(prediction.probability, expected, atol=1e-5)
    assert (prediction.mask == (prediction.probability >= 0.5)).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_network_is_given_its_own_precision(dtype):
    image, _ = spot()
    expected = Predictor(trained(), input_size=(64, 96))(image).probability
    prediction = Predictor(trained().to(dtype), input_size=(64, 96))(image)
    assert prediction.probability.dtype == np.float32
    np.testing.assert_allclose(prediction.probability, expected, atol=0.1)


def test_one_image_several_images_and_batches():
    image, _ = spot()
    predictor = darkness()
    tensor = torch.from_numpy(image).permute(2, 0, 1)
    assert isinstance(predictor(image), Prediction)
    for several in (
        [image, image],
        (image, tensor),
        np.stack([image] * 2),
        tensor.expand(2, 3, -1, -1),
    ):
        predictions = predictor(several)
        assert isinstance(predictions, list)
        assert [p.mask.shape for p in predictions] == [(90, 120)] * 2
    assert predictor([]) == []
    assert len(predictor(tensor[None])) == 1


@pytest.mark.parametrize("tta", [False, True])
def test_result_does_not_depend_on_the_batch_size(tta):
    images = [synthetic_lesion(i, size)[0] for i, size in enumerate([(40, 64), 64, (100, 80)] * 2)]
    network = trained()
    one, four = (
        Predictor(network, batch_size=size, input_size=(64, 64), tta=tta)(images) for size in (1, 4)
    )
    for a, b in zip(one, four, strict=True):
        # Convolutions add up in another order for another batch size.
        np.testing.assert_allclose(a.probability, b.probability, atol=1e-5)


def test_tta_averages_the_probabilities_of_the_four_flips():
    image = synthetic_lesion(1, 64)[0]
    plain = Predictor(trained(), input_size=(64, 64))
    averaged = Predictor(plain.model, input_size=(64, 64), tta=True)(image).probability
    flips = [
        plain(np.ascontiguousarray(image[::v, ::h])).probability[::v, ::h]
        for v, h in itertools.product((1, -1), repeat=2)
    ]
    assert np.abs(flips[0] - flips[3]).max() > 1e-3  # the network does tell flips apart
    np.testing.assert_allclose(averaged, np.mean(flips, axis=0), atol=1e-6)


def test_two_outputs_are_skin_and_lesion():
    image, _ = spot()
    one, two = (
        Predictor(Darkness(n), normalization=UNIT, input_size=(64, 64))(image) for n in (1, 2)
    )
    np.testing.assert_allclose(one.probability, two.probability, atol=1e-6)
    network = trained(outputs=2)
    x = Normalization()(torch.from_numpy(synthetic_lesion(0, 64)[0]).permute(2, 0, 1)[None])
    with torch.inference_mode():
        expected = network(x).softmax(1)[0, 1]
    got = Predictor(network, input_size=(64, 64))(synthetic_lesion(0, 64)[0]).probability
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_one_channel_networks_see_the_image_in_gray():
    image, _ = spot(64, 64)
    seen = []
    network = skinseg.create_model("basic_unet", in_chans=1)
    network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    flat = Normalization(kind="mean_std", mean=(0.0,), std=(1 / 255,))
    Predictor(network, input_size=(64, 64), normalization=flat)(image)
    gray = np.asarray(Image.fromarray(image).convert("L"))
    assert seen[0].shape == (1, 1, 64, 64)
    np.testing.assert_allclose(seen[0][0, 0], gray, atol=1e-3)


@pytest.mark.parametrize("name", ["malunet", "lmsaunet", "egeunet"])
def test_the_transform_of_weights_is_what_a_predictor_does(name, tmp_path):
    network, seen = skinseg.create_model(name, pretrained=True), []
    network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    image = synthetic_lesion(3, (150, 200))[0]
    Image.fromarray(image).save(tmp_path / "photo.jpg", quality=90)
    predictor = Predictor(network)
    for transform in (
        skinseg.create_transform(network),
        skinseg.create_transform(skinseg.get_pretrained_cfg(name)),
        pickle.loads(pickle.dumps(predictor.transforms)),
    ):
        for form in (
            image,
            Image.fromarray(image),
            torch.from_numpy(image).permute(2, 0, 1),
            tmp_path / "photo.jpg",
        ):
            seen.clear()
            predictor(form)
            assert torch.equal(transform(form), seen[0][0])


def test_the_transform_of_a_network_follows_its_channels():
    gray = skinseg.create_model("malunet", pretrained=True, in_chans=1)
    assert skinseg.create_transform(gray)(spot()[0]).shape == (1, 128, 128)
    assert skinseg.create_transform(nn.Conv2d(3, 1, 1)).input_size == (256, 256)
    with pytest.raises(ValueError, match="3 means and the network takes 1 channels"):
        skinseg.inference.Preprocessing(normalization=UNIT, in_chans=1)


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_the_record_of_a_wrapped_network_is_found(wrap):
    network = skinseg.create_model("malunet", pretrained=True, in_chans=1)
    wrapped = wrap(network)
    plain, predictor = Predictor(network), Predictor(wrapped)
    assert predictor.model is wrapped
    assert predictor.name == "malunet.isic2017"
    assert predictor.transforms == plain.transforms == skinseg.create_transform(wrapped)
    image, _ = spot()
    assert (predictor(image).mask == plain(image).mask).all()


def test_classes_are_counted_inside_of_a_wrapper():
    with pytest.raises(ValueError, match="the network has 3 classes"):
        Predictor(nn.DataParallel(skinseg.create_model("malunet", num_classes=3)))


def test_what_timm_says_of_its_network_is_taken():
    network = nn.Conv2d(3, 1, 1)
    network.pretrained_cfg = {"input_size": (3, 224, 192), "mean": (0.5,) * 3, "std": (0.25,) * 3}
    transform = skinseg.create_transform(network)
    assert transform.input_size == (224, 192)
    assert transform.normalization.kind == "mean_std"
    assert (transform.normalization.mean, transform.normalization.std) == ((0.5,) * 3, (0.25,) * 3)
    predictor = Predictor(network)
    assert (predictor.transforms, predictor.name) == (transform, "Conv2d")
    network.pretrained_cfg = {"url": "of something else"}
    assert skinseg.create_transform(network).input_size == (256, 256)


def test_shared_images_end_to_end(shared_dir):
    folder = shared_dir / "data/isic2017_256/ISIC-2017_Validation_Data"
    files = sorted(folder.glob("*.jpg"))[:3]
    predictions = list(Predictor(trained(), batch_size=2).stream(files))
    assert [p.mask.shape for p in predictions] == [(256, 256)] * 3


# --- forms of one image --------------------------------------------------------------------------


def rgba(image: np.ndarray) -> np.ndarray:
    return np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])


FORMS = {
    "uint8 array": lambda image: image,
    "read-only array": lambda image: np.asarray(Image.fromarray(image)),
    "flipped view": lambda image: np.ascontiguousarray(image[:, ::-1])[:, ::-1],
    "float32 array": lambda image: (image / 255).astype(np.float32),
    "float64 array": lambda image: image / 255,
    "RGBA array": rgba,
    "Pillow image": Image.fromarray,
    "uint8 tensor": lambda image: torch.from_numpy(image).permute(2, 0, 1),
    "float tensor": lambda image: torch.from_numpy(image / 255).permute(2, 0, 1),
    "tensor with gradient": lambda image: (
        torch.from_numpy(image / 255).permute(2, 0, 1).requires_grad_()
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_an_image_gives_the_same_result(form):
    image, _ = spot()
    predictor = darkness()
    expected = predictor(image).probability
    np.testing.assert_array_equal(predictor(FORMS[form](image)).probability, expected)


GRAY_FORMS = {
    "(H, W)": lambda gray: gray,
    "(H, W, 1)": lambda gray: gray[:, :, None],
    "float (H, W)": lambda gray: gray / 255,
    "tensor (H, W)": torch.from_numpy,
    "tensor (1, H, W)": lambda gray: torch.from_numpy(gray)[None],
    "Pillow L": Image.fromarray,
}


@pytest.mark.parametrize("form", GRAY_FORMS)
def test_gray_images_are_seen_as_color(form):
    gray = spot()[0][:, :, 0].copy()
    predictor = darkness()
    expected = predictor(np.dstack([gray] * 3)).probability
    np.testing.assert_array_equal(predictor(GRAY_FORMS[form](gray)).probability, expected)


@pytest.mark.parametrize("kind", ["png", "palette", "cmyk", "16-bit", "exif", "animated"])
def test_kinds_of_files(tmp_path, kind):
    image, mask = spot()
    picture, path = Image.fromarray(image), tmp_path / "x.png"
    if kind == "palette":
        picture = picture.quantize(8)
    elif kind == "cmyk":
        picture, path = picture.convert("CMYK"), tmp_path / "x.tif"
    elif kind == "16-bit":
        picture = Image.fromarray(image[:, :, 0].astype(np.uint16) * 257)
    if kind == "exif":
        exif = Image.Exif()
        exif[0x0112] = 6  # stored lying on its left side
        picture.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)
    elif kind == "animated":
        path = tmp_path / "x.gif"
        picture.save(path, save_all=True, append_images=[Image.new("RGB", picture.size, "white")])
        with pytest.warns(UserWarning, match="several frames"):
            assert iou(darkness()(path).mask, mask) > 0.95
        return
    else:
        picture.save(path)
    assert iou(darkness()(path).mask, mask) > 0.95
    assert iou(darkness()(str(path)).mask, mask) > 0.95


@pytest.mark.parametrize("size", [(8, 8), (9, 300), (31, 33), (700, 20)])
def test_small_and_long_images(size):
    prediction = darkness()(np.zeros((*size, 3), np.uint8))
    assert prediction.mask.shape == size
    assert prediction.mask.all()


def test_one_pillow_image_many_times(tmp_path):
    image, mask = spot(400, 500)
    Image.fromarray(image).save(tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as unread:  # decoded by whichever thread comes first
        predictions = darkness(batch_size=3)([unread] * 20)
    assert all(iou(p.mask, mask) > 0.95 for p in predictions)


BGR_FORMS = {
    "array": lambda image: image[:, :, ::-1],
    "float array": lambda image: image[:, :, ::-1] / 255,
    "BGRA array": lambda image: rgba(image[:, :, ::-1]),
    "tensor": lambda image: torch.from_numpy(image).permute(2, 0, 1).flip(0),
    "Pillow image, which is RGB": Image.fromarray,
}


@pytest.mark.parametrize("in_chans", [3, 1])
@pytest.mark.parametrize("form", BGR_FORMS)
def test_bgr_images(form, in_chans):
    class Red(nn.Module):
        def __init__(self):
            super().__init__()
            self.in_chans = in_chans

        def forward(self, x):
            return 10 * (x[:, :1] - 0.5)

    image = synthetic_lesion(3, 64)[0]
    unit = Normalization(kind="mean_std", mean=(0.0,) * in_chans, std=(1.0,) * in_chans)
    rgb, bgr = (
        Predictor(Red(), input_size=(48, 48), normalization=unit, channel_order=order)
        for order in ("rgb", "bgr")
    )
    expected, got = rgb(image), bgr(BGR_FORMS[form](image))
    np.testing.assert_array_equal(got.probability, expected.probability)
    np.testing.assert_array_equal(got.overlay(BGR_FORMS[form](image)), expected.overlay(image))
    if form == "array":
        assert np.abs(rgb(image[:, :, ::-1]).probability - expected.probability).max() > 0.05


def photograph(path, size=(750, 1000), turn=1):
    """A JPEG file of a spot with noise, and its upright mask."""
    image, mask = spot(*size)
    noise = np.random.default_rng(0).normal(0, 4, image.shape)
    exif = Image.Exif()
    exif[0x0112] = turn
    stored = Image.fromarray((image + noise).clip(0, 255).astype(np.uint8))
    if turn == 6:  # stored lying on its left side
        stored = stored.transpose(Image.Transpose.ROTATE_90)
    stored.save(path, quality=90, exif=exif)
    return mask


@pytest.mark.parametrize("turn", [1, 6])
def test_photograph_is_decoded_smaller_and_its_mask_is_the_same(tmp_path, turn, monkeypatch):
    mask = photograph(tmp_path / "x.jpg", turn=turn)
    predictor = darkness()
    seen = []
    resize = skinseg.inference.preprocessing.resize_image
    monkeypatch.setattr(
        "skinseg.inference.preprocessing.resize_image",
        lambda image, *rest: seen.append(image.size) or resize(image, *rest),
    )
    small, whole = predictor([tmp_path / "x.jpg", read_image(tmp_path / "x.jpg")])
    assert sorted(seen) == [(500, 375), (1000, 750)]
    assert small.mask.shape == whole.mask.shape == mask.shape
    assert iou(small.mask, whole.mask) > 0.995
    assert np.abs(small.probability - whole.probability).max() < 0.05


@pytest.mark.parametrize("size", [(64, 64), (100, 90), (127, 256), (600, 800), (1100, 2100)])
def test_images_are_resized_as_networks_are_trained(size):
    image = synthetic_lesion(2, size)[0]
    expected = resize_images(torch.from_numpy(image).permute(2, 0, 1)[None], (64, 64))[0]
    got = resize_image(Image.fromarray(image), (64, 64)).astype(int)
    difference = np.abs(got - expected.permute(1, 2, 0).numpy())
    averaged = max(size) >= 16 * 64
    assert difference.max() <= (4 if averaged else 1)
    assert difference.mean() < (0.5 if averaged else 1e-3)


# --- images that are refused ---------------------------------------------------------------------

ONES = np.ones((40, 50, 3), np.float32)
BAD_IMAGES = {
    "rank 1": (np.zeros(40, np.uint8), ImageError, r"array of shape \(40,\)"),
    "rank 5": (np.zeros((1, 1, 40, 40, 3), np.uint8), ImageError, "array of shape"),
    "channels first": (np.zeros((3, 40, 50), np.uint8), ImageError, r"\(3, 40, 50\).*\(H, W, 3\)"),
    "2 channels": (np.zeros((40, 50, 2), np.uint8), ImageError, r"\(40, 50, 2\)"),
    "channels last tensor": (torch.zeros(40, 50, 3), ImageError, r"\(40, 50, 3\).*\(3, H, W\)"),
    "5 channel batch": (torch.zeros(2, 5, 40, 50), ImageError, r"\(5, 40, 50\)"),
    "bool": (np.zeros((40, 50), bool), TypeError, "pixels of type bool"),
    "int64": (np.zeros((40, 50, 3), np.int64), TypeError, "int64"),
    "uint16": (np.zeros((40, 50), np.uint16), TypeError, "uint16.*65535"),
    "int tensor": (torch.zeros(3, 40, 50, dtype=torch.int32), TypeError, "torch.int32"),
    "complex": (np.zeros((40, 50), complex), TypeError, "complex128"),
    "NaN": (np.where(np.arange(50)[:, None] == 3, np.nan, ONES), ImageError, "120 values.*NaN"),
    "infinite": (ONES * np.inf, ImageError, "NaN or infinite"),
    "0..255 floats": (ONES * 255, ImageError, r"from 255 to 255; they must be in 0\.\.1"),
    "negative floats": (torch.full((3, 40, 50), -0.5), ImageError, "from -0.5 to -0.5"),
    "no height": (np.zeros((0, 50, 3), np.uint8), ImageError, "no pixels"),
    "no width": (torch.zeros(3, 40, 0), ImageError, "no pixels"),
    "1x1": (np.zeros((1, 1, 3), np.uint8), ImageError, "1 x 1 pixels; .* at least 8 x 8"),
    "one short side": (np.zeros((7, 90), np.uint8), ImageError, "90 x 7 pixels"),
    "1x1 Pillow": (Image.new("RGB", (1, 1)), ImageError, "1 x 1 pixels"),
    "number": (3, TypeError, "is of type int"),
    "none": (None, TypeError, "is of type NoneType"),
}


@pytest.mark.parametrize("case", BAD_IMAGES)
def test_bad_image_is_refused_with_its_reason(case):
    image, error, message = BAD_IMAGES[case]
    with pytest.raises(error, match=message):
        darkness()(image)


def test_floats_may_leave_their_range_by_rounding():
    assert darkness()(ONES + np.float32(1e-5)).mask.shape == (40, 50)


def test_floats_are_rounded_to_the_nearest_level():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, 2)
    np.testing.assert_array_equal(as_rgb(levels / np.float32(255)), levels)


def huge_png() -> bytes:
    """The header of a picture, without its 400 million pixels."""

    def chunk(kind: bytes, data: bytes = b"") -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT") + chunk(b"IEND")


def truncated_png(tmp_path) -> bytes:
    Image.fromarray(synthetic_lesion(0, 64)[0]).save(tmp_path / "whole.png")
    return (tmp_path / "whole.png").read_bytes()[:2000]


BAD_FILES = {
    "missing": (None, "no such file"),
    "zero bytes": (lambda _: b"", "zero bytes"),
    "no image": (lambda _: b"Dear colleague, please find", "not an image"),
    "truncated": (truncated_png, "truncated or damaged"),
    "20000x20000": (lambda _: huge_png(), "20000 x 20000"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_file_is_refused_by_name(tmp_path, case):
    content, message = BAD_FILES[case]
    path = tmp_path / "lesion.png"
    if content is not None:
        path.write_bytes(content(tmp_path))
    with pytest.raises(ImageError, match=f"{re.escape(str(path))}.*{message}"):
        darkness()(path)


def test_message_tells_which_of_several_images():
    with pytest.raises(ImageError, match="image 2 has floating-point pixels"):
        darkness()([ONES, ONES, ONES * 9])


# --- streams -------------------------------------------------------------------------------------


def test_stream_takes_images_only_as_it_needs_them():
    taken = itertools.count()

    def endless():
        while True:
            next(taken)
            yield np.zeros((40, 40), np.uint8)

    stream = darkness(batch_size=2).stream(endless())
    assert next(stream).mask.all()
    assert next(taken) < 30
    stream.close()


def test_stream_batches_images_of_different_sizes():
    predictor = darkness(batch_size=4)
    images = [np.zeros((40 + i, 50), np.uint8) for i in range(10)]
    sizes = [p.mask.shape[0] for p in predictor.stream(images)]
    assert sizes == [40 + i for i in range(10)]
    assert [shape[0] for shape in predictor.model.seen] == [4, 4, 2]


def test_stream_returns_errors_in_place_if_asked(tmp_path):
    image, _ = spot()
    items = [image, tmp_path / "none.png", np.zeros((40, 40), int), image]
    results = list(darkness(batch_size=3).stream(items, return_exceptions=True))
    assert [type(r) for r in results] == [Prediction, ImageError, TypeError, Prediction]


def test_stream_raises_a_error_in_its_turn(tmp_path):
    image, _ = spot()
    stream = darkness(batch_size=3).stream([image, tmp_path / "none.png", image])
    assert isinstance(next(stream), Prediction)
    with pytest.raises(ImageError, match=r"none\.png"):
        next(stream)


def test_stream_of_one_path_is_no_stream_of_letters():
    with pytest.raises(TypeError, match="several images"):
        next(darkness().stream("lesion.png"))


def test_batch_without_any_usable_image(tmp_path):
    results = list(darkness().stream([tmp_path / "none.png"] * 2, return_exceptions=True))
    assert all(isinstance(result, ImageError) for result in results)


def test_inference_mode_does_not_leak_out_of_a_stream():
    for _ in darkness().stream([np.zeros((40, 40), np.uint8)] * 2):
        assert not torch.is_inference_mode_enabled()


# --- the network and its settings ----------------------------------------------------------------


def test_settings_come_from_the_weights_record_and_can_be_replaced():
    network = trained()
    network.pretrained_cfg = PretrainedCfg(
        architecture="basic_unet_sab",
        input_size=(3, 64, 96),
        threshold=0.3,
        normalization={"kind": "mean_std", "mean": [0.5] * 3, "std": [0.2] * 3},
    )
    own = Predictor(network)
    assert (own.threshold, own.input_size) == (0.3, (64, 96))
    assert own.normalization == Normalization(kind="mean_std", mean=(0.5,) * 3, std=(0.2,) * 3)
    other = Predictor(network, threshold=0.7, input_size=(32, 32), normalization=UNIT)
    assert (other.threshold, other.input_size, other.normalization) == (0.7, (32, 32), UNIT)
    without = Predictor(Darkness())
    assert (without.threshold, without.input_size) == (0.5, (256, 256))
    assert without.normalization == Normalization()


def test_threshold_belongs_to_the_lesion():
    class Half(nn.Module):
        def forward(self, x):
            return torch.zeros_like(x[:, :1])

    image = np.zeros((40, 40), np.uint8)
    assert Predictor(Half(), threshold=0.5)(image).mask.all()
    assert not Predictor(Half(), threshold=0.51)(image).mask.any()


def frozen_in_part() -> nn.Sequential:
    """A network in training mode, but for one layer, with a layer that notes its mode."""
    network = nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.BatchNorm2d(4), nn.Dropout(0.5), Noting()
    )
    network[2].eval()
    return network


class Noting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv2d(4, 1, 1)
        self.modes: list[bool] = []
        self.kept: torch.Tensor | None = None

    def forward(self, x):
        self.modes.append(self.training)
        self.kept = x if self.kept is None else self.kept
        return self.head(x)


def test_users_network_is_left_as_it_was():
    network = frozen_in_part()
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    modes = [part.training for part in network.modules()]
    predictor = Predictor(network, input_size=(32, 32))
    image, _ = spot()
    first, second = predictor(image).probability, predictor(image).probability
    np.testing.assert_array_equal(first, second)
    assert network[4].modes == [False, False]
    assert [part.training for part in network.modules()] == modes
    assert predictor.model is network
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(tensor, state[name], rtol=0, atol=0)
    # What a layer keeps while it predicts can be trained on.
    (network[4].head(network[4].kept).sum() + network(torch.rand(2, 3, 8, 8)).sum()).backward()


def test_users_network_is_restored_when_it_fails():
    network = nn.Sequential(nn.Conv2d(3, 3, 1))
    with pytest.raises(ValueError, match="3, 32, 32"):
        Predictor(network, input_size=(32, 32))(spot()[0])
    assert network.training
    broken = nn.Sequential(nn.Conv2d(5, 1, 1))
    with pytest.raises(RuntimeError):
        Predictor(broken, input_size=(32, 32))(spot()[0])
    assert all(part.training for part in broken.modules())


def test_predictions_between_epochs_use_the_weights_as_they_are():
    network = nn.Conv2d(3, 1, 1)
    predictor = Predictor(network, input_size=(32, 32))
    image, _ = spot()
    before = predictor(image).probability
    with torch.no_grad():
        network.weight.neg_()
    assert np.abs(predictor(image).probability - before).max() > 0.1


def test_threads_share_a_network_that_is_in_training_mode():
    network = frozen_in_part()
    modes = [part.training for part in network.modules()]
    image, _ = spot()
    predictors = [Predictor(network, input_size=(32, 32), tta=tta) for tta in (False, True)]
    expected = [predictor(image).probability for predictor in predictors]
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda i: predictors[i % 2](image).probability, range(64)))
    for index, probability in enumerate(got):
        np.testing.assert_array_equal(probability, expected[index % 2])
    assert not any(network[4].modes)
    assert [part.training for part in network.modules()] == modes


def test_network_on_another_device_is_copied():
    network = nn.Conv2d(3, 1, 1, device="meta")
    with pytest.raises(NotImplementedError, match="meta"):
        Predictor(network, device="cpu")
    assert network.weight.device.type == "meta"
    assert Predictor(nn.Conv2d(3, 1, 1), device="cpu").device == "cpu"


class Returning(nn.Module):
    def __init__(self, output) -> None:
        super().__init__()
        self.output = output

    def forward(self, x):
        return self.output(x)


BAD_OUTPUTS = {
    "tuple": (lambda x: (x, x), ValueError, "returned tuple"),
    "3 classes": (lambda x: x, ValueError, r"returned a tensor \(1, 3, 32, 32\)"),
    "no channel": (lambda x: x[:, 0], ValueError, r"\(1, 32, 32\)"),
    "NaN": (lambda x: x[:, :1] * torch.nan, FloatingPointError, "NaN or infinite"),
}


@pytest.mark.parametrize("case", BAD_OUTPUTS)
def test_network_that_returns_no_logits(case):
    output, error, message = BAD_OUTPUTS[case]
    predictor = Predictor(Returning(output), input_size=(32, 32))
    with pytest.raises(error, match=message):
        predictor(np.zeros((40, 40), np.uint8))


BAD_ARGUMENTS = {
    "unknown name": ({"model": "egeunett"}, ValueError, "did you mean egeunet"),
    "no weights": ({"model": "unet"}, ValueError, "no weights for unet"),
    "no module": ({"model": 3}, TypeError, "not int"),
    "classes": ({"model": trained(outputs=3)}, ValueError, "3 classes"),
    "threshold 0": ({"threshold": 0}, ValueError, "threshold must be .* not 0"),
    "threshold 1.5": ({"threshold": 1.5}, ValueError, "not 1.5"),
    "threshold as text": ({"threshold": "0.5"}, TypeError, "must be a number .* not '0.5'"),
    "size as text": ({"input_size": "256"}, TypeError, "one number for both, .* not '256'"),
    "size of a part": ({"input_size": 64.5}, TypeError, "input_size must be .* not 64.5"),
    "size too small": ({"input_size": 16}, ValueError, "each 32 or more"),
    "threshold NaN": ({"threshold": float("nan")}, ValueError, "not nan"),
    "batch size": ({"batch_size": 0}, ValueError, "batch_size must be 1 or more, not 0"),
    "batch size as text": ({"batch_size": "8"}, TypeError, "a whole number, .* not '8'"),
    "half a worker": ({"workers": 1.5}, TypeError, "workers must be a whole number, .* not 1.5"),
    "input size": ({"input_size": (16, 64)}, ValueError, r"each 32 or more, not \(16, 64\)"),
    "one side": ({"input_size": (64,)}, ValueError, "height, width"),
    "device": ({"device": "cuda:99"}, ValueError, "device 'cuda:99' cannot be used.*cpu"),
    "channel order": ({"channel_order": "gbr"}, ValueError, "'rgb' or 'bgr', not 'gbr'"),
    "workers": ({"workers": 0}, ValueError, "workers must be 1 or more, not 0"),
    "no device": ({"device": "gpu"}, ValueError, "device 'gpu' cannot be used"),
    "means": (
        {"normalization": Normalization(kind="mean_std", mean=(0.0,), std=(1.0,))},
        ValueError,
        "1 means .* 3 channels",
    ),
}


@pytest.mark.parametrize("case", BAD_ARGUMENTS)
def test_bad_argument_is_refused(case):
    arguments, error, message = BAD_ARGUMENTS[case]
    with pytest.raises(error, match=message):
        Predictor(**{"model": Darkness(), **arguments})


def test_smallest_input_is_that_of_the_networks():
    size = skinseg.models.input_check.MIN_SIZE
    assert Predictor(Darkness(), input_size=(size, size)).input_size == (size, size)
    with pytest.raises(ValueError, match=f"each {size} or more"):
        Predictor(Darkness(), input_size=(size, size - 1))


def test_networks_of_other_channels_are_refused():
    network = skinseg.create_model("basic_unet", in_chans=4)
    with pytest.raises(ValueError, match="takes 4 channels"):
        Predictor(network)


# --- predictions ---------------------------------------------------------------------------------


def predicted(mask: np.ndarray, inside: float = 1.0, outside: float = 0.0) -> Prediction:
    return Prediction(np.where(mask, inside, outside).astype(np.float32), mask)


def test_measurements_of_a_mask():
    mask = np.zeros((20, 40), bool)
    mask[3:5, 10:14] = True
    mask[5, 14] = True  # touches the first part at a corner
    mask[19, 0] = True
    prediction = predicted(mask)
    assert prediction.area_fraction == pytest.approx(10 / 800)
    assert prediction.bounding_box == (0, 3, 15, 17)
    assert all(type(value) is int for value in prediction.bounding_box)
    assert prediction.components == 2


OUTPUTS = [
    ((1, 16, 16), (200, 300)),
    ((1, 16, 24), (17, 25)),
    ((1, 16, 16), (16, 16)),
    ((1, 16, 16), (9, 100)),
    ((1, 16, 16), (8, 8)),
    ((1, 1, 1), (30, 40)),
    ((1, 1, 5), (8, 40)),
    ((4, 12, 16), (150, 130)),
    ((4, 12, 16), (10, 13)),
]


@pytest.mark.parametrize("threshold", [0.5, 0.2, 0.9])
@pytest.mark.parametrize(("shape", "size"), OUTPUTS)
def test_mask_and_probability_are_those_of_enlarged_logits(shape, size, threshold):
    for seed in range(5):
        logits = np.random.default_rng(seed).normal(0, 4, shape).astype(np.float32)
        enlarged = F.interpolate(
            torch.from_numpy(logits)[None], size=size, mode="bilinear", antialias=True
        )
        expected = enlarged.sigmoid().mean(1)[0].numpy()
        prediction = Prediction.from_logits(logits, size, threshold)
        np.testing.assert_allclose(prediction.probability, expected, atol=1e-4)
        clear = np.abs(expected - threshold) > 1e-4
        assert clear.mean() > 0.98
        np.testing.assert_array_equal(prediction.mask[clear], expected[clear] >= threshold)
        assert prediction.mask.dtype == bool
        assert prediction.probability.dtype == np.float32


def test_measurements_are_those_of_the_mask():
    blobs = torch.from_numpy(np.random.default_rng(1).normal(0, 8, (1, 1, 6, 6)))
    logits = F.interpolate(blobs.float(), size=(24, 24), mode="bicubic")[0].numpy()
    lazy = Prediction.from_logits(logits, (240, 300), 0.4)
    plain = Prediction(lazy.probability, lazy.mask)
    assert lazy.size == plain.size == (240, 300)
    assert lazy.area_fraction == plain.area_fraction == pytest.approx(lazy.mask.mean())
    assert lazy.bounding_box == plain.bounding_box
    assert lazy.components == plain.components > 1
    assert lazy.confidence == pytest.approx(plain.confidence, abs=1e-3)


def test_confidence_of_a_small_image_is_exact():
    logits = np.random.default_rng(1).normal(0, 4, (4, 24, 24)).astype(np.float32)
    lazy = Prediction.from_logits(logits, (70, 60), 0.4)
    assert lazy.confidence == pytest.approx(Prediction(lazy.probability, lazy.mask).confidence)


def test_prediction_travels_without_what_can_be_computed_again():
    logits = np.random.default_rng(0).normal(0, 4, (1, 16, 16)).astype(np.float32)
    prediction = Prediction.from_logits(logits, (500, 400), 0.3)
    mask, probability = prediction.mask, prediction.probability
    pickled = pickle.dumps(prediction)
    assert len(pickled) < 30_000
    again = pickle.loads(pickled)
    np.testing.assert_array_equal(again.mask, mask)
    np.testing.assert_array_equal(again.probability, probability)
    plain = pickle.loads(pickle.dumps(Prediction(probability, mask)))
    np.testing.assert_array_equal(plain.mask, mask)


def test_threads_may_ask_one_prediction():
    logits = np.random.default_rng(0).normal(0, 4, (1, 16, 16)).astype(np.float32)
    prediction = Prediction.from_logits(logits, (500, 400), 0.3)
    expected = Prediction.from_logits(logits, (500, 400), 0.3).mask
    with ThreadPoolExecutor(8) as pool:
        masks = list(pool.map(lambda _: prediction.mask, range(16)))
    for mask in masks:
        np.testing.assert_array_equal(mask, expected)


def test_empty_mask():
    prediction = predicted(np.zeros((20, 40), bool), outside=0.2)
    assert prediction.area_fraction == 0
    assert prediction.bounding_box is None
    assert prediction.components == 0
    assert prediction.confidence == 0
    image = np.full((20, 40, 3), 90, np.uint8)
    np.testing.assert_array_equal(prediction.overlay(image), image)


def test_confidence_is_the_dice_score_that_the_probabilities_promise():
    mask = np.zeros((10, 10), bool)
    mask[:5] = True
    assert predicted(mask).confidence == 1
    assert predicted(mask, 0.8, 0.1).confidence == pytest.approx(2 * 40 / (40 + 5 + 50))
    assert predicted(mask, 0.6).confidence < predicted(mask, 0.9).confidence
    assert predicted(mask, 0.9, 0.4).confidence < predicted(mask, 0.9, 0.1).confidence


@pytest.mark.parametrize("size", [(64, 96), (1100, 1301)])
def test_overlay_marks_the_border_and_leaves_the_rest(size):
    image, mask = spot(*size)
    before = image.copy()
    drawn = predicted(mask).overlay(image)
    np.testing.assert_array_equal(image, before)
    assert drawn.shape == image.shape
    assert drawn.dtype == np.uint8
    changed = (drawn != image).any(2)
    top, left = (int(v) for v in np.argwhere(mask)[0])
    assert changed[top, left]
    center = tuple(np.argwhere(mask).mean(0).astype(int))
    assert not changed[center]
    assert not changed[-1].any()
    assert 0.001 < changed.mean() < 0.2


@pytest.mark.parametrize("skin", [(20, 14, 10), (120, 80, 60), (240, 210, 200), (255, 255, 255)])
def test_outline_stands_out_from_any_skin(skin):
    _, mask = spot()
    image = np.full((90, 120, 3), skin, np.uint8)
    drawn = predicted(mask).overlay(image).astype(int)
    difference = np.abs(drawn - image).max(2)
    assert difference.max() > 100
    assert np.percentile(difference[difference > 0], 50) > 40


def test_outline_grows_with_the_image():
    widths = []
    for size in ((200, 200), (2000, 2000)):
        image, mask = spot(*size)
        changed = (predicted(mask).overlay(image) != image).any(2)
        widths.append(changed[int(size[0] * 0.4)].sum())
    assert widths[1] > 3 * widths[0]


def test_outline_of_a_lesion_that_fills_the_frame_is_closed():
    drawn = predicted(np.ones((64, 64), bool)).overlay(np.zeros((64, 64, 3), np.uint8))
    assert drawn[0].any(1).all()
    assert drawn[:, -1].any(1).all()
    assert not drawn[32, 32].any()


def test_overlay_refuses_another_image():
    _, mask = spot()
    with pytest.raises(ImageError, match="the image is 50 x 40, the mask 120 x 90"):
        predicted(mask).overlay(np.zeros((40, 50), np.uint8))


def test_overlay_takes_a_file(tmp_path):
    image, mask = spot()
    Image.fromarray(image).save(tmp_path / "x.png")
    drawn = predicted(mask).overlay(tmp_path / "x.png")
    np.testing.assert_array_equal(drawn, predicted(mask).overlay(image))


# --- what they say of themselves, and who may use them -------------------------------------------


def test_what_a_predictor_says_of_itself():
    said = repr(Predictor("malunet", tta=True))
    weights = "<Predictor: malunet.isic2017 on cpu, sees 128 x 128 pixels, lesion from 0.5"
    assert said == f"{weights}, four flips>"
    assert repr(darkness()).startswith("<Predictor: Darkness on cpu, sees 64 x 64 pixels")


def test_what_a_prediction_says_of_itself():
    image, mask = spot()
    prediction = darkness()(image)
    assert re.fullmatch(
        r"<Prediction: 120 x 90 pixels, 1\d\.\d% lesion in 1 part, \d+ x \d+ from \(\d+, \d+\), "
        r"confidence 0\.\d\d>",
        repr(prediction),
    )
    assert repr(Prediction(mask * np.float32(0), mask & False)) == (
        "<Prediction: 120 x 90 pixels, no lesion>"
    )


@pytest.fixture
def two_threads():
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


def test_a_predictor_is_used_by_threads_at_once():
    images = [synthetic_lesion(seed, 64)[0] for seed in range(4)]
    predictor = Predictor(trained(), input_size=64, batch_size=2)
    expected = [prediction.mask for prediction in predictor(images)]
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(lambda _: predictor(images), range(16)):
            for prediction, mask in zip(found, expected, strict=True):
                assert np.array_equal(prediction.mask, mask)


def test_a_predictor_is_used_in_a_forked_process(two_threads):
    """Where torch has threads already, which the child has not; without care it waits forever."""
    predictor = Predictor("malunet", batch_size=4)
    images = [synthetic_lesion(0, 256)[0]] * 4
    expected = predictor(images)[0].mask  # Starts torch's threads.
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        os._exit(0 if np.array_equal(predictor(images)[0].mask, expected) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert torch.get_num_threads() == 2


def test_a_predictor_may_be_pickled():
    image = spot()[0]
    predictor = Predictor("malunet")
    again = pickle.loads(pickle.dumps(predictor))
    assert np.array_equal(again(image).mask, predictor(image).mask)


# --- post-processing -----------------------------------------------------------------------------


def ring_and_dot() -> tuple[np.ndarray, np.ndarray]:
    """A dark ring with a bright middle beside a dark dot, and the ring's disk."""
    y, x = np.mgrid[:64, :64]
    distance = np.hypot(y - 32, x - 24)
    dark = ((distance < 18) & (distance > 8)) | (np.hypot(y - 10, x - 56) < 4)
    return np.where(dark[:, :, None], np.uint8(20), np.uint8(230)).repeat(3, 2), distance < 18


def test_post_processing_is_off_unless_asked_for():
    image, disk = ring_and_dot()
    plain = darkness()(image)
    assert plain.components == 2
    assert not plain.mask[32, 24]
    assert plain.without_postprocessing is plain
    both = darkness(largest_component=True, fill_holes=True)(image)
    np.testing.assert_array_equal(both.mask, disk)
    np.testing.assert_array_equal(both.without_postprocessing.mask, plain.mask)
    np.testing.assert_array_equal(both.probability, plain.probability)
    assert both.area_fraction == disk.mean()
    assert darkness(largest_component=True)(image).area_fraction < disk.mean()
    assert darkness(fill_holes=True)(image).components == 2


def test_confidence_is_that_of_the_mask_after_post_processing():
    image, disk = ring_and_dot()
    found = darkness(largest_component=True, fill_holes=True)(image)
    p = found.probability
    expected = 2 * p[disk].sum() / (p.sum() + disk.sum())
    assert found.confidence == pytest.approx(expected, abs=1e-5)
    again = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(again.mask, disk)


# --- tiles ---------------------------------------------------------------------------------------


def test_tiles_are_blended_as_monai_does():
    sliding = pytest.importorskip("monai.inferers").sliding_window_inference
    network = trained().eval()
    image = np.random.default_rng(0).integers(0, 256, (200, 330, 3), np.uint8)
    predictor = Predictor(network, input_size=(64, 64), normalization=UNIT, tile=64, batch_size=3)
    x = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        expected = sliding(x, (64, 64), 4, network, overlap=0.25, mode="gaussian")
    expected = expected.sigmoid()[0, 0].numpy()
    np.testing.assert_allclose(predictor(image).probability, expected, atol=2e-4)
    doubled = Predictor(network, input_size=(64, 64), normalization=UNIT, tile=128)
    assert np.abs(doubled(image).probability - expected).max() > 0.01


def test_an_image_of_one_tile_is_predicted_as_a_whole():
    image, _ = spot()
    plain, tiled = darkness()(image), darkness(tile=500)(image)
    np.testing.assert_allclose(tiled.probability, plain.probability, atol=1e-6)


def test_small_lesions_of_a_large_image_are_found_in_tiles():
    image = np.full((1000, 1400, 3), 230, np.uint8)
    image[700:712, 1100:1112] = 30
    whole, tiled = darkness(input_size=32), darkness(input_size=32, tile=128, tta=True)
    assert whole(image).components == 0
    found = tiled(image)
    assert found.mask.shape == (1000, 1400)
    x, y, width, height = found.bounding_box
    assert x >= 1094 and x + width <= 1118 and y >= 694 and y + height <= 718
    several = tiled([image, image[:500], image[:90, :90]])
    assert [prediction.components for prediction in several] == [1, 0, 0]


def test_tiles_of_a_file_are_those_of_its_pixels(tmp_path):
    image, _ = spot(600, 800)
    Image.fromarray(image).save(tmp_path / "spot.jpg", quality=95)
    tiled = darkness(tile=150)
    decoded = np.asarray(Image.open(tmp_path / "spot.jpg"))
    of_file, of_pixels = tiled(tmp_path / "spot.jpg"), tiled(decoded)
    np.testing.assert_array_equal(of_file.mask, of_pixels.mask)


@pytest.mark.parametrize(
    ("tile", "error", "message"),
    [(31, ValueError, "tile must be 32 pixels or more, not 31"), ("9", TypeError, "tile must be")],
)
def test_tiles_that_cannot_be(tile, error, message):
    with pytest.raises(error, match=message):
        darkness(tile=tile)
