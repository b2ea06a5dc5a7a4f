"""Truth by the frame: writing and reading a corpus's ``truth.h5`` (its layout: ``canonical.yaml``).

Writing goes clip by clip, so memory does not grow with the corpus; reading opens any clip at once.
A corpus of boxes alone has no masks, elements and key points::

    with TruthWriter("data/puppets/trimmed/truth.h5") as writer:
        writer.append("train00000", code=code, elements=elements, boxes=boxes)

    with open_truth("data/captioning/corpus") as truth:
        codes, names = truth.masks("train00000", "part")
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

import h5py
import numpy as np

from seewhy.errors import InputError
from seewhy.files import create_hdf5, open_hdf5, read_json, whole_file
from seewhy.hdf5_files import Expect, attribute, explained_damage, texts
from seewhy.readable import make_again

KINDS = ("instance", "class", "part", "colour", "texture", "stuff")
SURROUNDINGS = "surroundings"
"""What a phrase such as `the kitchen` refers to: every pixel that shows no instance."""

_TEXT = "S32"
_COLUMNS: dict[str, dict[str, tuple[tuple[int, ...], Any]]] = {
    "boxes": {"frame": ((), "i4"), "instance": ((), "i4"), "box": ((4,), "f4")},
    "key_points": {
        "frame": ((), "i4"),
        "instance": ((), "i4"),
        "name": ((), "i2"),
        "point": ((2,), "f4"),
        "visible": ((), "?"),
    },
    "elements": {
        "instance": ((), "i4"),
        "class": ((), _TEXT),
        "part": ((), _TEXT),
        "colour": ((), _TEXT),
        "texture": ((), _TEXT),
        "rgb": ((2, 3), "u1"),
    },
}
_KIND = {"i4": "whole", "i2": "whole", "f4": "number", "?": "flag", _TEXT: "text", "u1": "byte"}
_FORM = {
    "clip": Expect("text", ("clips",)),
    "masks/code": Expect("byte", ("frames", "height", "width"), optional=True),
    "masks/rows": Expect("whole", ("clips+1",), rising="frames"),
}
for _group, _columns in _COLUMNS.items():
    for _name, (_shape, _dtype) in _columns.items():
        _FORM[f"{_group}/{_name}"] = Expect(_KIND[_dtype], (_group, *_shape))
    _FORM[f"{_group}/rows"] = Expect("whole", ("clips+1",), rising=_group)
_MOST = 1_000_000  # number of an instance
_LONGEST = 100_000_000  # frames of a clip
_FARTHEST = 1e10  # pixels
_ELSEWHERE = "elsewhere"  # attribute of a file that only says where the truth lies
_FLUSH = 64  # clips whose small rows are written together


class TruthWriter:
    """Writes ``truth.h5``, one clip after another; the file appears when the block ends well.

    Args:
        path: the file.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._stack = contextlib.ExitStack()
        self._file: h5py.File | None = None

    def __enter__(self) -> TruthWriter:
        temporary = self._stack.enter_context(whole_file(self._path))
        temporary.unlink(missing_ok=True)
        self._file = self._stack.enter_context(create_hdf5(temporary, libver="latest"))
        for group, columns in _COLUMNS.items():
            for name, (shape, dtype) in columns.items():
                self._file.create_dataset(
                    f"{group}/{name}", (0, *shape), dtype, maxshape=(None, *shape),
                    chunks=(4096, *shape), compression="gzip", compression_opts=2, shuffle=True,
                )  # fmt: skip
        self._clips: list[str] = []
        self._known: set[str] = set()
        self._offsets = {group: [0] for group in (*_COLUMNS, "masks")}
        self._waiting: dict[str, list[np.ndarray]] = {
            f"{group}/{name}": [] for group, columns in _COLUMNS.items() for name in columns
        }
        self._names: dict[str, int] = {}
        self._size: tuple[int, int] | None = None
        return self

    def append(
        self,
        clip: str,
        *,
        boxes: Mapping[str, np.ndarray],
        code: np.ndarray | None = None,
        elements: Sequence[Mapping[str, Any]] = (),
        key_points: Mapping[str, Any] | None = None,
    ) -> None:
        """Add one clip.

        Args:
            clip: its identifier, not yet written.
            boxes: `frame` [n], `instance` [n], `box` [n, 4].
            code: [T, h, w] uint8, index into `elements` of what each pixel shows; None: no masks.
            elements: rows with `instance`, `class`, `part`, `colour`, `texture`, `rgb` [2, 3].
            key_points: `frame` [n], `instance` [n], `point` [n, 2], `visible` [n], and `name`, n
                strings; None: no key points.

        Raises:
            InputError: a clip given twice, frames of another size than the first clip's, or a code
                without an element.
        """
        if self._file is None:
            raise InputError(f"{self._path}: open the writer in a with block before appending")
        if clip in self._known:
            raise InputError(f"{self._path}: the clip {clip} is given twice")
        if code is not None and code.size and int(code.max()) >= len(elements):
            raise InputError(
                f"{self._path}: clip {clip} has the code {int(code.max())}, but only "
                f"{len(elements)} elements"
            )
        if code is not None:
            self._append_code(clip, np.asarray(code, np.uint8))
        else:
            self._offsets["masks"].append(self._offsets["masks"][-1])
        if key_points is None:
            key_points = {name: [] for name in _COLUMNS["key_points"]}
        names = np.array([self._names.setdefault(n, len(self._names)) for n in key_points["name"]])
        groups: dict[str, dict[str, Any]] = {
            "boxes": dict(boxes),
            "key_points": {**key_points, "name": names},
            "elements": {key: [row[key] for row in elements] for key in _COLUMNS["elements"]},
        }
        for group, columns in _COLUMNS.items():
            for name, (shape, dtype) in columns.items():
                values = groups[group][name]
                rows = [v.encode() for v in values] if dtype is _TEXT else values
                self._waiting[f"{group}/{name}"].append(np.asarray(rows, dtype).reshape(-1, *shape))
            count = len(self._waiting[f"{group}/{next(iter(columns))}"][-1])
            self._offsets[group].append(self._offsets[group][-1] + count)
        self._clips.append(clip)
        self._known.add(clip)
        if len(self._clips) % _FLUSH == 0:
            self._flush()

    def _append_code(self, clip: str, code: np.ndarray) -> None:
        assert self._file is not None
        frames, *size = code.shape
        if self._size is None:
            self._size = tuple(size)
            self._file.create_dataset(
                "masks/code",
                (0, *size),
                "u1",
                maxshape=(None, *size),
                chunks=(min(frames, 16) or 1, *size),
                compression="gzip",
                compression_opts=3,
            )
        if tuple(size) != self._size:
            raise InputError(
                f"{self._path}: clip {clip} has frames of {size[1]} x {size[0]} pixels, the first "
                f"clip {self._size[1]} x {self._size[0]}"
            )
        before = self._offsets["masks"][-1]
        data = self._file["masks/code"]
        data.resize(before + frames, axis=0)
        data[before:] = code
        self._offsets["masks"].append(before + frames)

    def _flush(self) -> None:
        assert self._file is not None
        for name, waiting in self._waiting.items():
            if not waiting:
                continue
            rows = np.concatenate(waiting)
            data = self._file[name]
            before = len(data)
            data.resize(before + len(rows), axis=0)
            data[before:] = rows
            waiting.clear()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        if kind is None:
            assert self._file is not None
            self._flush()
            clips = np.array([c.encode() for c in self._clips], object)
            self._file.create_dataset("clip", data=clips, dtype=h5py.string_dtype())
            for group, offsets in self._offsets.items():
                self._file[f"{group}/rows" if group in self._file else f"/{group}/rows"] = np.array(
                    offsets, "i8"
                )
            names = sorted(self._names, key=self._names.__getitem__)
            self._file["key_points"].attrs["names"] = np.array(names, h5py.string_dtype())
        return self._stack.__exit__(kind, error, trace)


