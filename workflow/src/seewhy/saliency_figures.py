"""Pictures of saliency maps: over frames, in film strips, as moving pictures, and summed over time.

    rows = [Row("original", frames), Row("Grad-CAM", frames, maps), Row("cEB-R", frames, signed)]
    film_strip(rows, "strip.png", shown=range(1, 16, 2))
    animate(rows, "clip.gif")

Frames under a map are light grey, so that every hue is the map's: orange where it is positive, blue
where it is negative (the two differ for every kind of colour vision), the stronger the further from
0, and nothing at 0. A map without negative values has orange alone, which makes it a sequential
scale. Every row says how much full colour is; rows of one block share it.

Equal input gives equal files.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.ticker import MaxNLocator
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import binary_dilation, binary_erosion

from seewhy.errors import InputError
from seewhy.figures import COLOURS, bare, drawable, figure
from seewhy.files import whole_file
from seewhy.scores.pointing import Boxes, checked_maps, region_masks, upsample

WIDTH, DPI = 7.2, 200  # inches of a printed page's text, pixels an inch
STRIP_SIDE = 150  # pixels of a frame in a strip, at least
FULL_QUANTILE = 0.998  # of the magnitudes of a block: full colour
POSITIVE, NEGATIVE = COLOURS[1], COLOURS[0]
_OPACITY = 0.9  # of full colour, so that the frame still shows
_KINDS = (COLOURS[0], *COLOURS[2:])  # the paper's blue and green, and more
_GREY = (0.45, 0.55)  # the darkest grey of a frame, and what its lightness adds
_STRUCTURE = np.ones((1, 3, 3), bool)

Array = np.ndarray


class Row(NamedTuple):
    """A row of a film strip, a column of a moving picture.

    Attributes:
        title: what it shows.
        frames: [n, h, w, 3] uint8.
        maps: [n, h', w'], at any resolution; None: the frames as they are.
        marks: what to outline, as `seewhy.scores.pointing.pointing_hits` takes regions: masks
            [n, h, w] bool, or of each frame a list of boxes x, y, width, height.
        block: rows of the same name share their colour scale; None: one of its own.
    """

    title: str
    frames: Array
    maps: Array | None = None
    marks: Array | Boxes | None = None
    block: str | None = None


def full_colour(maps: Sequence[Array]) -> float:
    """The magnitude that gets full colour, the same for all these maps.

    It is exceeded by 2 pixels in 1000, so that one of them does not make all others pale.
    """
    magnitudes = np.concatenate([abs(np.asarray(m, float)).ravel() for m in maps])
    return float(np.quantile(magnitudes, FULL_QUANTILE)) or float(magnitudes.max()) or 1.0


def overlay(
    frames: Array,
    maps: Array,
    *,
    full: float | None = None,
    zoom: int = 1,
    steps: int | None = None,
) -> Array:
    """Maps over frames.

    Args:
        frames: [n, h, w, 3] uint8; or one frame [h, w, 3].
        maps: [n, h', w'], at any resolution; or one map.
        full: magnitude of full colour; None: `full_colour` of these maps.
        zoom: whole factor by which frames grow; maps are interpolated to the same size.
        steps: of grey, and of opacity from nothing to full colour; None: as many as there are.

    Returns:
        [n, h zoom, w zoom, 3] uint8; or one picture.

    Raises:
        InputError: frames or maps of another form or number, or maps that are not finite.
    """
    if np.ndim(frames) == 3 and np.ndim(maps) == 2:
        return overlay(frames[None], maps[None], full=full, zoom=zoom, steps=steps)[0]
    pictures = _grown(frames, zoom)
    if len(maps) != len(frames):
        raise InputError(f"overlay: {len(maps)} maps for {len(frames)} frames; give one each")
    strength = upsample(maps, pictures.shape[1:3]) / (full_colour([maps]) if full is None else full)
    lightness = pictures @ np.array([0.299, 0.587, 0.114]) / 255
    if steps:
        strength = np.round(strength.clip(-1, 1) * steps) / steps
        lightness = np.round(lightness * steps) / steps
    return _tinted(_GREY[0] + _GREY[1] * lightness, strength)


def film_strip(
    rows: Sequence[Row | tuple],
    path: str | Path,
    *,
    shown: Sequence[int] | None = None,
    labels: Sequence[str] | None = None,
    positive: str = "speaks for the action",
    negative: str = "speaks against it",
) -> None:
    """Rows of frames under each other (Figure 3 of recurrent Grad-CAM; 5, 6, 8 of excitation BP).

    Args:
        rows: of `Row`, or tuples of its parts; all of as many frames of the same size.
        path: PNG, as wide as a printed page.
        shown: which frames; None: all. The colour scale is that of all of them.
        labels: of the frames shown, written under them; None: their numbers.
        positive: what orange says.
        negative: what blue says.

    Raises:
        InputError: rows that do not fit together or are of another form; no such frame.
    """
    rows = _checked(rows)
    n, height, width = rows[0].frames.shape[:3]
    shown = np.arange(n) if shown is None else np.asarray(shown, int)
    if not len(shown) or shown.min() < 0 or shown.max() >= n:
        raise InputError(f"film strip: frames {shown.tolist()} of {n}; give some from 0 to {n - 1}")
    labels = [str(i) for i in shown] if labels is None else list(labels)
    if len(labels) != len(shown):
        raise InputError(f"film strip: {len(labels)} labels for {len(shown)} frames; give one each")
    zoom = max(1, -(-STRIP_SIDE // width))
    gap = max(2, width * zoom // 40)
    strip_height = 0.9 * WIDTH / len(shown) * height / width  # inches
    with figure(
        path, width=WIDTH, height=(strip_height + 0.19) * len(rows) + 0.3, dpi=DPI
    ) as drawn:
        drawn.get_layout_engine().set(h_pad=0.02, w_pad=0.02, hspace=0, wspace=0)
        grid = drawn.subplots(len(rows), 1, squeeze=False)[:, 0]
        for axes, row, full in zip(grid, rows, _scales(rows), strict=True):
            pictures = _pictures(_taken(row, shown), full, zoom)
            strip = np.full((height * zoom, (width * zoom + gap) * len(shown) - gap, 3), 255, "u1")
            for place, picture in enumerate(pictures):
                left = place * (width * zoom + gap)
                strip[:, left : left + width * zoom] = picture
            axes.imshow(strip)
            bare(axes)
            axes.set_title(row.title, fontsize=8, pad=2.5)
            if row.maps is not None:
                bar = axes.inset_axes((1.008, 0, 0.013, 1))
                least = -1 if _signed(row.maps) else 0
                colours = _tinted(np.full((100, 1), 0.9), np.linspace(1, least, 100)[:, None])
                bar.imshow(colours, extent=(0, 1, least, 1), aspect="auto")
                bare(bar)
                bar.yaxis.tick_right()
                bar.set_yticks([least, 0, 1][-2 - (least < 0) :])
                bar.set_yticklabels(_scale_names(full, least), fontsize=6)
                bar.tick_params(length=0, pad=1)
        last = grid[-1]
        middles = (np.arange(len(shown)) + 0.5) * (width * zoom + gap) - gap / 2
        last.set_xticks(middles, labels, fontsize=6)
        last.tick_params(length=0, pad=1)
        last.set_xlabel(_legend(rows, positive, negative), fontsize=7, labelpad=2)


def sums_figure(
    panels: Mapping[str, Mapping[str, Array]],
    path: str | Path,
    *,
    boundary: float | None = None,
    unit: str = "frame",
) -> None:
    """Sums of maps over time, mean and standard deviation over clips (Figure 7 of EB for RNNs).

    Args:
        panels: of each panel, by its title, the sums of each kind of clip, by its name:
            ``{"cEB-R": {"rand + GT": [clips, T], "GT + rand": [clips, T]}}``; NaN for frames that a
            clip does not have.
        path: PNG.
        boundary: where clips go from one action to the next, in frames; None: nowhere.
        unit: of time.

    Raises:
        InputError: nothing to draw, or sums of another form.
    """
    if not panels or not all(panels.values()):
        raise InputError("sums figure: a panel without sums; give at least one kind of clip")
    with figure(path, width=min(WIDTH, 0.5 + 3.3 * len(panels)), height=2.5, dpi=DPI) as drawn:
        for axes, (title, kinds) in zip(
            drawn.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True
        ):
            axes.axhline(0, color="0.7", lw=0.8)
            if boundary is not None:
                axes.axvline(boundary, color="0.3", lw=0.8, ls=":")
            for number, (name, sums) in enumerate(kinds.items()):
                sums = np.asarray(sums, float)
                if sums.ndim != 2 or not sums.size or np.isnan(sums).all(axis=0).any():
                    raise InputError(
                        f"sums figure: {name} has the shape {sums.shape}, or a frame of NaN alone; "
                        "give [clips, T]"
                    )
                mean, spread = np.nanmean(sums, axis=0), np.nanstd(sums, axis=0)
                time, colour = np.arange(len(mean)) + 0.5, _KINDS[number % len(_KINDS)]
                style = ("-", "--", "-.", ":")[number % 4]
                axes.fill_between(
                    time, mean - spread, mean + spread, color=colour, alpha=0.18, lw=0
                )
                axes.plot(time, mean, style, color=colour, lw=1.6,
                          label=f"{name} ({len(sums)} clips)")  # fmt: skip
            axes.set(title=title, xlabel=unit, xlim=(0, len(mean)))
            axes.margins(y=0.05)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        drawn.axes[0].set_ylabel("sum of the map\n(mean, band: 1 s.d. over clips)", fontsize=8)
        looks = {}
        for axes in drawn.axes:
            looks |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
        drawn.legend(looks.values(), looks.keys(), loc="outside upper center", ncols=4, fontsize=7)


def animate(
    rows: Sequence[Row | tuple],
    path: str | Path,
    *,
    seconds: float = 0.25,
    columns: int = 4,
    side: int = 160,
    positive: str = "for the action",
    negative: str = "against it",
) -> None:
    """Rows side by side as a moving picture, with the sum of each map over time below it.

    Args:
        rows: of `Row`, or tuples of its parts; all of as many frames of the same size.
        path: GIF; it repeats for ever.
        seconds: that a frame stands.
        columns: rows beside each other, before a new line begins.
        side: pixels of a frame's width; smaller frames grow by the least whole factor that does.
        positive: what orange says.
        negative: what blue says.

    Raises:
        InputError: rows that do not fit together or are of another form, or no time to stand.
    """
    rows = _checked(rows)
    if seconds < 0.02 or columns < 1:
        raise InputError(
            f"moving picture: {seconds} seconds a frame in {columns} columns; give at least 0.02 "
            "and 1"
        )
    n, width = len(rows[0].frames), rows[0].frames.shape[2]
    zoom = max(1, -(-side // width))
    cells = [
        _Cell(row, full, _pictures(row, full, zoom, _STEPS))
        for row, full in zip(rows, _scales(rows), strict=True)
    ]
    still, places = _still(cells, columns, _legend(rows, positive, negative, bars=True))
    moving = []
    for time in range(n):
        picture = still.copy()
        for cell, place in zip(cells, places, strict=True):
            _draw_moment(picture, cell, place, time)
        moving.append(picture)
    palette = _palette(cells)
    moving = [one.quantize(palette=palette, dither=Image.Dither.NONE) for one in moving]
    with whole_file(path) as temporary:
        moving[0].save(
            temporary,
            format="GIF",
            save_all=True,
            append_images=moving[1:],
            duration=round(seconds * 1000),
            loop=0,
            optimize=False,
        )


# --- pictures of frames ---------------------------------------------------------------------------


def _pictures(row: Row, full: float, zoom: int, steps: int | None = None) -> Array:
    """A row's frames with their maps and marks, [n, h zoom, w zoom, 3] uint8."""
    if row.maps is None:
        pictures = _grown(row.frames, zoom).copy()
    else:
        pictures = overlay(row.frames, row.maps, full=full, zoom=zoom, steps=steps)
    if row.marks is not None:
        _outline(pictures, region_masks(row.marks, frame=row.frames.shape[1:3]), zoom)
    return pictures


