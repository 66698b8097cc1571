"""Image folders: classes, splits, colours and sizes as found, and every mistake in one clear line."""

import io
import os
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from supple.data.image_folder import read_image_folder
from supple.errors import SuppleError

GRAY, RED = Image.new("L", (6, 4), 90), Image.new("RGB", (6, 4), (200, 0, 0))


def put(path: Path, image: Image.Image = GRAY) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def two_classes(folder: Path, image: Image.Image = GRAY) -> None:
    for name in ("cat", "dog"):
        put(folder / name / "1.png", image)
        put(folder / name / "2.png", image)


def test_each_subfolder_is_a_class_in_alphabetical_order(tmp_path: Path) -> None:
    two_classes(tmp_path)
    put(tmp_path / "ant" / "1.JPG")
    (tmp_path / "notes.txt").write_text("not a class")
    source = read_image_folder(tmp_path)
    assert source.classes == ("ant", "cat", "dog")
    assert source.train.labels.tolist() == [0, 1, 1, 2, 2]
    assert source.valid is None
    assert source.test is None


def test_split_folders_are_read_as_splits(tmp_path: Path) -> None:
    two_classes(tmp_path / "train", Image.new("L", (2, 2), 1))
    put(tmp_path / "test" / "dog" / "1.png", Image.new("L", (2, 2), 3))
    put(tmp_path / "valid" / "cat" / "1.png", Image.new("L", (2, 2), 2))
    source = read_image_folder(tmp_path)
    assert source.train.images.unique().tolist() == [1]
    assert source.valid is not None
    assert source.test is not None
    assert (source.valid.images.unique().tolist(), source.valid.labels.tolist()) == ([2], [0])
    assert (source.test.images.unique().tolist(), source.test.labels.tolist()) == ([3], [1])


def test_a_class_may_be_named_train(tmp_path: Path) -> None:
    two_classes(tmp_path)
    put(tmp_path / "train" / "1.png")
    assert read_image_folder(tmp_path).classes == ("cat", "dog", "train")


def test_gray_images_have_one_channel(tmp_path: Path) -> None:
    two_classes(tmp_path)
    images = read_image_folder(tmp_path).train.images
    assert images.dtype == torch.uint8
    assert images.shape == (4, 1, 4, 6)
    assert images.unique().tolist() == [90]


def test_one_colour_image_makes_all_of_them_rgb(tmp_path: Path) -> None:
    two_classes(tmp_path)
    put(tmp_path / "dog" / "3.png", RED)
    images = read_image_folder(tmp_path).train.images
    assert images.shape == (5, 3, 4, 6)
    assert images[0, :, 0, 0].tolist() == [90, 90, 90]
    assert images[4, :, 0, 0].tolist() == [200, 0, 0]


def transparent_palette() -> Image.Image:
    image = RED.quantize(4)
    image.info["transparency"] = b"\x00\x80"
    return image


@pytest.mark.parametrize(
    ("image", "pixel"),
    [
        (Image.new("1", (2, 2), 1), [255]),
        (Image.new("LA", (2, 2), (70, 0)), [70]),
        (Image.fromarray(np.full((2, 2), 0x8040, dtype=np.uint16)), [0x80]),
        (Image.new("RGBA", (2, 2), (1, 2, 3, 0)), [1, 2, 3]),
        (transparent_palette(), [200, 0, 0]),
    ],
    ids=["1 bit", "gray with alpha", "16 bits", "RGB with alpha", "palette"],
)
def test_every_kind_of_pixel_becomes_gray_or_rgb(tmp_path: Path, image: Image.Image, pixel: list[int]) -> None:
    two_classes(tmp_path, image)
    assert read_image_folder(tmp_path).train.images[0, :, 0, 0].tolist() == pixel


def test_the_orientation_of_the_camera_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    two_classes(tmp_path)
    for path in tmp_path.glob("*/*"):
        RED.save(path, exif=exif)
    assert read_image_folder(tmp_path).train.images.shape[2:] == (6, 4)


def test_image_size_scales_and_crops_to_a_square(tmp_path: Path) -> None:
    striped = Image.new("L", (12, 6), 0)
    striped.paste(200, (1, 0, 11, 6))
    two_classes(tmp_path, striped)
    put(tmp_path / "dog" / "3.png", Image.new("L", (5, 9), 200))
    images = read_image_folder(tmp_path, image_size=3).train.images
    assert images.shape == (5, 1, 3, 3)
    assert images.unique().tolist() == [200]