class Truth:
    """Reads ``truth.h5``.

    Args:
        path: the file, or the corpus folder that holds it; a file that only says where the truth
            lies (`refer_truth`) is followed.

    Raises:
        InputError: the file is missing, damaged or of another form.
    """

    def __init__(self, path: str | Path) -> None:
        path = Path(path)
        self._path = _followed(path / "truth.h5" if path.is_dir() else path)
        self._stack = contextlib.ExitStack()
        self._file = self._stack.enter_context(open_hdf5(self._path, needs=_FORM))
        try:
            with explained_damage(self._path):
                self.clips: list[str] = texts(self._file["clip"], self._path)
                names = attribute(self._file["key_points"], "names", self._path)
                self._rows = {g: self._file[f"{g}/rows"][:] for g in ("masks", *_COLUMNS)}
        except InputError:
            self.close()
            raise
        self._index = {clip: i for i, clip in enumerate(self.clips)}
        self.point_names: list[str] = [str(name) for name in np.atleast_1d(names)]

    def __enter__(self) -> Truth:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._stack.close()

    @property
    def has_masks(self) -> bool:
        """Whether there are masks, and not only boxes."""
        return "masks/code" in self._file

    def _slice(self, group: str, clip: str) -> slice:
        if clip not in self._index:
            raise InputError(f"{self._path}: has no clip {clip}")
        i = self._index[clip]
        return slice(int(self._rows[group][i]), int(self._rows[group][i + 1]))

    def code(self, clip: str) -> np.ndarray:
        """Element that each pixel shows: [T, h, w] uint8, an index into :meth:`elements`.

        Raises:
            InputError: no such clip, or a corpus of boxes alone.
        """
        if not self.has_masks:
            raise InputError(f"{self._path}: has boxes and no masks; use the boxes")
        with explained_damage(self._path):
            code = self._file["masks/code"][self._slice("masks", clip)]
        elements = self._slice("elements", clip)
        if code.size and int(code.max()) >= elements.stop - elements.start:
            self._complain(
                clip, f"shows the element {code.max()} of {elements.stop - elements.start}"
            )
        return code

    def _complain(self, clip: str, what: str) -> NoReturn:
        raise InputError(f"{self._path}: the clip {clip} {what}; {make_again(self._path)}")

    def _check_numbers(self, clip: str, what: str, rows: Mapping[str, np.ndarray]) -> None:
        """Refuse frames that the clip does not have, and instances that nothing has."""
        drawn = self._slice("masks", clip)
        frames, instances = rows["frame"], rows["instance"]
        last = (drawn.stop - drawn.start or _LONGEST) - 1
        if frames.min(initial=0) < 0 or frames.max(initial=0) > last:
            self._complain(clip, f"has {what} in a frame that is not from 0 to {last}")
        if instances.min(initial=0) < 0 or instances.max(initial=0) > _MOST:
            self._complain(clip, f"has {what} of an instance that is not from 0 to {_MOST}")

    def elements(self, clip: str) -> dict[str, np.ndarray]:
        """What the codes of a clip stand for: the columns of the group `elements`."""
        where = self._slice("elements", clip)
        group = self._file["elements"]
        try:
            with explained_damage(self._path):
                columns = {
                    name: group[name].asstr()[where] if dtype is _TEXT else group[name][where]
                    for name, (_, dtype) in _COLUMNS["elements"].items()
                }
        except UnicodeDecodeError:
            self._complain(clip, "has an element whose name is not UTF-8")
        numbers = columns["instance"]
        if numbers.min(initial=0) < 0 or numbers.max(initial=0) > _MOST:
            self._complain(clip, f"has an instance that is not from 0 to {_MOST}")
        return columns

    def masks(self, clip: str, kind: str) -> tuple[np.ndarray, list[str]]:
        """What each pixel shows, read in one of six ways.

        Args:
            clip: identifier.
            kind: `instance` (which thing), `class` (things only), `part` (things only), `colour`,
                `texture`, or `stuff` (surroundings only).

        Returns:
            [T, h, w] int64 and names: a pixel's value v >= 1 means ``names[v]``; 0 (``names[0]`` is
            empty) means nothing of this kind. For `instance` the value is the instance's number and
            the names are numbers too; else the names are sorted.
        """
        if kind not in KINDS:
            raise InputError(f"mask kind {kind!r} is not one of {', '.join(KINDS)}")
        elements = self.elements(clip)
        instance = elements["instance"]
        if kind == "instance":
            names = ["", *(str(i) for i in range(1, int(instance.max(initial=0)) + 1))]
            return instance.astype(np.int64)[self.code(clip)], names
        labels = elements["class" if kind == "stuff" else kind].astype(object).copy()
        if kind in ("class", "part"):
            labels[instance == 0] = ""
        elif kind == "stuff":
            labels[instance != 0] = ""
        names = ["", *sorted({str(label) for label in labels} - {""})]
        values = np.array([names.index(str(label)) for label in labels], np.int64)
        return values[self.code(clip)], names

    def boxes(self, clip: str) -> dict[str, np.ndarray]:
        """Boxes of the visible pixels: `frame` [n], `instance` [n], `box` [n, 4] x, y, w, h."""
        where = self._slice("boxes", clip)
        with explained_damage(self._path):
            rows = {name: self._file[f"boxes/{name}"][where] for name in _COLUMNS["boxes"]}
        box = rows["box"]
        if not ((abs(box) <= _FARTHEST).all() and (box[:, 2:] > 0).all()):
            self._complain(clip, "has a box that is not four finite numbers with an area")
        self._check_numbers(clip, "a box", rows)
        return rows

    def key_points(self, clip: str) -> dict[str, np.ndarray]:
        """Key points: `frame`, `instance`, `name`, `visible` [n] and `point` [n, 2] in pixels."""
        where = self._slice("key_points", clip)
        with explained_damage(self._path):
            rows = {n: self._file[f"key_points/{n}"][where] for n in _COLUMNS["key_points"]}
        known = (rows["name"] >= 0) & (rows["name"] < len(self.point_names))
        if not known.all() or not (abs(rows["point"][rows["visible"]]) <= _FARTHEST).all():
            self._complain(clip, "has a key point without a name, or a visible one without a place")
        self._check_numbers(clip, "a key point", rows)
        rows["name"] = np.array(self.point_names, object)[rows["name"]]
        return rows

    def region(self, clip: str, segment: Mapping[str, Any]) -> np.ndarray:
        """Pixels of an action: its actor and the object it acts on.

        Args:
            clip: identifier.
            segment: a row of ``segments.csv``: `instance`, `object`, `start`, `end`.

        Returns:
            [T, h, w] bool, false outside the segment's frames; with instance 0 every thing counts.
        """
        masks, _ = self.masks(clip, "instance")
        numbers = {int(segment["instance"])}
        other = segment.get("object")
        if other is not None and other == other and int(other) > 0:
            numbers.add(int(other))
        region = np.isin(masks, list(numbers - {0})) if numbers != {0} else masks > 0
        region[: int(segment["start"])] = False
        region[int(segment["end"]) :] = False
        return region

    def phrase(self, clip: str, kind: str, refers_to: str) -> np.ndarray:
        """Pixels that a noun phrase refers to.

        Args:
            clip: identifier.
            kind: `instance` or `stuff`, as in ``phrases.csv``.
            refers_to: the instance's number, the stuff's name, or `surroundings`.

        Returns:
            [T, h, w] bool.
        """
        if kind == "instance":
            return self.masks(clip, "instance")[0] == int(refers_to)
        if refers_to == SURROUNDINGS:
            return self.masks(clip, "instance")[0] == 0
        values, names = self.masks(clip, "stuff")
        if refers_to not in names:
            return np.zeros(values.shape, bool)
        return values == names.index(refers_to)