def _outline(pictures: Array, masks: Array, zoom: int) -> None:
    """Draw a white line inside the masks' borders and a black one outside, in place."""
    masks = masks.repeat(zoom, axis=1).repeat(zoom, axis=2)
    inside = masks & ~binary_erosion(masks, _STRUCTURE)
    pictures[binary_dilation(masks, _STRUCTURE) & ~masks] = 0
    pictures[inside] = 255


def _grown(frames: Array, zoom: int) -> Array:
    frames = np.asarray(frames)
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8 or not frames.size:
        raise InputError(
            f"frames {list(frames.shape)} of {frames.dtype} are not uint8 [n, height, width, 3]"
        )
    if zoom < 1:
        raise InputError(f"frames: the zoom is {zoom}; give a whole factor, at least 1")
    return frames.repeat(zoom, axis=1).repeat(zoom, axis=2)


def _tinted(grey: Array, strength: Array) -> Array:
    """Grey [...] in 0 … 1 with strength [...] in -1 … 1 as hue and opacity: [..., 3] uint8."""
    opacity = _OPACITY * abs(strength).clip(max=1)[..., None]
    hue = np.where(strength[..., None] > 0, to_rgb(POSITIVE), to_rgb(NEGATIVE))
    return np.round(255 * ((1 - opacity) * grey[..., None] + opacity * hue)).astype(np.uint8)


