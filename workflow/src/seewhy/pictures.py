"""Read picture files: one reader for frames, crops, concept sets and annotated images.

Whatever the file stores, what comes out is the picture as a viewer shows it, RGB of 8 bits:

- *Upright*: turned and mirrored as its EXIF orientation asks. Boxes, key points and sizes that go
  with a picture count pixels of the upright one.
- *Transparent* pixels lie on white, the ground of a page; the colours that a file may hold under
  them are not shown.
- *16 bits* (grey or colour) are reduced to their higher 8. Pictures of 32 bits and of floating
  point are refused: their range is not in the file.
- *Palettes, bilevel, YCbCr and CMYK* become RGB. Colour profiles are not applied.
- *Animations* (GIF, WebP, APNG) have frames with times; elsewhere their first frame counts.

A file that cannot be used raises `PictureProblem`, whose status is of the same words as that of a
video (`seewhy.video.VideoProblem`). Cut files are never filled up with grey, and a size declared in
the header is looked at before any memory is taken.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from seewhy.errors import InputError
from seewhy.readable import find_trouble

Array = np.ndarray

# Formats that are read, by Pillow's names. Not PostScript and the like, which run an interpreter,
# and none without a signature (TGA), for which other files might be taken.
FORMATS = (
    *("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PCX", "PNG", "PPM", "QOI", "SGI", "TIFF"),
    "WEBP",
)

_PNG = b"\x89PNG\r\n\x1a\n"
# How pictures begin, where they stand in place of videos.
_SIGNATURES = (
    *(_PNG, b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"BM"),
    *(b"\0\0\0\x0cjP  ", b"qoif"),
)
_HEIC = (b"heic", b"heix", b"hevc", b"heim")
# Names of such files whose pictures follow each other: a video without a container.
_MOVING = (".mjpeg", ".mjpg")

MOST_PIXELS = 2 * (1 << 30) // 12
"""Pixels of a picture, 179 million: above that Pillow, too, takes the header for an attack."""

GROUND = (255, 255, 255)
"""Colour behind transparent pixels."""

_WIDE = ("I;16", "I;16L", "I;16B", "I;16N")
_UNBOUNDED = ("I", "F")
_ORIENTATION = 0x0112  # of EXIF
_TURNS = {  # what makes a picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ON_SIDE = [_TURNS[orientation] for orientation in (5, 6, 7, 8)]  # width and height change places
_LOSSY_TIFF = ("jpeg", "tiff_jpeg", "webp")
# Shown for this long where an animation's frame says 0, as viewers do, seconds.
_SHORTEST = 0.1


class PictureProblem(InputError):
    """A picture that cannot be used.

    Attributes:
        status: one word for it: ``missing`` (no such file), ``empty`` (0 bytes), ``unreadable``
            (not a picture, damaged, or of a kind or size that is not read), ``truncated`` (it ends
            before the picture does).
        reason: what was found.
    """

    def __init__(self, path: str | Path, status: str, reason: str) -> None:
        super().__init__(f"{path}: {status}: {reason}")
        self.status, self.reason = status, reason


class TimedPicture(NamedTuple):
    """A frame of an animation: uint8 ``[height, width, 3]``, and when it comes on screen and goes,
    in seconds."""

    image: Array
    start: float
    end: float


def read_picture(path: str | Path) -> Array:
    """A picture as it is shown, see the module: uint8 ``[height, width, 3]``, RGB.

    Raises:
        PictureProblem: it is missing or cannot be used.
    """
    with _opened(Path(path)) as picture:
        return _rgb(Path(path), picture)


def picture_size(path: str | Path) -> tuple[int, int]:
    """Width and height of a picture as it is shown, in pixels, by its header alone.

    (All of it is read where a PNG goes on behind its pixels: its orientation may stand there.)

    Raises:
        PictureProblem: it is missing, or its header cannot be used.
    """
    path = Path(path)
    with _opened(path) as picture:
        if picture.format == "TIFF":  # Pillow has turned the size already
            return picture.size
        early = picture.format == "PNG" and not _goes_on(path)
        return picture.size[::-1] if _turn(picture, early=early) in _ON_SIDE else picture.size


def is_picture(path: str | Path) -> bool:
    """Whether a file begins as pictures do, still or moving; False where it cannot be read.

    High-efficiency pictures (HEIC) count too: the reader of videos would take a tile for the whole.
    """
    if find_trouble(path) or Path(path).suffix.lower() in _MOVING:
        return False
    with open(path, "rb") as file:
        head = file.read(32)
    if head[:4] == b"RIFF":
        return head[8:12] == b"WEBP"
    if head[4:8] == b"ftyp":
        return head[8:12] in (b"avif", b"avis", b"mif1", b"msf1", *_HEIC)
    return head.startswith(_SIGNATURES)


def read_animation(path: str | Path) -> Iterator[TimedPicture]:
    """The frames of an animation in order; a still picture has one, from 0 to 0 seconds.

    Raises:
        PictureProblem: it is missing, or a frame of it cannot be used.
    """
    path = Path(path)
    with _opened(path) as picture:
        # The second picture of an MPO or a TIFF is no later moment.
        moving = picture.format in ("GIF", "PNG", "WEBP", "AVIF")
        with _problems(path):
            count = getattr(picture, "n_frames", 1) if moving else 1
        # An APNG may have a still picture in front for those who cannot move.
        first = int(count > 1 and getattr(picture, "default_image", False))
        time = 0.0
        for number in range(first, count):
            with _problems(path):
                picture.seek(number)
            image = _rgb(path, picture)
            shown = 0.0
            if count > 1:
                shown = float(picture.info.get("duration", 0)) / 1000 or _SHORTEST
            yield TimedPicture(image, time, time + shown)
            time += shown


def read_mask(path: str | Path) -> Array:
    """The labels of a mask: int32 ``[height, width]``.

    A file in colours has red + 256 green, as Broden's have; blue means nothing. A file of one
    channel (or with three equal ones) holds the labels themselves, of 8 or 16 bits, and one with a
    palette has them as places in the palette: its colours are for the eye. Transparency is of no
    account.

    Raises:
        PictureProblem: the file is missing or damaged, is of a kind that changes values (JPEG,
            lossy WebP, AVIF), or it does not tell whether its palette's places or colours count.
    """
    path = Path(path)
    with _opened(path) as picture:
        lossy = _lossy(path, picture)
        if lossy:
            raise _refused(path, f"a mask as {lossy}, which changes labels; save it as PNG")
        if picture.mode not in _WIDE and any(";16" in str(tile[3]) for tile in picture.tile):
            raise _refused(path, "a mask with 16 bits a colour; save it with 8, or as 16-bit grey")
        with _problems(path):
            picture = _upright(picture)
            bands = [np.asarray(band) for band in picture.split()]
        if picture.mode in ("RGB", "RGBA", "RGBX"):
            red, green, blue = (band.astype(np.int32) for band in bands[:3])
            grey = blue.any() and np.array_equal(red, green) and np.array_equal(red, blue)
            return red if grey else red + 256 * green
        if picture.mode not in ("1", "L", "LA", "P", "PA", "I", *_WIDE):
            raise _refused(path, f"a mask of the kind {picture.mode}; save it as a grey PNG")
        labels = bands[0].astype(np.int32)
        if labels.min(initial=0) < 0 or labels.max(initial=0) > 65535:
            raise _refused(path, "a mask with labels outside of 0 to 65535")
        if picture.mode == "P" and _may_be_colours(picture, labels):
            raise _refused(
                path, "a mask with a palette whose places and colours both look like labels; save "
                "the labels as a grey PNG"
            )  # fmt: skip
        return labels


def check_picture(path: str | Path) -> None:
    """Find out whether a picture can be read, at less cost than reading it where that is possible.

    Of a PNG the size, the check sums and the end are looked at, of a JPEG the size and the end.
    Other formats, and files with anything odd, are decoded.

    Raises:
        PictureProblem: as `read_picture`.
    """
    path = Path(path)
    if find_trouble(path) is None:
        with open(path, "rb") as file:
            head = file.read(8)
            if head == _PNG and _is_sound_png(head + file.read()):
                return
    with _opened(path) as picture:
        if picture.format == "JPEG" and _ends_with(path, b"\xff\xd9"):
            return
    read_picture(path)


def _is_sound_png(content: bytes) -> bool:
    """Whether all chunks of a PNG are whole, up to its end, and its size is one that is read."""
    if len(content) < 33:
        return False
    width, height = struct.unpack_from(">II", content, 16)
    if not 0 < width * height <= MOST_PIXELS:
        return False
    place = 8
    while place + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, place)
        end = place + 8 + length
        if end + 4 > len(content):
            return False
        if zlib.crc32(content[place + 4 : end]) != struct.unpack_from(">I", content, end)[0]:
            return False
        if content[place + 4 : place + 8] == b"IEND":
            return True
        place = end + 4
    return False


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The picture with its header read; everything that is no picture of a plain size is named."""
    problem = find_trouble(path)
    if problem:
        raise PictureProblem(path, *problem)
    with open(path, "rb") as file:
        if file.read(12)[4:] in (b"ftyp" + kind for kind in _HEIC):
            raise _refused(path, "a HEIC picture, which is not read; save it as JPEG or PNG")
    with _problems(path):
        picture = Image.open(path, formats=FORMATS)
    with picture:
        yield picture