def refer_truth(path: str | Path, elsewhere: str | Path) -> None:
    """Write a ``truth.h5`` that only says where the truth lies, so that masks are not copied.

    Args:
        path: the file to write.
        elsewhere: the file with the truth: absolute, or relative to the working directory.
    """
    with whole_file(path) as temporary, create_hdf5(temporary) as file:
        file.attrs[_ELSEWHERE] = str(elsewhere)


def open_truth(corpus: str | Path) -> Truth:
    """Open the truth of a corpus in canonical form, wherever it lies.

    Args:
        corpus: the folder that the rule import_corpus wrote.

    Raises:
        InputError: the corpus has no truth by the frame, or its file is missing or damaged.
    """
    truth = Truth(Path(corpus) / "truth.h5")
    if not truth.clips:
        truth.close()
        name = read_json(Path(corpus) / "corpus.json")["name"]
        raise InputError(
            f"{corpus}: the corpus {name} has no truth by the frame (boxes or masks); corpus.json "
            "says what is missing and where to get it, or choose another corpus, such as puppets"
        )
    return truth


def _followed(path: Path) -> Path:
    with open_hdf5(path) as file:
        elsewhere = file.attrs.get(_ELSEWHERE, str(path))
    if not isinstance(elsewhere, str):
        raise InputError(f"{path}: tells no file with the truth; {make_again(path)}")
    return Path(elsewhere)
