"""What an image may come in: bytes, open files, zip archives, DICOM, HEIC."""

import io
import os
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from skinseg import Predictor, create_model
from skinseg.data import (
    FolderDataset,
    ImageError,
    image_size,
    list_images,
    read_image,
    read_mask,
    synthetic_lesion,
)
from skinseg.inference.pixels import as_rgb

PICTURE, LESION = synthetic_lesion(3, size=(60, 80))


def encoded(picture=PICTURE, format="PNG", **options):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format, **options)
    return file.getvalue()


# --- bytes and open files ------------------------------------------------------------------------


def test_bytes_and_open_files_are_read_as_the_file_is(tmp_path):
    (tmp_path / "x.png").write_bytes(encoded())
    with open(tmp_path / "x.png", "rb") as file:
        for source in (encoded(), io.BytesIO(encoded()), file):
            assert np.array_equal(read_image(source), PICTURE)
            assert image_size(source) == (60, 80)
    assert np.array_equal(read_mask(encoded(LESION.astype(np.uint8) * 255)), LESION)


def test_an_open_file_is_left_where_it_was():
    file = io.BytesIO(encoded())
    file.seek(7)
    read_image(file)
    assert file.tell() == 7 and not file.closed


def test_a_predictor_takes_them():
    predictor = Predictor(create_model("malunet"), input_size=64)
    expected = predictor(PICTURE).mask
    for source in (encoded(), io.BytesIO(encoded())):
        assert np.array_equal(predictor(source).mask, expected)
    several = predictor([encoded(), io.BytesIO(encoded()), PICTURE])
    assert all(np.array_equal(found.mask, expected) for found in several)
    assert predictor(encoded()).overlay(encoded()).shape == PICTURE.shape
    with pytest.raises(TypeError, match=r"for one, pass \[the bytes\]"):
        next(predictor.stream(encoded()))


def test_one_open_file_may_be_read_by_several_threads():
    file = io.BytesIO(encoded())
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lambda _: read_image(file), range(64)))
    assert all(np.array_equal(image, PICTURE) for image in read)


@pytest.mark.parametrize(
    ("source", "error", "says"),
    [
        (b"", ImageError, "the image of bytes: it has zero bytes"),
        (b"no image", ImageError, "the image of bytes: its content is not an image"),
        (encoded()[:100], ImageError, "the image of bytes: the file is truncated"),
        (io.StringIO("text"), TypeError, "the open file is open as text"),
        (bytearray(encoded()), TypeError, "got bytearray"),
    ],
)
def test_what_is_wrong_with_them_is_said(source, error, says):
    with pytest.raises(error, match=says):
        read_image(source)


# --- zip archives --------------------------------------------------------------------------------


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "Photos.ZIP"
    with zipfile.ZipFile(path, "w") as file:
        for name in ("b", "a"):
            file.writestr(f"lesions/images/{name}.png", encoded())
            file.writestr(f"lesions/masks/{name}_mask.png", encoded(LESION))
        file.writestr("__MACOSX/lesions/images/._a.png", b"resource fork")
        file.writestr("lesions/images/.hidden.png", b"")
        file.writestr("lesions/notes.txt", "text")
    return path


def test_images_of_an_archive_are_paths(archive):
    found = list_images(archive, recursive=True)
    assert [path.relative_to(archive).as_posix() for path in found] == [
        "lesions/images/a.png",
        "lesions/images/b.png",
        "lesions/masks/a_mask.png",
        "lesions/masks/b_mask.png",
    ]
    assert list_images(archive) == []
    assert len(list_images(archive / "lesions/images")) == 2
    assert np.array_equal(read_image(found[0]), PICTURE)
    assert np.array_equal(as_rgb(str(found[0])), PICTURE)
    assert np.array_equal(read_mask(found[2]), LESION)


def test_threads_and_processes_share_an_archive(archive):
    files = list_images(archive / "lesions/images") * 16
    read_image(files[0])  # Opened before the process divides.
    with ThreadPoolExecutor(8) as pool:
        assert all(np.array_equal(image, PICTURE) for image in pool.map(read_image, files))
    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            same = all(np.array_equal(read_image(file), PICTURE) for file in files)
            os._exit(0 if same else 1)
        children.append(child)
    assert all(np.array_equal(read_image(file), PICTURE) for file in files)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]


