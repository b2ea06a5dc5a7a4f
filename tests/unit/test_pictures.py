"""Pictures as people save them: read as a viewer shows them; what is broken is named."""

from __future__ import annotations

import os
import struct
import threading

import numpy as np
import pytest
from PIL import Image

from seewhy.pictures import (
    PictureProblem,
    check_picture,
    is_picture,
    picture_size,
    read_animation,
    read_mask,
    read_picture,
)
from seewhy.video import VideoProblem, read_clip
from seewhy.video.decoding import steady_frames

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def quarters(height=24, width=16):
    """Red and green above, blue and white below."""
    image = np.zeros((height, width, 3), np.uint8)
    for k, colour in enumerate((RED, GREEN, BLUE, WHITE)):
        rows = slice(0, height // 2) if k < 2 else slice(height // 2, None)
        columns = slice(0, width // 2) if k % 2 == 0 else slice(width // 2, None)
        image[rows, columns] = colour
    return image


# How a picture must be stored to be upright after what each EXIF orientation asks for.
STORED = {
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: np.rot90(image),
    7: lambda image: image[::-1, ::-1].swapaxes(0, 1),
    8: lambda image: np.rot90(image, -1),
}


@pytest.mark.parametrize("suffix", ["png", "tif", "webp", "jpg"])
@pytest.mark.parametrize("orientation", STORED)
def test_pictures_stand_upright(tmp_path, orientation, suffix):
    path, exif = tmp_path / f"p.{suffix}", Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](quarters())))
    lossless = {"jpg": {"quality": 100, "subsampling": 0}, "webp": {"lossless": True}}
    stored.save(path, exif=exif, **lossless.get(suffix, {}))
    for image in (read_picture(path), read_clip(path, n=1, size=24, fit="pad").frames[0, :, 4:20]):
        assert image.shape == (24, 16, 3)
        assert abs(image.astype(int) - quarters()).max() <= 3
    assert read_clip(path, n=1, size=8).shape == (24, 16)
    assert picture_size(path) == (16, 24)


def test_the_size_is_read_from_the_header(tmp_path):
    noise(tmp_path / "p.png")
    content = (tmp_path / "p.png").read_bytes()
    (tmp_path / "p.png").write_bytes(content[:200])
    assert picture_size(tmp_path / "p.png") == (60, 60)
    exif = Image.Exif()
    exif[0x0112] = 6
    noise(tmp_path / "wide.png", size=(20, 60), exif=exif)
    content = (tmp_path / "wide.png").read_bytes()
    begin = content.index(b"eXIf") - 4
    (length,) = struct.unpack_from(">I", content, begin)
    chunk = content[begin : begin + length + 12]
    late = content.replace(chunk, b"")  # behind the pixels, where it may stand too
    (tmp_path / "late.png").write_bytes(late[:-12] + chunk + late[-12:])
    for name in ("wide.png", "late.png"):
        assert picture_size(tmp_path / name) == (20, 60)
        assert read_picture(tmp_path / name).shape == (60, 20, 3)
    for name, message in (("none.png", "missing"), ("page.jpg", "unreadable")):
        if message == "unreadable":
            (tmp_path / name).write_text("a note")
        with pytest.raises(PictureProblem, match=f"{name}: {message}"):
            picture_size(tmp_path / name)