# --- rows -----------------------------------------------------------------------------------------


def _checked(rows: Sequence[Row | tuple]) -> list[Row]:
    rows = [Row(*row) for row in rows]
    if not rows:
        raise InputError("saliency figure: there are no rows; give at least one")
    for row in rows:
        _grown(row.frames, 1)
        if row.frames.shape != rows[0].frames.shape:
            raise InputError(
                f"row {row.title!r}: frames {row.frames.shape} beside {rows[0].frames.shape} of "
                f"{rows[0].title!r}; give as many of the same size"
            )
        for what, given in (("maps", row.maps), ("marks", row.marks)):
            if given is not None and len(given) != len(row.frames):
                raise InputError(
                    f"row {row.title!r}: {len(given)} {what} for {len(row.frames)} frames; give "
                    "one each"
                )
        if row.maps is not None:
            checked_maps(row.maps, row.frames.shape[1:3])
    return rows


def _taken(row: Row, shown: Array) -> Row:
    maps = None if row.maps is None else np.asarray(row.maps)[shown]
    marks = row.marks
    if marks is not None:
        marks = marks[shown] if isinstance(marks, np.ndarray) else [marks[i] for i in shown]
    return row._replace(frames=row.frames[shown], maps=maps, marks=marks)


def _scales(rows: Sequence[Row]) -> list[float]:
    """What full colour is in each row; 1 where there is no map."""
    blocks: dict[object, list[Array]] = {}
    names = [number if row.block is None else row.block for number, row in enumerate(rows)]
    for name, row in zip(names, rows, strict=True):
        blocks.setdefault(name, []).extend([] if row.maps is None else [row.maps])
    full = {name: full_colour(maps) if maps else 1.0 for name, maps in blocks.items()}
    return [full[name] for name in names]


