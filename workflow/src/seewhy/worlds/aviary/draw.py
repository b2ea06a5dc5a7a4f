"""Drawing a bird: one raster of codes, of which image, masks, box and key points are readings.

Polygons are filled with the code of their part at three times the image's resolution, without
anti-aliasing; a pixel is the mean of the colours of its 3 x 3 sub-pixels over the background, its
code that of the middle one. A slot's value changes the colour or outline of its part and nothing
else: tones, light and noise are drawn for all parts alike, whatever the values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from seewhy.errors import InputError
from seewhy.worlds.aviary.bird import POINTS, Array, Body, Outlines, outline, pose_bird
from seewhy.worlds.aviary.faults import perturb
from seewhy.worlds.aviary.plan import Bird
from seewhy.worlds.aviary.setting import Setting, build_setting

SUB = 3
"""Sub-pixels along each side of a pixel."""
COLOURS: dict[str, tuple[int, int, int]] = {
    "black": (34, 32, 37),
    "white": (240, 240, 236),
    "grey": (136, 140, 147),
    "brown": (120, 74, 40),
    "red": (206, 36, 38),
    "orange": (240, 126, 26),
    "yellow": (244, 210, 40),
    "blue": (50, 96, 204),
    "green": (48, 138, 62),
}
_MANTLES = np.array([(198, 170, 130), (178, 174, 162), (172, 166, 116)], float)
_LEGS = np.array([(150, 110, 90), (96, 88, 84)], float)

CODES = (
    *("background", "branch", "leaf", "leg", "far wing", "tail", "back", "stripe", "belly"),
    *("breast", "spot", "face", "crown", "throat", "eye ring", "eye", "glint", "bill", "wing"),
    "wing bar",
)
CODE = {name: code for code, name in enumerate(CODES)}
_BIRD = np.array([name not in ("background", "branch", "leaf") for name in CODES])
_PARTS = {"stripe": "back", "spot": "breast", "glint": "eye", "far wing": "wing"}
_SLOT_OF = {  # the slot that gives a part its colour
    "tail": "tail", "belly": "belly", "breast": "breast", "crown": "crown", "throat": "throat",
    "bill": "bill_colour", "wing": "wing", "far wing": "wing",
}  # fmt: skip
_SHOWS = {  # codes at which a key point's own part is seen
    "back": ("back", "stripe"), "beak": ("bill",), "belly": ("belly",),
    "breast": ("breast", "spot"), "crown": ("crown",), "forehead": ("crown", "face"),
    "nape": ("face", "back", "stripe", "crown"), "throat": ("throat",), "tail": ("tail",),
    "eye": ("eye", "glint"), "leg": ("leg",), "wing": ("wing", "wing bar"),
}  # fmt: skip


@dataclass
class Drawing:
    """A bird drawn.

    Attributes:
        image: [s, s, 3] uint8, spoilt where the bird has that fault.
        code: [s, s] uint8, index into `CODES` of what each pixel shows.
        box: x, y, width, height of the bird's visible pixels.
        points: [15, 2] float32, x and y in pixels in the order of `POINTS`.
        visible: [15] bool: the part itself is seen there, or beside it.
        colours: code's name to the colour's name, for what has one.
        ground: kind of background.
    """

    image: Array
    code: Array
    box: tuple[int, int, int, int]
    points: Array
    visible: Array
    colours: dict[str, str]
    ground: str

    def elements(self) -> list[dict]:
        """What the codes stand for, as `seewhy.corpora.truth` wants it."""
        rows = []
        for code, name in enumerate(CODES):
            bird = bool(_BIRD[code])
            stuff = self.ground if name == "background" else name
            rows.append({
                "instance": int(bird),
                "class": "bird" if bird else stuff,
                "part": _PARTS.get(name, name) if bird else "",
                "colour": self.colours.get(name, ""),
                "texture": "plain",
                "rgb": np.zeros((2, 3), np.uint8),
            })  # fmt: skip
        return rows

    def area(self, part: str) -> int:
        """Pixels that show a part of `CODES`."""
        return int((self.code == CODE[part]).sum())


def check_size(size: int) -> None:
    """Refuse a size of images at which birds could not be told apart.

    Raises:
        InputError: not a whole number from 64 to 512.
    """
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or not 64 <= size <= 512:
        raise InputError(f"size {size!r} must be a whole number of pixels from 64 to 512")


def draw_bird(bird: Bird, size: int = 96) -> Drawing:
    """Draw a bird as `seewhy.worlds.aviary.plan` decided it.

    Args:
        bird: of `plan_bird`, changed or not.
        size: side of the image, pixels.

    Raises:
        InputError: a size out of range.
    """
    check_size(size)
    fine, body, outlines, setting = _drawn(bird, size)
    tones = bird.generator("tones")
    lut, colours = _colours(bird.values, setting.colours, tones)
    image = _render(fine, lut, setting.background, size, tones)
    if bird.fault == "perturbation":
        image = perturb(image, bird.kind, bird.strength, bird.generator("fault"))
    code = np.ascontiguousarray(fine[1::SUB, 1::SUB])
    points = np.array([outlines.points[name] for name in POINTS], np.float32)
    near = "right" if body.facing > 0 else "left"
    visible = np.array(
        [_is_seen(code, name, point, near) for name, point in zip(POINTS, points, strict=True)]
    )
    return Drawing(image, code, _box(_BIRD[code]), points, visible, colours, setting.ground)


def sub_pixels(bird: Bird, size: int = 96) -> Array:
    """What each sub-pixel shows, an index into `CODES`: [3 s, 3 s] uint8."""
    return _drawn(bird, size)[0]


def _drawn(bird: Bird, size: int) -> tuple[Array, Body, Outlines, Setting]:
    body = pose_bird(bird.generator("body"))
    outlines = outline(body, bird.values, size)
    setting = build_setting(bird.generator("setting"), body.pose, outlines, size)
    fine = _raster(outlines, bird.values, setting.behind, setting.before, size)
    return fine, body, outlines, setting


def _raster(
    bird: Outlines,
    values: dict[str, str],
    behind: list[tuple[str, Array]],
    before: list[tuple[str, Array]],
    size: int,
) -> Array:
    """Codes of all sub-pixels, [3 s, 3 s] uint8."""
    side = size * SUB
    canvas = Image.new("L", (side, side))
    pen = ImageDraw.Draw(canvas)

    def fill(pen: ImageDraw.ImageDraw, polygons: list[Array], code: int) -> None:
        for polygon in polygons:
            pen.polygon((polygon * SUB).ravel().tolist(), fill=code)

    for kind, polygon in behind:
        fill(pen, [polygon], CODE[kind])
    for part, code in (("far wing", "far wing"), ("far leg", "leg"), ("leg", "leg"),
                       ("tail", "tail")):  # fmt: skip
        fill(pen, bird.parts[part], CODE[code])

    # Plumage reaches beyond the bird on its own sheet and is cut out by the silhouette.
    silhouette, sheet = Image.new("L", canvas.size), Image.new("L", canvas.size, CODE["back"])
    for part in ("trunk", "head"):
        fill(ImageDraw.Draw(silhouette), bird.parts[part], 255)
    on_sheet = ImageDraw.Draw(sheet)
    if values["back"] == "striped":
        fill(on_sheet, bird.parts["stripe"], CODE["stripe"])
    fill(on_sheet, bird.parts["belly"], CODE["belly"])
    fill(on_sheet, bird.parts["breast"], CODE["breast"])
    if values["breast_pattern"] == "spotted":
        fill(on_sheet, bird.parts["spot"], CODE["spot"])
    fill(on_sheet, bird.parts["head"], CODE["face"])
    fill(on_sheet, bird.parts["throat"], CODE["throat"])
    fill(on_sheet, bird.parts["crown"], CODE["crown"])
    canvas.paste(sheet, mask=silhouette)

    wing, sheet = Image.new("L", canvas.size), Image.new("L", canvas.size, CODE["wing"])
    fill(ImageDraw.Draw(wing), bird.parts["wing"], 255)
    if values["wing_bar"] == "white":
        fill(ImageDraw.Draw(sheet), bird.parts["wing bar"], CODE["wing bar"])
    canvas.paste(sheet, mask=wing)

    if values["eye_ring"] == "white":
        fill(pen, bird.parts["eye ring"], CODE["eye ring"])
    for part in ("eye", "glint", "bill"):
        fill(pen, bird.parts[part], CODE[part])
    for kind, polygon in before:
        fill(pen, [polygon], CODE[kind])
    return np.asarray(canvas)


def _colours(
    values: dict[str, str], around: dict[str, tuple[int, int, int]], rng: np.random.Generator
) -> tuple[Array, dict[str, str]]:
    """Colour of each code [codes, 3], and the names of those that a slot gives."""
    shares = rng.dirichlet([0.7] * len(_MANTLES))
    mantle = shares @ _MANTLES * rng.uniform(0.9, 1.06)
    legs = _LEGS[int(rng.integers(len(_LEGS)))]
    tones = rng.uniform(0.92, 1.07, (len(CODES), 1)) + rng.normal(0, 0.015, (len(CODES), 3))
    fixed = {
        "branch": around["branch"], "leaf": around["leaf"], "leg": legs, "back": mantle,
        "face": mantle * 0.97, "stripe": mantle * 0.36, "spot": (58, 44, 38),
        "eye ring": (250, 250, 248), "eye": (18, 16, 18), "glint": (250, 250, 250),
        "wing bar": (246, 246, 242),
    }  # fmt: skip
    named = {name: values[slot] for name, slot in _SLOT_OF.items()}
    lut = np.zeros((len(CODES), 3), np.float32)
    for code, name in enumerate(CODES[1:], 1):
        lut[code] = COLOURS[named[name]] if name in named else fixed[name]
    tones[CODE["far wing"]] = tones[CODE["wing"]] * 0.78
    lut *= tones
    named |= dict.fromkeys(("eye ring", "wing bar"), "white")
    return np.clip(lut, 0, 255), named


def _render(
    fine: Array, lut: Array, background: Array, size: int, rng: np.random.Generator
) -> Array:
    """The image: codes to colours, averaged over sub-pixels, over the background; light, noise."""
    table = np.zeros((256, 4), np.uint8)
    table[: len(lut), :3] = np.rint(lut)
    table[1 : len(lut), 3] = 255
    layers = Image.fromarray(table[fine].reshape(size * SUB, size * SUB, 4), "RGBA")
    mean = np.asarray(layers.reduce(SUB), np.float32)
    light = rng.normal(0, 1, (4, 4)).astype(np.float32) * 0.07
    shade = np.asarray(Image.fromarray(light).resize((size, size), Image.Resampling.BICUBIC))
    cover = mean[..., 3:] / 255
    image = mean[..., :3] * (1 + shade)[..., None] * cover + background * (1 - cover)
    image += rng.integers(-4, 5, image.shape, np.int8)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def _is_seen(code: Array, name: str, point: Array, near: str) -> bool:
    """Whether the pixel of a key point, or one of the eight around it, shows its own part."""
    side, _, pair = name.partition(" ")
    if pair == "eye" and side != near:
        return False
    own = _SHOWS[pair or name]
    if pair == "wing" and side != near:
        own = ("far wing",)
    x, y = np.floor(point).astype(int)
    around = code[max(y - 1, 0) : max(y + 2, 0), max(x - 1, 0) : max(x + 2, 0)]
    return bool(np.isin(around, [CODE[one] for one in own]).any())


def _box(mask: Array) -> tuple[int, int, int, int]:
    across, down = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    return (
        int(across[0]), int(down[0]),
        int(across[-1] - across[0] + 1), int(down[-1] - down[0] + 1),
    )  # fmt: skip