@contextlib.contextmanager
def _problems(path: Path) -> Iterator[None]:
    """Say what is wrong with a picture; Pillow's readers raise anything on damaged files."""
    try:
        yield
    except InputError:
        raise
    except UnidentifiedImageError:
        raise PictureProblem(path, "unreadable", "not a picture, or damaged") from None
    except Image.DecompressionBombError:
        raise PictureProblem(
            path, "unreadable", f"declares more than {MOST_PIXELS / 1e6:.0f} million pixels"
        ) from None
    except (KeyboardInterrupt, SystemExit):
        raise
    except Exception as error:
        said = str(error) or type(error).__name__
        cut = any(word in said.lower() for word in ("truncated", "not enough", "eof", "end of"))
        status = "truncated" if cut or isinstance(error, EOFError) else "unreadable"
        raise PictureProblem(path, status, said) from error


def _refused(path: Path, reason: str) -> PictureProblem:
    return PictureProblem(path, "unreadable", reason)


def _upright(picture: Image.Image) -> Image.Image:
    """The picture loaded, and turned as its EXIF orientation asks."""
    picture.load()
    turn = _turn(picture)
    return picture if turn is None else picture.transpose(turn)


def _turn(picture: Image.Image, *, early: bool = False) -> Image.Transpose | None:
    """What makes a picture upright, if it is not; `early`: by what stands before a PNG's pixels."""
    try:
        exif = Image.Image.getexif(picture) if early else picture.getexif()
        return _TURNS.get(exif.get(_ORIENTATION))
    except Exception:  # damaged EXIF: viewers show the picture as it is stored
        return None