def _signed(maps: Array) -> bool:
    return bool(np.min(maps) < 0)


def _scale_names(full: float, least: int) -> list[str]:
    return [*([f"≤ −{full:.2g}"] if least else []), "0", f"≥ {full:.2g}"]


def _legend(rows: Sequence[Row], positive: str, negative: str, *, bars: bool = False) -> str:
    maps = [row.maps for row in rows if row.maps is not None]
    parts = [f"orange: {positive}"] if maps else []
    parts += [f"blue: {negative}"] if any(map(_signed, maps)) else []
    parts += ["outlined: ground truth"] if any(row.marks is not None for row in rows) else []
    parts += ["bars: the sum of each frame's map"] if bars and maps else []
    return "; ".join(parts)


# --- moving pictures ------------------------------------------------------------------------------

_MARGIN, _LINE, _CHART = 6, 15, 30  # pixels: between cells, of a line of text, of the sums
_TITLE, _TEXT = 12, 11  # pixels, sizes of letters
_STEPS = 7  # of grey, and of opacity from nothing to full colour: a GIF has 256 colours
_GREYS = np.linspace(0, 255, 18).round().astype(int)


class _Cell(NamedTuple):
    row: Row
    full: float
    pictures: Array


def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(Path(mpl.get_data_path(), "fonts/ttf/DejaVuSans.ttf"), size)