def test_what_is_wrong_with_an_archive_is_said(archive, tmp_path):
    with pytest.raises(ImageError, match=r"it is an archive\. Give an image in it"):
        read_image(archive)
    with pytest.raises(ImageError, match=r"there is no such file"):
        read_image(archive / "lesions/images/c.png")
    damaged = tmp_path / "damaged.zip"
    damaged.write_bytes(archive.read_bytes()[:500])
    with pytest.raises(ImageError, match=r"the archive .*damaged.zip' cannot be read"):
        read_image(damaged / "x.png")
    with pytest.raises(ImageError, match=r"Cannot list .*damaged.zip"):
        list_images(damaged)


def test_a_file_of_an_archive_that_unpacks_to_too_much_is_refused(archive, monkeypatch):
    monkeypatch.setattr("skinseg.data.archives.MAX_BYTES", 10)
    with pytest.raises(ImageError, match=r"it unpacks to [\d,]+ bytes, more than 10"):
        read_image(archive / "lesions/images/a.png")


def test_a_changed_archive_is_read_again(archive):
    assert np.array_equal(read_image(archive / "lesions/images/a.png"), PICTURE)
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("lesions/images/a.png", encoded(PICTURE[::-1].copy()))
    assert np.array_equal(read_image(archive / "lesions/images/a.png"), PICTURE[::-1])


@pytest.mark.parametrize(
    ("member", "place"),
    [("./x.png", "x.png"), ("a//x.png", "a/x.png"), ("a/./x.png", "a/x.png"), ("//x.png", "x.png")],
)
def test_a_name_in_an_archive_may_be_written_otherwise(tmp_path, member, place):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.writestr(member, encoded())
    assert list_images(tmp_path / "x.zip", recursive=True) == [tmp_path / "x.zip" / place]
    assert np.array_equal(read_image(tmp_path / "x.zip" / place), PICTURE)