def test_depths_and_kinds_become_rgb_of_eight_bits(tmp_path):
    grey = np.arange(0, 65536, 256, dtype=np.uint16).reshape(16, 16)
    Image.fromarray(grey).save(tmp_path / "sixteen.png")
    Image.fromarray(grey).save(tmp_path / "sixteen.tif")
    for name in ("sixteen.png", "sixteen.tif"):
        expected = np.repeat((grey // 256).astype(np.uint8)[..., None], 3, axis=2)
        np.testing.assert_array_equal(read_picture(tmp_path / name), expected)
    image = Image.fromarray(quarters())
    for name, kind in (("palette.png", "P"), ("cmyk.tif", "CMYK"), ("rgb.bmp", "RGB")):
        image.convert(kind).save(tmp_path / name)
        np.testing.assert_array_equal(read_picture(tmp_path / name), quarters())
    Image.fromarray(quarters()[..., 0] > 0).save(tmp_path / "bits.png")
    assert np.unique(read_picture(tmp_path / "bits.png")).tolist() == [0, 255]
    image.convert("F").save(tmp_path / "float.tif")
    with pytest.raises(PictureProblem, match=r"float\.tif: unreadable: pixels of 32 bits \(mode F"):
        read_picture(tmp_path / "float.tif")


def test_transparent_pixels_are_white(tmp_path):
    alpha = np.zeros((24, 16, 1), np.uint8)
    alpha[:12, :8], alpha[:12, 8:] = 255, 51
    Image.fromarray(np.dstack([quarters(), alpha])).save(tmp_path / "rgba.png")
    image = read_picture(tmp_path / "rgba.png")
    assert image[0, 0].tolist() == list(RED)
    assert image[0, -1].tolist() == [204, 255, 204]  # a fifth of green on white
    assert (image[12:] == 255).all()
    indexed = Image.frombytes("P", (2, 1), bytes([0, 1]))
    indexed.putpalette([255, 0, 0, 0, 0, 255])
    indexed.save(tmp_path / "palette.png", transparency=0)
    assert read_picture(tmp_path / "palette.png").tolist() == [[list(WHITE), list(BLUE)]]


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_animations_have_frames_with_times(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    colours = (RED, GREEN, BLUE, (9, 9, 9))
    first, *others = [Image.new("RGB", (12, 8), colour) for colour in colours]
    kind = "PNG" if suffix == "png" else None
    first.save(path, kind, save_all=True, append_images=others, duration=[200, 400, 200, 200],
               **({"lossless": True} if suffix == "webp" else {}))  # fmt: skip
    frames = list(read_animation(path))
    assert [tuple(frame.image[3, 3]) for frame in frames] == [*colours]
    assert [frame.start for frame in frames] == pytest.approx([0, 0.2, 0.6, 0.8])
    assert frames[-1].end == pytest.approx(1)
    clip = read_clip(path, n=9, size=8, start=0.2, end=0.8)
    assert clip.count == 2
    assert [tuple(frame[3, 3]) for frame in clip.frames] == [GREEN, BLUE]
    shown = [tuple(frame.image[3, 3]) for frame in steady_frames(path, rate=5, size=8)]
    assert shown == [RED, GREEN, GREEN, BLUE, (9, 9, 9)]
    with pytest.raises(VideoProblem, match="outside: the video has no frame between 3 s and its e"):
        read_clip(path, n=9, size=8, start=3)


def noise(path, size=(60, 60), **how):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(path, **how)


def halve(path):
    noise(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


BROKEN = {
    "none.png": (lambda path: None, "missing"),
    "empty.jpg": (lambda path: path.write_bytes(b""), "empty"),
    "page.jpg": (lambda path: path.write_text("<html>404 Not Found</html>" * 9), "unreadable"),
    "huge.png": (lambda path: Image.new("1", (20000, 20000)).save(path), "unreadable"),
    "folder.png": (lambda path: path.mkdir(), "unreadable"),
    "post.eps": (lambda path: Image.new("RGB", (9, 9)).save(path), "unreadable"),
    "cut.png": (halve, "truncated"),
    "cut.jpg": (halve, "truncated"),
    "cut.gif": (halve, "truncated"),
    "cut.bmp": (halve, "truncated"),
    "cut.tif": (halve, "truncated"),
    "cut.webp": (halve, "unreadable"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_pictures_have_one_status_in_every_reader(tmp_path, name):
    make, status = BROKEN[name]
    path = tmp_path / name
    make(path)
    for read in (read_picture, check_picture, lambda path: list(read_animation(path))):
        with pytest.raises(PictureProblem) as caught:
            read(path)
        assert caught.value.status == status
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(VideoProblem) as caught:
        read_clip(path, n=1, size=8)
    assert caught.value.status == status


def test_damaged_content_of_a_png_is_noticed(tmp_path):
    noise(tmp_path / "p.png")
    content = bytearray((tmp_path / "p.png").read_bytes())
    check_picture(tmp_path / "p.png")
    content[len(content) // 2] ^= 255
    (tmp_path / "p.png").write_bytes(content)
    with pytest.raises(PictureProblem, match="unreadable"):
        check_picture(tmp_path / "p.png")


def test_a_pipe_in_place_of_a_file_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "p.png")
    caught = []

    def read():
        for reader in (read_picture, check_picture, read_mask, lambda p: read_clip(p, n=1, size=8)):
            try:
                reader(tmp_path / "p.png")
            except ValueError as error:
                caught.append(error.status)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(20)
    assert caught == ["unreadable"] * 4


def test_damaged_exif_does_not_matter(tmp_path):
    Image.fromarray(quarters()).save(
        tmp_path / "p.png", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\xff\x01\x12"
    )
    np.testing.assert_array_equal(read_picture(tmp_path / "p.png"), quarters())


def test_what_counts_as_a_picture(tmp_path):
    for name in ("a.png", "a.jpg", "a.gif", "a.webp", "a.bmp", "a.tif", "a.mp4"):
        noise(tmp_path / name, **({"format": "PNG"} if name == "a.mp4" else {}))
        assert is_picture(tmp_path / name), name
    (tmp_path / "b.png").write_bytes(b"\0\0\0\x18ftypisom")
    assert not is_picture(tmp_path / "b.png")
    assert not is_picture(tmp_path / "none.png")
    (tmp_path / "c.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(300))
    with pytest.raises(VideoProblem, match="unreadable: a HEIC picture, which is not read"):
        read_clip(tmp_path / "c.heic", n=1, size=8)