def _goes_on(path: Path) -> bool:
    """Whether a PNG holds anything behind its pixels but its end."""
    pixels = False
    with open(path, "rb") as file:
        file.seek(len(_PNG))
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if pixels and kind != b"IDAT":
                return kind != b"IEND"
            pixels |= kind == b"IDAT"
            file.seek(length + 4, os.SEEK_CUR)
    return False


def _rgb(path: Path, picture: Image.Image) -> Array:
    with _problems(path):
        picture = _upright(picture)
        if picture.mode in _WIDE:
            grey = (np.asarray(picture) >> 8).astype(np.uint8)
            return np.repeat(grey[..., None], 3, axis=2)
        if picture.mode in _UNBOUNDED:
            raise _refused(path, f"pixels of 32 bits (mode {picture.mode}); save it with 8 or 16")
        if picture.has_transparency_data:
            picture = picture.convert("RGBA")
            ground = Image.new("RGBA", picture.size, (*GROUND, 255))
            picture = Image.alpha_composite(ground, picture)
        return np.asarray(picture.convert("RGB"))


def _lossy(path: Path, picture: Image.Image) -> str:
    """Name of the format if it changes values, else nothing."""
    if picture.format in ("JPEG", "MPO", "JPEG2000", "AVIF"):
        return picture.format
    if picture.format == "TIFF" and picture.info.get("compression") in _LOSSY_TIFF:
        return "TIFF with JPEG"
    if picture.format == "WEBP" and b"VP8L" not in path.read_bytes()[:4096]:
        return "lossy WebP"
    return ""


def _may_be_colours(picture: Image.Image, places: Array) -> bool:
    """Whether a palette holds just the colours that occur, as programs write that shrink files of
    red + 256 green, and these say something else than the places."""
    palette = np.array(picture.getpalette("RGB"), np.int32).reshape(-1, 3)
    used = np.unique(places)
    if len(used) != len(palette) or palette[:, 2].any():
        return False
    return bool((palette[:, 0] + 256 * palette[:, 1] != np.arange(len(palette))).any())


def _ends_with(path: Path, mark: bytes) -> bool:
    """Whether the mark stands at the end of the file, but for zeros."""
    with open(path, "rb") as file:
        file.seek(-min(os.fstat(file.fileno()).st_size, 4096), os.SEEK_END)
        return file.read().rstrip(b"\0").endswith(mark)