def _still(
    cells: Sequence[_Cell], columns: int, legend: str
) -> tuple[Image.Image, list[tuple[int, int]]]:
    """What does not move: titles and legend; and where the cells' pictures lie, (left, top)."""
    height, width = cells[0].pictures.shape[1:3]
    columns = min(columns, len(cells))
    letters = int(width / (0.6 * _TITLE))
    titles = [textwrap.wrap(drawable(cell.row.title), letters) or [""] for cell in cells]
    head = _LINE * max(map(len, titles))
    wide = columns * (width + _MARGIN) + _MARGIN
    lines = textwrap.wrap(drawable(legend), int(wide / (0.5 * _TEXT)))
    tall = head + height + _MARGIN // 2 + _CHART + _LINE + _MARGIN
    rows = -(-len(cells) // columns)
    still = Image.new("RGB", (wide, rows * tall + _MARGIN + _LINE * len(lines)), "white")
    draw = ImageDraw.Draw(still)
    places = []
    for number, (cell, title) in enumerate(zip(cells, titles, strict=True)):
        left = _MARGIN + number % columns * (width + _MARGIN)
        top = _MARGIN // 2 + number // columns * tall
        draw.text(
            (left, top + head - _LINE * len(title)),
            "\n".join(title),
            "black",
            _font(_TITLE),
            spacing=1,
        )
        places.append((left, top + head))
        if cell.row.maps is not None:
            below = top + head + height + _MARGIN // 2 + _CHART + 1
            draw.text((left, below), f"full colour: {cell.full:.2g}", "#444444", _font(_TEXT))
    for number, line in enumerate(lines):
        at = still.height - _LINE * (len(lines) - number) - 1
        draw.text((_MARGIN, at), line, "black", _font(_TEXT))
    return still, places


def _palette(cells: Sequence[_Cell]) -> Image.Image:
    """One palette for all pictures, lest colours flicker.

    Frames under maps are of few colours and keep them, as do letters and bars. The other frames
    share what is left, where every colour counts once, however much there is of it: the actor may
    be small.
    """
    own = [np.repeat(_GREYS, 3).reshape(-1, 3)]
    own += [[_bar_colour(sign, now) for sign in (-1, 1) for now in (False, True)]]
    own += [cell.pictures for cell in cells if cell.row.maps is not None]
    own = _distinct(own)
    other = [cell.pictures for cell in cells if cell.row.maps is None]
    palette = Image.new("P", (1, 1))
    values = own.ravel().tolist()
    if other:
        each = Image.fromarray(_distinct([np.concatenate(other) // 4 * 4])[None])
        left = each.quantize(256 - len(own), method=Image.Quantize.MEDIANCUT, kmeans=8)
        values += left.getpalette()
    palette.putpalette(values)
    return palette


def _distinct(colours: Sequence[Array]) -> Array:
    """The colours that there are in arrays [..., 3]: [colours, 3] uint8."""
    packed = [np.asarray(one).reshape(-1, 3) @ np.array([1 << 16, 1 << 8, 1]) for one in colours]
    packed = np.unique(np.concatenate(packed))
    return np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=1).astype(np.uint8)


def _bar_colour(value: float, now: bool) -> tuple[int, int, int]:
    colour = np.array(to_rgb(POSITIVE if value > 0 else NEGATIVE))
    colour = colour if now else 0.35 * colour + 0.65
    return tuple(np.round(255 * colour).astype(int).tolist())


def _draw_moment(picture: Image.Image, cell: _Cell, place: tuple[int, int], time: int) -> None:
    """A cell at a time: the frame, and below it the sums, or how far the clip has gone."""
    left, top = place
    n, height, width = cell.pictures.shape[:3]
    picture.paste(Image.fromarray(cell.pictures[time]), place)
    draw = ImageDraw.Draw(picture)
    top += height + _MARGIN // 2
    edges = left + np.round(np.arange(n + 1) * width / n).astype(int)
    if cell.row.maps is None:
        draw.text((left, top + _CHART + 1), f"frame {time + 1} of {n}", "#444444", _font(_TEXT))
        draw.rectangle((left, top + _CHART - 4, left + width - 1, top + _CHART - 1), "#DDDDDD")
        draw.rectangle((left, top + _CHART - 4, edges[time + 1] - 1, top + _CHART - 1), "#555555")
        return
    sums = np.asarray(cell.row.maps, float).sum(axis=(1, 2))
    high, low = max(sums.max(), 0), min(sums.min(), 0)
    unit = (_CHART - 1) / ((high - low) or 1)
    zero = top + round(high * unit)
    for t, value in enumerate(sums):
        end = zero - round(value * unit)
        box = (edges[t], min(zero, end), edges[t + 1] - 2, max(zero, end))
        draw.rectangle(box, _bar_colour(value, t == time))
    draw.line((left, zero, left + width - 1, zero), "#888888")
    draw.rectangle((edges[time], top - 2, edges[time + 1] - 2, top - 1), "#000000")