def unreadable(folder: Path) -> None:
    two_classes(folder)
    (folder / "cat" / "1.png").write_text("no image")


def truncated(folder: Path) -> None:
    two_classes(folder, Image.effect_noise((64, 64), 50))
    content = (folder / "cat" / "1.png").read_bytes()
    (folder / "cat" / "1.png").write_bytes(content[: len(content) // 2])


def another_format(folder: Path) -> None:
    two_classes(folder)
    GRAY.save(folder / "cat" / "1.png", format="TIFF")


def broken_link(folder: Path) -> None:
    two_classes(folder)
    (folder / "cat" / "3.png").symlink_to("nowhere.png")


def pipe(folder: Path) -> None:
    two_classes(folder)
    os.mkfifo(folder / "cat" / "3.png")


def mixed_sizes(folder: Path) -> None:
    two_classes(folder)
    put(folder / "dog" / "2.png", Image.new("L", (7, 5)))


def class_without_images(folder: Path) -> None:
    two_classes(folder)
    (folder / "owl").mkdir()
    (folder / "owl" / "notes.txt").write_text("")


def empty_class(folder: Path) -> None:
    two_classes(folder)
    (folder / "owl").mkdir()


def misspelt_split(folder: Path) -> None:
    two_classes(folder / "train")
    two_classes(folder / "val")


def unknown_class(folder: Path) -> None:
    two_classes(folder / "train")
    put(folder / "test" / "cats" / "1.png")


@pytest.mark.parametrize(
    ("fill", "message"),
    [
        (lambda folder: folder.rmdir(), 'The data folder ".*data" does not exist'),
        (
            lambda folder: (folder.rmdir(), folder.write_text("")),
            'The data folder ".*data" is a file: expected a folder',
        ),
        (lambda folder: None, 'The data folder ".*data" is empty'),
        (
            lambda folder: put(folder / "1.png"),
            'The data folder ".*data" has no subfolders: expected one for each class',
        ),
        (class_without_images, 'The class folder ".*owl" holds no images: expected .png, .jpg, .jpeg files'),
        (empty_class, 'The data folder ".*owl" is empty'),
        (unreadable, 'Cannot read the image ".*cat/1.png": it is no PNG or JPEG image; mend or remove it'),
        (truncated, 'Cannot read the image ".*cat/1.png": .*truncated'),
        (broken_link, 'Cannot read the image ".*cat/3.png": it is no file, or a broken link'),
        (pipe, 'Cannot read the image ".*cat/3.png": it is no file'),
        (another_format, 'Cannot read the image ".*cat/1.png": it is no PNG or JPEG image'),
        (
            mixed_sizes,
            'The images differ in size: ".*cat/1.png" is 6 x 4 pixels, ".*dog/2.png" is 7 x 5; set image_size',
        ),
        (misspelt_split, r'beside it "val": expected only train, valid and test; did you mean "valid"\?'),
        (unknown_class, r'cats" is a class that the training images do not have; did you mean "cat"\?'),
    ],
)
def test_a_mistake_is_one_clear_line(tmp_path: Path, fill: Callable[[Path], object], message: str) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    fill(folder)
    with pytest.raises(SuppleError, match=message) as caught:
        read_image_folder(folder)
    assert "\n" not in str(caught.value)


def test_a_decompression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two_classes(tmp_path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    with pytest.raises(
        SuppleError, match=r'Cannot read the image ".*cat/1.png": Image size \(24 pixels\) exceeds limit'
    ):
        read_image_folder(tmp_path)


@pytest.mark.parametrize("image_format", ["PNG", "JPEG"])
@pytest.mark.filterwarnings("ignore")
def test_damaged_images_are_read_or_refused(tmp_path: Path, image_format: str) -> None:
    two_classes(tmp_path)
    buffer = io.BytesIO()
    Image.effect_noise((16, 16), 50).convert("RGB").save(buffer, image_format)
    rng = random.Random(7)
    refusals = []
    for _ in range(200):
        content = bytearray(buffer.getvalue())
        for _ in range(rng.randint(1, 4)):
            content[rng.randrange(len(content))] = rng.randrange(256)
        (tmp_path / "cat" / "1.png").write_bytes(content)
        try:
            read_image_folder(tmp_path, image_size=4)
        except SuppleError as error:
            refusals.append(str(error))
    assert refusals
    assert not any("\n" in refusal for refusal in refusals)
