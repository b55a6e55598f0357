"""Data sets on disk: every layout is found, every error of one is named."""

import pickle
import shutil
import threading
import unicodedata
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from skinseg.data import (
    ISIC2016,
    ISIC2017,
    ISIC2018,
    PH2,
    AnyLabel,
    Collate,
    DatasetError,
    DatasetSource,
    FolderDataset,
    ImageError,
    MappedLabels,
    Normalization,
    Pair,
    PairDataset,
    SegmentationDataset,
    check_dataset,
    open_dataset,
    parse_labels,
    read_split,
)
from skinseg.data.images import read_labels

SIZE = (12, 16)


def put_image(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def put_mask(path: Path, size: tuple[int, int] = SIZE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = np.zeros(size, np.uint8)
    mask[2:5, 3:9] = 255
    Image.fromarray(mask).save(path)
    return path


def put_pairs(root: Path, ids: str) -> FolderDataset:
    for seed, name in enumerate(ids):
        put_image(root / "images" / f"{name}.jpg", seed)
        put_mask(root / "masks" / f"{name}.png")
    return FolderDataset(root)


# --- official layouts ----------------------------------------------------------------------------

OFFICIAL = [
    (ISIC2016, "train", "ISBI2016_ISIC_Part1_Training_Data", "_Segmentation"),
    (ISIC2016, "test", "ISBI2016_ISIC_Part1_Test_Data", "_Segmentation"),
    (ISIC2017, "train", "ISIC-2017_Training_Data", "_segmentation"),
    (ISIC2017, "val", "ISIC-2017_Validation_Data", "_segmentation"),
    (ISIC2017, "test", "ISIC-2017_Test_v2_Data", "_segmentation"),
    (ISIC2018, "train", "ISIC2018_Task1-2_Training_Input", "_segmentation"),
    (ISIC2018, "val", "ISIC2018_Task1-2_Validation_Input", "_segmentation"),
    (ISIC2018, "test", "ISIC2018_Task1-2_Test_Input", "_segmentation"),
]


def mask_folder_of(image_folder: str) -> str:
    if image_folder.startswith("ISIC2018"):
        return image_folder.replace("Task1-2", "Task1").replace("Input", "GroundTruth")
    part = "GroundTruth" if image_folder.startswith("ISBI") else "Part1_GroundTruth"
    return image_folder.replace("Data", part)


@pytest.mark.parametrize(("kind", "split", "folder", "suffix"), OFFICIAL)
def test_isic_as_downloaded(tmp_path, kind, split, folder, suffix):
    names = ["ISIC_0000000", "ISIC_0000001"]
    for seed, name in enumerate(names):
        put_image(tmp_path / folder / f"{name}.jpg", seed)
        put_mask(tmp_path / mask_folder_of(folder) / f"{name}{suffix}.png")
        put_image(tmp_path / folder / f"{name}_superpixels.png")
    for extra in (f"{folder}_metadata.csv", "LICENSE.txt", "ATTRIBUTION.txt"):
        (tmp_path / folder / extra).touch()
    dataset = kind(tmp_path, split)
    assert dataset.ids == names
    assert len(dataset) == 2
    assert dataset.image_path(1) == tmp_path / folder / "ISIC_0000001.jpg"
    assert dataset.mask_path(1).name == f"ISIC_0000001{suffix}.png"
    sample = dataset[1]
    assert (sample.id, sample.image.shape, sample.image.dtype) == (names[1], (*SIZE, 3), np.uint8)
    assert (sample.mask.shape, sample.mask.dtype, sample.mask.sum()) == (SIZE, np.bool_, 18)


@pytest.mark.parametrize(("kind", "split", "folder", "suffix"), OFFICIAL)
def test_isic_errors_name_the_layout(tmp_path, kind, split, folder, suffix):
    expected = rf"{folder}.ISIC_0000000\.jpg.*{mask_folder_of(folder)}.*give as root"
    with pytest.raises(DatasetError, match=rf"split '{split}': no folder .*{folder}'.*{expected}"):
        kind(tmp_path, split)
    (tmp_path / folder).mkdir()
    with pytest.raises(DatasetError, match=rf"no folder .*{mask_folder_of(folder)}'.*{expected}"):
        kind(tmp_path, split)
    (tmp_path / mask_folder_of(folder)).mkdir()
    with pytest.raises(DatasetError, match=rf"no images in .*{expected}"):
        kind(tmp_path, split)
    put_image(tmp_path / folder / "ISIC_0000000.jpg")
    with pytest.raises(DatasetError, match=rf"no masks for the images in .*{expected}"):
        kind(tmp_path, split)


@pytest.mark.parametrize("kind", [ISIC2016, ISIC2017, ISIC2018])
def test_unknown_split(tmp_path, kind):
    with pytest.raises(DatasetError, match=r"no split 'dev'\. Choose from train, .*test\.$"):
        kind(tmp_path, "dev")


@pytest.mark.parametrize("root", ["", "PH2Dataset"])
def test_ph2(tmp_path, root):
    for seed, name in enumerate(["IMD003", "IMD009"]):
        case = tmp_path / "PH2Dataset" / "PH2 Dataset images" / name
        put_image(case / f"{name}_Dermoscopic_Image" / f"{name}.bmp", seed)
        put_mask(case / f"{name}_lesion" / f"{name}_lesion.bmp")
        put_mask(case / f"{name}_roi" / f"{name}_R1_Label4.bmp")
    dataset = PH2(tmp_path / root)
    assert dataset.ids == ["IMD003", "IMD009"]
    assert dataset[0].mask.sum() == 18
    assert check_dataset(dataset, progress=False).findings == ()


def test_ph2_errors(tmp_path):
    folder = tmp_path / "PH2Dataset" / "PH2 Dataset images"
    with pytest.raises(DatasetError, match=r"no folder .*IMD003_Dermoscopic_Image.*give as root"):
        PH2(tmp_path)
    folder.mkdir(parents=True)
    with pytest.raises(DatasetError, match=r"no images in .*give as root"):
        PH2(tmp_path)
    put_image(folder / "IMD003/IMD003_Dermoscopic_Image/IMD003.bmp")
    with pytest.raises(DatasetError, match=r"no masks .*give as root"):
        PH2(tmp_path)


# --- a folder of one's own -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "mask_name",
    ["x.png", "x_mask.png", "x_Mask.PNG", "x-mask.tif", "x_segmentation.png", "x_LESION.bmp"],
)
@pytest.mark.parametrize("layout", ["images+masks", "two folders", "one folder", "folder twice"])
def test_layouts(tmp_path, layout, mask_name):
    if layout == "images+masks":
        images, masks, arguments = tmp_path / "images", tmp_path / "masks", [tmp_path]
    elif layout == "two folders":
        images, masks = tmp_path / "photos", tmp_path / "labels"
        arguments = [images, str(masks)]
    else:
        images = masks = tmp_path
        arguments = [tmp_path] if layout == "one folder" else [tmp_path, tmp_path]
    put_image(images / "x.JPG")
    put_mask(masks / mask_name)
    if images == masks and mask_name == "x.png":
        with pytest.raises(DatasetError, match=r"Two images for 'x'.*'x_mask\.png'"):
            FolderDataset(*arguments)
        return
    dataset = FolderDataset(*arguments)
    assert dataset.ids == ["x"]
    assert dataset.mask_path(0) == masks / mask_name
    assert dataset[0].mask.sum() == 18


def test_stems_must_agree_to_the_letter(tmp_path):
    put_pairs(tmp_path, "a")
    put_image(tmp_path / "images" / "Nevus.jpg", 7)
    put_mask(tmp_path / "masks" / "nevus_mask.png")
    dataset = FolderDataset(tmp_path)
    assert dataset.ids == ["Nevus", "a"]
    assert dataset.mask_path(0) is None
    assert dataset.stray_masks == [tmp_path / "masks" / "nevus_mask.png"]


def test_two_masks_for_one_image(tmp_path):
    put_pairs(tmp_path, "a")
    put_mask(tmp_path / "masks" / "a_mask.png")
    with pytest.raises(DatasetError, match=r"Two masks for 'a': .*a\.png.*a_mask\.png"):
        FolderDataset(tmp_path)


def test_two_images_of_one_name(tmp_path):
    put_pairs(tmp_path, "a")
    put_image(tmp_path / "images" / "a.png")
    with pytest.raises(DatasetError, match="Two images for 'a'"):
        FolderDataset(tmp_path)


def test_image_that_is_called_like_a_mask(tmp_path):
    for stem in ("nevus", "nevus_lesion"):
        put_image(tmp_path / "two/images" / f"{stem}.jpg")
        put_mask(tmp_path / "two/masks" / f"{stem}.png")
    put_image(tmp_path / "one" / "nevus_lesion.jpg")
    put_mask(tmp_path / "one" / "nevus_lesion_mask.png")
    two, one = FolderDataset(tmp_path / "two"), FolderDataset(tmp_path / "one")
    assert [two.mask_path(i).stem for i in range(2)] == two.ids == ["nevus", "nevus_lesion"]
    assert one.ids == ["nevus_lesion"]
    assert one.mask_path(0).stem == "nevus_lesion_mask"


def test_empty_folder(tmp_path):
    with pytest.raises(DatasetError, match=r"No images in .*Expected is 'images/x\.jpg'"):
        FolderDataset(tmp_path)


def test_no_masks_at_all(tmp_path):
    put_image(tmp_path / "x.jpg")
    with pytest.raises(DatasetError, match=r"No masks in .*for the 1 image .*Expected is"):
        FolderDataset(tmp_path)


@pytest.mark.parametrize("present", ["images", "masks", None])
def test_absent_folder(tmp_path, present):
    root = tmp_path / "data"
    if present:
        (root / present).mkdir(parents=True)
    missing = {"images": "masks", "masks": "images", None: "data"}[present]
    with pytest.raises(DatasetError, match=rf"No folder '.*{missing}'.*Expected is"):
        FolderDataset(root)


# --- what every data set can do ------------------------------------------------------------------


def test_nothing_is_opened_before_it_is_asked_for(tmp_path):
    dataset = put_pairs(tmp_path, "ab")
    dataset.image_path(0).write_bytes(b"no image any more")
    assert FolderDataset(tmp_path)[1].id == "b"
    with pytest.raises(ImageError, match=r"a\.jpg"):
        dataset[0]


def test_sample_without_mask(tmp_path):
    put_pairs(tmp_path, "ab")
    (tmp_path / "masks" / "b.png").unlink()
    dataset = FolderDataset(tmp_path)
    assert dataset.mask_path(1) is None
    with pytest.raises(DatasetError, match=r"b\.jpg' has no mask.*b_mask\.png"):
        dataset[1]


def test_sample_of_two_sizes(tmp_path):
    dataset = put_pairs(tmp_path, "a")
    put_mask(tmp_path / "masks" / "a.png", (20, 24))
    with pytest.raises(DatasetError, match=r"a\.png' is 24 x 20, but .*a\.jpg' is 16 x 12"):
        dataset[0]


def test_sequence(tmp_path):
    dataset = put_pairs(tmp_path, "abc")
    assert isinstance(dataset, SegmentationDataset)
    assert [sample.id for sample in dataset] == ["a", "b", "c"]
    assert dataset[-1].id == "c"
    with pytest.raises(IndexError):
        dataset[3]
    assert pickle.loads(pickle.dumps(dataset)).ids == dataset.ids
    assert repr(dataset) == f"<FolderDataset: 3 samples, images in '{tmp_path / 'images'}'>"


@pytest.mark.parametrize("workers", [0, 1])
def test_a_plain_data_loader_takes_it(tmp_path, workers):
    dataset = put_pairs(tmp_path, "ab") + put_pairs(tmp_path / "other", "c")
    put_image(tmp_path / "wide/images/d.jpg")
    wide = Image.open(tmp_path / "wide/images/d.jpg").resize((40, 20))
    wide.save(tmp_path / "wide/images/d.jpg")
    put_mask(tmp_path / "wide/masks/d.png", (20, 40))
    dataset += FolderDataset(tmp_path / "wide")
    normalization = Normalization(kind="mean_std", mean=(0.0,) * 3, std=(1.0,) * 3)
    collate = Collate((24, 32), normalization)
    loader = DataLoader(dataset, batch_size=4, collate_fn=collate, num_workers=workers)
    [(images, masks)] = loader
    assert images.shape == (4, 3, 24, 32)
    assert images.dtype == masks.dtype == torch.float32
    expected = Image.fromarray(dataset[3].image).resize((32, 24), Image.Resampling.BILINEAR)
    found = images[3].permute(1, 2, 0).numpy() * 255
    assert np.abs(found - np.asarray(expected)).max() <= 1.5
    assert masks.shape == (4, 1, 24, 32)
    np.testing.assert_array_equal(masks[0, 0, ::2, ::2].bool(), dataset[0].mask)
    assert Collate(16)(list(dataset))[1].unique().tolist() == [0, 1]


def test_subset_keeps_the_order_it_is_given(tmp_path):
    dataset = put_pairs(tmp_path, "abc").subset(["c", "a"])
    assert isinstance(dataset, FolderDataset)
    assert dataset.ids == ["c", "a"]
    assert dataset.image_path(0).stem == dataset[0].id == "c"


def test_subset_from_a_file(tmp_path):
    dataset = put_pairs(tmp_path, "abc")
    split = tmp_path / "val.txt"
    split.write_bytes(b"\xef\xbb\xbf# a comment\r\nb\r\n\r\n  a  \r\n")
    assert dataset.subset(split).ids == dataset.subset(str(split)).ids == ["b", "a"]
    assert read_split(split) == ["b", "a"]


def test_unknown_ids(tmp_path):
    dataset = put_pairs(tmp_path, "abc")
    unknown = [f"x{number}" for number in range(7)]
    with pytest.raises(DatasetError, match=r"7 of 8 ids.*'x0', .*'x4', \.\.\.\. .*look like 'a'"):
        dataset.subset(["a", *unknown])
    (tmp_path / "val.txt").write_text("a\na.jpg\n")
    with pytest.raises(DatasetError, match=r"1 of 2 ids in '.*val\.txt'.*'a\.jpg'"):
        dataset.subset(tmp_path / "val.txt")
    with pytest.raises(DatasetError, match="given twice: 'a'"):
        dataset.subset(["a", "b", "a"])


@pytest.mark.parametrize("content", [None, b"", b"# nothing\n", b"\xff\xfe\x00"])
def test_split_file_that_holds_nothing(tmp_path, content):
    if content is not None:
        (tmp_path / "val.txt").write_bytes(content)
    with pytest.raises(DatasetError, match=r"val\.txt.*one id per line"):
        read_split(tmp_path / "val.txt")


def test_random_split(tmp_path):
    dataset = put_pairs(tmp_path, "abcdefghij")
    parts = dataset.random_split((0.6, 0.2, 0.2), seed=1)
    assert [len(part) for part in parts] == [6, 2, 2]
    assert sorted(name for part in parts for name in part.ids) == dataset.ids
    assert all(part.ids == sorted(part.ids) for part in parts)
    again = dataset.subset(dataset.ids[::-1]).random_split((0.6, 0.2, 0.2), seed=1)
    assert [set(part.ids) for part in again] == [set(part.ids) for part in parts]
    assert dataset.random_split((0.6, 0.2, 0.2), seed=2)[0].ids != parts[0].ids


def test_random_split_keeps_patients_together(tmp_path):
    dataset = put_pairs(tmp_path, "abcdefghij")
    groups = {name: f"patient {index // 2}" for index, name in enumerate(dataset.ids)}
    for seed in range(20):
        train, val = dataset.random_split((0.8, 0.2), seed=seed, groups=groups)
        assert len(train) + len(val) == 10
        assert not {groups[name] for name in train.ids} & {groups[name] for name in val.ids}
    with pytest.raises(DatasetError, match="lacks 9 of 10 ids"):
        dataset.random_split((0.5, 0.5), groups={"a": "x"})
    with pytest.raises(DatasetError, match="of 10 images in 1 group, a part would be empty"):
        dataset.random_split((0.5, 0.5), groups=dict.fromkeys(dataset.ids, "x"))


@pytest.mark.parametrize("fractions", [(), (0.5,), (0.5, 0.6), (1.5, -0.5), (1.0, 0.0)])
def test_fractions_add_up(tmp_path, fractions):
    with pytest.raises(DatasetError, match="add up to 1"):
        put_pairs(tmp_path, "ab").random_split(fractions)


def test_joined(tmp_path):
    first, second = put_pairs(tmp_path / "1", "ab"), put_pairs(tmp_path / "2", "cd")
    joined = first + second
    assert joined.ids == ["a", "b", "c", "d"]
    assert joined.subset(["d", "a"])[0].id == "d"
    with pytest.raises(DatasetError, match="2 ids twice: 'a', 'b'"):
        joined + first


# --- labels --------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["L", "P", "I;16", "RGB"])
def test_labels_mean_what_is_said(tmp_path, mode):
    labels = np.zeros(SIZE, np.uint8)
    labels[2:5], labels[6:8] = 1, 2
    put_image(tmp_path / "x.jpg")
    if mode == "P":
        picture = Image.fromarray(labels, "P")
        picture.putpalette([0, 0, 0, 0, 128, 0, 128, 0, 0])
    elif mode == "RGB":
        picture = Image.fromarray(np.stack([labels] * 3, axis=2))
    else:
        picture = Image.fromarray(labels.astype(np.uint16 if mode == "I;16" else np.uint8))
    picture.save(tmp_path / "x_mask.png")
    meaning = parse_labels("0=background, 1=background, 2=lesion")
    dataset = open_dataset(tmp_path, labels=meaning)
    np.testing.assert_array_equal(dataset[0].mask, labels == 2)
    # It is still known after the ids, or the selection, have changed.
    again = dataset.renamed(["y"]).subset(["y"])
    np.testing.assert_array_equal(again[0].mask, labels == 2)
    assert check_dataset(dataset, progress=False).ok
    unnamed = open_dataset(tmp_path, labels={0: "background", 2: "lesion"})
    with pytest.raises(DatasetError, match=r"x_mask.png' holds 1, and labels names 0, 2 only"):
        unnamed[0]
    [finding] = check_dataset(unnamed, progress=False).findings
    assert finding.kind == "unknown_values"


def saved_label(folder: Path, kind: str) -> np.ndarray:
    """Save an image and a mask in which the label 1 (255 with transparency); return where it is."""
    where = np.zeros(SIZE, bool)
    where[2:5, 3:9] = True
    put_image(folder / "x.jpg")
    white, alpha = np.full(SIZE, 255, np.uint8), where * np.uint8(255)
    options = {}
    if kind.startswith("palette"):
        picture = Image.fromarray(where.astype(np.uint8)).convert("P")
        # The background is white, the lesion black.
        picture.putpalette([255, 255, 255, 0, 0, 0])
        if kind == "palette, its lesion transparent":
            options["transparency"] = 1
    elif kind == "gray, a level transparent":
        picture = Image.fromarray(np.where(where, white, np.uint8(9)))
        options["transparency"] = 9
    elif kind == "half transparent":
        alpha = np.where(where, np.uint8(100), np.uint8(0))
        picture = Image.fromarray(np.dstack([white, white, white, alpha]))
    else:
        channels = {"LA": [white, alpha], "RGBA": [white, white, white, alpha]}[kind]
        picture = Image.merge(kind, [Image.fromarray(channel) for channel in channels])
    picture.save(folder / "x_mask.png", **options)
    return where


@pytest.mark.parametrize(
    "kind",
    [
        "palette",
        "palette, its lesion transparent",
        "gray, a level transparent",
        "half transparent",
        "LA",
        "RGBA",
    ],
)
def test_labels_of_palettes_and_under_transparency(tmp_path, kind):
    where = saved_label(tmp_path, kind)
    value = 1 if kind.startswith("palette") else 255
    labels = {0: "background", value: "lesion"}
    for dataset in (open_dataset(tmp_path, labels=labels), open_dataset(tmp_path, any_label=True)):
        np.testing.assert_array_equal(dataset[0].mask, where)


def test_a_palette_with_an_alpha_channel_has_its_indices_for_labels(tmp_path):
    mask = Image.new("PA", (4, 1))
    mask.putpalette([255, 255, 255, 0, 0, 0, 9, 9, 9])
    for x, pixel in enumerate([(0, 255), (1, 255), (2, 9), (2, 0)]):
        mask.putpixel((x, 0), pixel)
    mask.save(tmp_path / "m.tif")
    assert read_labels(tmp_path / "m.tif").tolist() == [[0, 1, 2, 0]]


@pytest.mark.parametrize("text", ["", "2", "0=skin,2=lesion", "a=lesion", "1=lesion,1=lesion"])
def test_labels_that_are_written_otherwise(text):
    with pytest.raises(DatasetError, match="as 0=background,2=lesion"):
        parse_labels(text)


def test_labels_need_a_lesion_and_exclude_any_label(tmp_path):
    put_pairs(tmp_path, "a")
    with pytest.raises(DatasetError, match="one of them lesion"):
        open_dataset(tmp_path, labels={0: "background"})
    with pytest.raises(DatasetError, match="exclude each other"):
        open_dataset(tmp_path, labels={1: "lesion"}, any_label=True)


@pytest.mark.parametrize("order", [1, -1])
def test_what_labels_mean_is_not_lost_in_a_sum(tmp_path, order):
    plain = put_pairs(tmp_path / "1", "a")
    mapped = MappedLabels(put_pairs(tmp_path / "2", "b"), {0: "background", 255: "lesion"})
    first, second = (plain, mapped)[::order]
    with pytest.raises(DatasetError, match=r"Join the data sets first: MappedLabels\("):
        first + second


def test_a_color_picture_holds_no_labels(tmp_path):
    put_image(tmp_path / "x.png")
    with pytest.raises(ImageError, match="it is a color picture"):
        read_labels(tmp_path / "x.png")


# --- checks --------------------------------------------------------------------------------------


def test_sound_dataset(tmp_path):
    report = check_dataset(put_pairs(tmp_path, "abc"), progress=False)
    assert report.ok
    assert report.findings == ()
    assert report.summary() == "FolderDataset: 3 samples: nothing to complain of."
    report.raise_if_broken()


def gray_steps(path: Path, fraction: float) -> None:
    levels = np.zeros(SIZE, np.uint8)
    levels[6:] = 255
    levels.flat[: int(levels.size * fraction)] = 100
    Image.fromarray(levels).save(path)


def spoil(root: Path, error: str) -> None:
    """Puts one error into a data set of the samples a, b and c."""
    image, mask = root / "images" / "b.jpg", root / "masks" / "b.png"
    if error == "image_without_mask":
        mask.unlink()
    elif error == "mask_without_image":
        put_mask(root / "masks" / "z.png")
    elif error == "image truncated":
        image.write_bytes(image.read_bytes()[:-100])
    elif error == "mask is text":
        mask.write_text("no image")
    elif error == "mask is a photograph":
        shutil.copy(image, mask)
    elif error == "size_mismatch":
        put_mask(mask, (20, 24))
    elif error == "too_small":
        Image.new("RGB", (6, 12)).save(image)
        Image.new("L", (6, 12), 255).save(mask)
    elif error == "gray edge":
        gray_steps(mask, 0.05)
    elif error == "gray all over":
        gray_steps(mask, 0.4)
    elif error == "empty_mask":
        Image.new("L", SIZE[::-1]).save(mask)
    elif error == "labels 0 and 2":
        Image.fromarray(np.array(Image.open(mask)) // 255 * np.uint8(2)).save(mask)
    elif error == "duplicate":
        put_image(image, seed=0)


@pytest.mark.parametrize(
    ("error", "kind", "broken", "named"),
    [
        ("image_without_mask", "image_without_mask", True, "b.jpg"),
        ("mask_without_image", "mask_without_image", False, "z.png"),
        ("image truncated", "unreadable", True, "b.jpg"),
        ("mask is text", "unreadable", True, "b.png"),
        ("mask is a photograph", "unreadable", True, "b.png"),
        ("size_mismatch", "size_mismatch", True, "24 x 20"),
        ("too_small", "too_small", True, "6 x 12, and a lesion needs 8 x 8 pixels"),
        ("gray edge", "not_binary", False, "b.png"),
        ("gray all over", "not_binary", True, "b.png"),
        ("empty_mask", "empty_mask", False, "b.png"),
        (
            "labels 0 and 2",
            "unknown_values",
            True,
            "MappedLabels(dataset, {0: 'background', 2: 'lesion'})",
        ),
        ("duplicate", "duplicate", False, "a, b"),
    ],
)
def test_one_error(tmp_path, error, kind, broken, named):
    put_pairs(tmp_path, "abc")
    spoil(tmp_path, error)
    report = check_dataset(FolderDataset(tmp_path), progress=False)
    assert [finding.kind for finding in report.findings] == [kind]
    finding = report.of_kind(kind)[0]
    assert finding.broken is broken
    assert report.ok is not broken
    assert named in finding.message + finding.remedy
    assert named in report.summary()
    assert finding.ids == {"mask_without_image": (), "duplicate": ("a", "b")}.get(kind, ("b",))
    if broken:
        with pytest.raises(DatasetError, match=r"1 broken, 0 to look at[\s\S]*Correct the files"):
            report.raise_if_broken()
    else:
        report.raise_if_broken()


def test_size_is_known_even_if_the_image_is_damaged(tmp_path):
    put_pairs(tmp_path, "abc")
    spoil(tmp_path, "image truncated")
    spoil(tmp_path, "size_mismatch")
    report = check_dataset(FolderDataset(tmp_path), progress=False)
    assert [finding.kind for finding in report.findings] == ["unreadable", "size_mismatch"]


def test_long_reports_are_cut(tmp_path):
    names = "abcdefghijklm"
    put_pairs(tmp_path, names)
    for name in names[1:]:
        (tmp_path / "masks" / f"{name}.png").unlink()
    report = check_dataset(FolderDataset(tmp_path), progress=False)
    assert len(report.findings) == 12
    assert "... and 2 more" in report.summary()
    with pytest.raises(ValueError, match="Unknown kind 'grays'"):
        report.of_kind("grays")


def test_progress_goes_to_standard_error_or_nowhere(tmp_path, capsys):
    dataset = put_pairs(tmp_path, "ab")
    check_dataset(dataset, progress=False)
    assert capsys.readouterr() == ("", "")
    check_dataset(dataset)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "checking" in shown.err


def test_interrupted_check_ends_at_once():
    class Endless(PairDataset):
        """Stops at its first sample and would take long for the others."""

        looked = 0

        def image_path(self, index):
            if index == 0:
                raise KeyboardInterrupt
            self.looked += 1
            threading.Event().wait(0.05)
            return super().image_path(index)

    dataset = Endless([Pair(f"{i}", Path(f"{i}.png"), None) for i in range(2000)])
    with pytest.raises(KeyboardInterrupt):
        check_dataset(dataset, progress=False)
    assert dataset.looked < 100


# --- the real thing ------------------------------------------------------------------------------


def test_real_isic2017(shared_dir):
    root = shared_dir / "data" / "isic2017_256"
    train, val = ISIC2017(root), ISIC2017(root, "val")
    assert (len(train), len(val)) == (2000, 150)
    assert all(train.mask_path(i) is not None for i in range(len(train)))
    assert not set(train.ids) & set(val.ids)
    for name in ("train", "test"):
        split = root / "splits" / f"paper73_{name}.txt"
        assert len((train + val).subset(split)) == {"train": 1500, "test": 650}[name]
    report = check_dataset(val, progress=False)
    assert report.ok
    assert not report.of_kind("not_binary")


# --- what else a folder may look like ------------------------------------------------------------


def put(root, images, masks):
    for place, write in ((images, put_image), (masks, put_mask)):
        for name in place:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            write(root / name)
    return root


@pytest.mark.parametrize(
    ("images", "masks", "ids"),
    [
        (["Images/a.png"], ["Masks/a_Segmentation.png"], ["a"]),
        (["IMAGES/a.png"], ["mask/a_lesion.png"], ["a"]),
        (["images/anna/a.png", "images/bert/a.png"],
         ["masks/anna/a.png", "masks/bert/a_mask.png"], ["anna/a", "bert/a"]),
        (["images/anna/a.png", "images/b.png"], ["masks/a_mask.png", "masks/b.png"],
         ["anna/a", "b"]),
        (["anna/a.png", "bert/a.png"], ["anna/a_mask.png", "bert/a_mask.png"],
         ["anna/a", "bert/a"]),
        (["lesions/images/a.png"], ["lesions/masks/a.png"], ["a"]),
        (["lesions/a.png"], ["lesions/a_mask.png"], ["a"]),
        (["train/Images/a.png", "notes/readme.png"], ["train/masks/a.png"], ["a"]),
    ],
)  # fmt: skip
def test_folders_in_folders(tmp_path, images, masks, ids):
    dataset = FolderDataset(put(tmp_path, images, masks))
    assert dataset.ids == ids and dataset.stray_masks == []
    assert all(dataset[index].mask.shape == SIZE for index in range(len(dataset)))


def test_a_zip_archive_is_a_folder(tmp_path):
    put(tmp_path / "lesions", ["images/a.png", "images/b.png"], ["masks/a.png", "masks/b.png"])
    archive = Path(shutil.make_archive(str(tmp_path / "mine"), "zip", tmp_path, "lesions"))
    on_disk = FolderDataset(tmp_path / "lesions")
    for dataset in (FolderDataset(archive), open_dataset(f"{archive}/lesions")):
        assert dataset.ids == ["a", "b"]
        assert np.array_equal(dataset[1].image, on_disk[1].image)
        assert check_dataset(dataset, progress=False).ok
    apart = FolderDataset(archive / "lesions/images", archive / "lesions/masks")
    assert apart.ids == ["a", "b"]
    assert DatasetSource.parse(archive).name == "mine"
    archive.write_bytes(b"no archive")
    with pytest.raises(DatasetError, match=r"Cannot look into .*mine.zip' cannot be read"):
        FolderDataset(archive)


def test_an_archive_whose_folders_are_divided_by_backslashes(tmp_path):
    put(tmp_path / "lesions", ["images/a.png"], ["masks/a.png"])
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as archive:
        for name in ("images/", "masks/", "images/a.png", "masks/a.png"):
            info = zipfile.ZipInfo(name.replace("/", "\\"))
            info.create_system = 0
            file = tmp_path / "lesions" / name
            archive.writestr(info, b"" if file.is_dir() else file.read_bytes())
    dataset = FolderDataset(tmp_path / "mine.zip")
    assert dataset.ids == ["a"]
    assert check_dataset(dataset, progress=False).ok


def test_masks_in_the_folder_of_the_images_are_no_images(tmp_path):
    put(tmp_path, ["a.png", "b.png"], ["truth/a.png", "truth/b.png"])
    dataset = FolderDataset(tmp_path, tmp_path / "truth")
    assert dataset.ids == ["a", "b"] and dataset.mask_path(1) == tmp_path / "truth/b.png"


def test_masks_that_are_links_to_elsewhere_are_no_images(tmp_path):
    put(tmp_path, ["photos/a.png"], ["store/1.png"])
    (tmp_path / "photos/truth").mkdir()
    (tmp_path / "photos/truth/a.png").symlink_to(tmp_path / "store/1.png")
    dataset = FolderDataset(tmp_path / "photos", tmp_path / "photos/truth")
    assert dataset.ids == ["a"] and dataset.mask_path(0) == tmp_path / "photos/truth/a.png"


@pytest.mark.parametrize(
    ("images", "says"),
    [
        (["images/a.png", "Images/a.png"], r"holds .*Images' and .*images'\. Name the two folders"),
        (
            ["train/images/a.png", "train/masks/a.png", "val/images/a.png", "val/masks/a.png"],
            r"holds several data sets: .*train' and .*val'\. Give one of them",
        ),
        (
            ["photos/a.png", "truth/a.png"],
            r"No masks in .* Images are in .*photos' \(1\), .*truth'",
        ),
    ],
)
def test_which_folders_are_meant_is_asked(tmp_path, images, says):
    with pytest.raises(DatasetError, match=says):
        FolderDataset(put(tmp_path, images, []))


@pytest.mark.parametrize(("image_form", "mask_form"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_accents_of_two_systems_are_the_same_letters(tmp_path, image_form, mask_form):
    name = "l\u00e9sion_\u00e4"
    image, mask = (unicodedata.normalize(form, name) for form in (image_form, mask_form))
    dataset = FolderDataset(put(tmp_path, [f"images/{image}.png"], [f"masks/{mask}_mask.png"]))
    assert dataset[0].id == name
    (tmp_path / "split.txt").write_text(mask + "\n", encoding="utf-8")
    assert dataset.subset(tmp_path / "split.txt").ids == [name]
    assert len(dataset.random_split((1,), groups={mask: "anna"})) == 1


def test_masks_of_one_folder_are_beside_their_images(tmp_path):
    put(tmp_path, ["train/a.png", "test/b.png"], ["truth/a_mask.png", "truth/b_mask.png"])
    with pytest.raises(DatasetError, match=r"No masks in .* Images are in .*truth' \(2\)"):
        FolderDataset(tmp_path)


def test_a_mask_is_not_given_to_one_of_two_images_of_its_name(tmp_path):
    put(tmp_path, ["images/anna/a.png", "images/bert/a.png", "images/b.png"],
        ["masks/a.png", "masks/b.png"])  # fmt: skip
    dataset = FolderDataset(tmp_path)
    assert [dataset.mask_path(i) is None for i in range(3)] == [True, False, True]
    assert dataset.stray_masks == [tmp_path / "masks/a.png"]


def test_a_mask_in_one_folder_is_not_that_of_an_image_in_another(tmp_path):
    put(tmp_path, ["images/anna/1.png", "images/anna/2.png", "images/bert/2.png"],
        ["masks/anna/2.png", "masks/bert/1.png", "masks/bert/2.png"])  # fmt: skip
    dataset = FolderDataset(tmp_path)
    found = {name: dataset.mask_path(index) for index, name in enumerate(dataset.ids)}
    assert found == {
        "anna/1": None,
        "anna/2": tmp_path / "masks/anna/2.png",
        "bert/2": tmp_path / "masks/bert/2.png",
    }
    assert dataset.stray_masks == [tmp_path / "masks/bert/1.png"]
    [missing] = check_dataset(dataset, progress=False).of_kind("image_without_mask")
    assert missing.ids == ("anna/1",)


@pytest.mark.parametrize(
    ("image", "masks"),
    [
        ("images/1.png", ["masks/annotator1/1.png", "masks/annotator2/1_mask.png"]),
        ("images/1.png", ["masks/1.png", "masks/old/1.png"]),
        ("images/anna/1.png", ["masks/anna/1.png", "masks/1.png"]),
    ],
)
def test_two_masks_in_different_folders_for_one_image(tmp_path, image, masks):
    first, second = (Path(mask).name for mask in masks)
    with pytest.raises(DatasetError, match=rf"Two masks for '(anna/)?1': .*{first}.*{second}"):
        FolderDataset(put(tmp_path, [image], masks))


def test_a_mask_may_be_in_a_folder_where_its_image_is_not(tmp_path):
    put(tmp_path, ["images/1.png", "images/2.png", "images/bert/2.png"],
        ["masks/anna/1.png", "masks/anna/2.png"])  # fmt: skip
    dataset = FolderDataset(tmp_path)
    assert dataset.mask_path(dataset.ids.index("1")) == tmp_path / "masks/anna/1.png"
    # Two images are called 2, and either may be meant.
    assert dataset.stray_masks == [tmp_path / "masks/anna/2.png"]


@pytest.mark.parametrize("layout", ["images/anna/a.png masks/anna/a.png images/private/b.png",
                                    "anna/a.png anna/a_mask.png private/b.png"])  # fmt: skip
def test_a_folder_that_cannot_be_listed_is_left_out(tmp_path, lock, layout):
    image, mask, private = layout.split()
    put(tmp_path, [image, private], [mask])
    lock((tmp_path / private).parent)
    with pytest.warns(UserWarning, match=r"private': Permission denied"):
        dataset = FolderDataset(tmp_path)
    assert dataset.ids == ["anna/a"]


def test_what_a_data_set_says_of_itself(tmp_path, monkeypatch):
    put(tmp_path, ["images/a.png", "images/b.png"], ["masks/a.png", "masks/c.png", "masks/d.png"])
    dataset = FolderDataset(tmp_path)
    missing = "2 samples, 1 without mask, 2 masks without image, images in"
    assert repr(dataset) == f"<FolderDataset: {missing} '{tmp_path / 'images'}'>"
    assert repr(dataset.subset(["a"])).startswith("<FolderDataset: 1 sample, images in '")
    labels = MappedLabels(dataset, {0: "background", 2: "lesion", 5: "lesion"})
    assert repr(labels).endswith("lesion is 2, 5>")
    assert repr(AnyLabel(dataset)).endswith("lesion is every label but 0>")
    monkeypatch.chdir(tmp_path)
    both = dataset.renamed(["c", "d"]) + FolderDataset(".")
    assert repr(both) == "<PairDataset: 4 samples, 2 without mask, 4 masks without image>"
    report = check_dataset(dataset, progress=False)
    assert repr(report) == "<DatasetReport of FolderDataset: 2 samples: 1 broken, 3 to look at>"