def test_a_data_set_in_an_archive_with_dots_before_its_names(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.writestr("./images/a.png", encoded())
        file.writestr("./masks/a.png", encoded(LESION))
    [sample] = FolderDataset(tmp_path / "x.zip")
    assert np.array_equal(sample.image, PICTURE) and np.array_equal(sample.mask, LESION)


def test_an_absolute_name_in_an_archive_is_no_file_of_this_machine(tmp_path):
    local = tmp_path / "abs.png"
    local.write_bytes(encoded(PICTURE[::-1].copy()))
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.writestr(local.as_posix(), encoded())
    [found] = list_images(tmp_path / "x.zip", recursive=True)
    assert found == tmp_path / "x.zip" / local.relative_to(local.anchor)
    assert np.array_equal(read_image(found), PICTURE)


@pytest.mark.parametrize("member", ["../up.png", "a/../../up.png"])
def test_a_name_that_leads_out_of_an_archive_is_refused(tmp_path, member):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.writestr("x.png", encoded())
        file.writestr(member, encoded())
    says = rf"x\.zip' cannot be read: the name of its file '{member}' has '\.\.' in it"
    with pytest.raises(ImageError, match=says):
        list_images(tmp_path / "x.zip")
    with pytest.raises(ImageError, match=says):
        read_image(tmp_path / "x.zip/x.png")


# --- DICOM ---------------------------------------------------------------------------------------


def dicom(path, picture, photometric="RGB", bits=8, frames=None, **attributes):
    pydicom = pytest.importorskip("pydicom")
    from pydicom.uid import ExplicitVRLittleEndian, VLPhotographicImageStorage, generate_uid

    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = VLPhotographicImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = pydicom.Dataset()
    dataset.file_meta = meta
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.Modality = "XC"
    height, width = picture.shape[-3:-1] if photometric == "RGB" else picture.shape[-2:]
    dataset.Rows, dataset.Columns = height, width
    dataset.SamplesPerPixel = 3 if photometric == "RGB" else 1
    if photometric == "RGB":
        dataset.PlanarConfiguration = 0
    if frames is not None:
        dataset.NumberOfFrames = frames
    dataset.PhotometricInterpretation = photometric
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit = bits - 1
    dataset.PixelRepresentation = 0
    for name, value in attributes.items():
        setattr(dataset, name, value)
    dataset.PixelData = picture.tobytes()
    dataset.save_as(path, enforce_file_format=True)
    return path


def test_a_photograph_in_a_dicom_file(tmp_path):
    path = dicom(tmp_path / "IMG001", PICTURE)  # Hospitals' files often have no ending.
    assert np.array_equal(read_image(path), PICTURE)
    assert np.array_equal(read_image(path.read_bytes()), PICTURE)
    assert image_size(path) == (60, 80)
    with pytest.raises(ImageError, match="more than max_pixels=1,000"):
        read_image(path, max_pixels=1000)
    predictor = Predictor(create_model("malunet"), input_size=64)
    assert np.array_equal(predictor(path).mask, predictor(PICTURE).mask)


def test_a_compressed_dicom_file(tmp_path):
    pytest.importorskip("pydicom")
    from pydicom.encaps import encapsulate
    from pydicom.uid import JPEGBaseline8Bit

    path = dicom(tmp_path / "x.dcm", PICTURE)
    import pydicom

    dataset = pydicom.dcmread(path)
    content = encoded(format="JPEG", quality=95)
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.PhotometricInterpretation = "YBR_FULL_422"
    dataset.PixelData = encapsulate([content])
    dataset["PixelData"].VR = "OB"
    dataset.save_as(path)
    difference = read_image(path).astype(int) - read_image(content)
    assert np.abs(difference).max() <= 3  # Two decoders of JPEG round differently.


def test_gray_dicom_files(tmp_path):
    gray = PICTURE[:, :, 0].copy()
    plain = read_image(dicom(tmp_path / "plain.dcm", gray, "MONOCHROME2"))
    inverse = read_image(dicom(tmp_path / "inverse.dcm", 255 - gray, "MONOCHROME1"))
    assert np.array_equal(plain, np.dstack([gray] * 3)) and np.array_equal(plain, inverse)


def test_of_several_frames_the_first_is_used(tmp_path):
    path = dicom(tmp_path / "x.dcm", np.stack([PICTURE, 255 - PICTURE]), frames=2)
    with pytest.warns(UserWarning, match="has several frames; the first is used"):
        assert np.array_equal(read_image(path), PICTURE)


def test_dicom_files_that_are_no_photographs(tmp_path):
    scan = np.zeros((60, 80), np.uint16)
    path = dicom(tmp_path / "scan.dcm", scan, "MONOCHROME2", bits=16)
    with pytest.raises(ImageError, match="a DICOM image of 16 bits per sample, and a photograph"):
        read_image(path)
    path = dicom(tmp_path / "cut.dcm", PICTURE)
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(ImageError, match="it begins like a DICOM image, but is truncated"):
        read_image(path)


# --- HEIC ----------------------------------------------------------------------------------------


def heic(path, picture, **options):
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.from_pillow(Image.fromarray(picture)).save(path, quality=-1, **options)
    return path


def test_a_photograph_of_a_phone(tmp_path):
    path = heic(tmp_path / "IMG_0001.HEIC", PICTURE)
    assert np.abs(read_image(path).astype(int) - PICTURE).max() <= 12
    assert image_size(path) == (60, 80)
    assert list_images(tmp_path) == [path]
    with pytest.raises(ImageError, match="more than max_pixels=1,000"):
        read_image(path, max_pixels=1000)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ImageError, match="truncated or damaged"):
        read_image(path)


def test_a_turned_photograph_of_a_phone_is_read_upright(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    turned = Image.Exif()
    turned[0x0112] = 6
    image = pillow_heif.from_pillow(Image.fromarray(PICTURE))
    image.info["exif"] = turned.tobytes()
    image.save(tmp_path / "x.heic", quality=-1)
    upright = np.rot90(PICTURE, -1)
    assert image_size(tmp_path / "x.heic") == upright.shape[:2]
    assert np.abs(read_image(tmp_path / "x.heic").astype(int) - upright).max() <= 12


# --- without the extras --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "module", "says"),
    [
        (bytes(128) + b"DICM" + bytes(9), "pydicom", r"need pydicom, .*: pip install pydicom\.$"),
        (
            bytes(4) + b"ftypheic" + bytes(9),
            "pillow_heif",
            r"pillow-heif, .*: pip install pillow-heif\.$",
        ),
    ],
)
def test_what_must_be_installed_is_said(tmp_path, monkeypatch, content, module, says):
    monkeypatch.setitem(sys.modules, module, None)
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ImageError, match=rf"Cannot read '.*x': .* {says}"):
        read_image(tmp_path / "x")
