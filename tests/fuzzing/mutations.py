"""Ways in which files come broken: bytes, lines, cells, values, structure, and what lies there.

Each takes the content of a file and a generator of chance and gives a new content, or `None` where
it has no way with this content. Those of `PLACES` put something else in the file's place.
"""

import io
import json
import os
import pickle
import re
import struct
import zlib

import h5py
import numpy as np
import safetensors
import safetensors.torch
import torch

MARKER = "FUZZ_MARKER"  # environment variable: the file that nothing may make


class Runs:
    """Pickled, it runs a command when it is opened without care."""

    def __reduce__(self):
        return os.system, (f"touch {os.environ[MARKER]}",)


VALUES = (
    *(
        "",
        " ",
        "nan",
        "NaN",
        "inf",
        "-inf",
        "-1",
        "0",
        "-0",
        "1.5",
        "1e309",
        "1e9",
        "1_000",
        "0x10",
    ),
    *("²", "１２", "true", "None", "<NA>", "null", "9" * 5000, "9" * 30, "1,5", "1.0", "+3", "٣"),
    *("../../../x", "/etc/passwd", "a/b", ".", "..", "~", "-rf", "$x$", "\\frac{", "%s", "{0}"),
    *('"', '""', "'", ";", ",", "\n", "\r\n", "\t", "a\tb", "!!!", "…", "？", "😀" * 9, "مرحبا"),
    *("=cmd|' /C calc'!A0", "<script>alert(1)</script>", "a" * 200_000, "x " * 5000, "\ufeffx"),
    *("\x0b", "\x1b[31m", "\u2028", "\x85", "a\x00b", "é", "e\u0301", "\u202eabc", "99999999999"),
    *("train", "val", "test", "Train", " train", "train ", "validation"),
)
JSON_VALUES = (
    *(None, True, False, 0, -1, 1.5, 10**30, 1e308, "", " ", [], {}, [[]], {"a": {}}, "\ud800"),
    *("nan", "../x", "a" * 100_000, [None], [1, "a"], "train", 1_000_000_000, "video0", "!!!"),
)


def _text(content):
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


# --- bytes ----------------------------------------------------------------------------------------


def flip(content, chance):
    if content:
        place = chance.integers(len(content))
        changed = content[place] ^ (1 << int(chance.integers(8)))
        return content[:place] + bytes([changed]) + content[place + 1 :]


def cut(content, chance):
    return content[: chance.integers(len(content))] if content else None


def empty(content, chance):
    return b""


def insert_bytes(content, chance):
    place = chance.integers(len(content) + 1)
    what = (b"\0", b"\xff\xfe", b"\xe9", b"\xf0\x28", b"\r", b"\n\n", b"\x80" * 9, b'"', b"\x1a")
    return content[:place] + what[chance.integers(len(what))] + content[place:]


def drop_bytes(content, chance):
    if content:
        place = chance.integers(len(content))
        return content[:place] + content[place + 1 + chance.integers(40) :]


def repeat_bytes(content, chance):
    place = chance.integers(len(content) + 1)
    return content[:place] + content[max(0, place - 50) : place] * 3 + content[place:]


def zeros(content, chance):
    if content:
        place, count = chance.integers(len(content)), 1 + chance.integers(64)
        return content[:place] + bytes(min(count, len(content) - place)) + content[place + count :]


def noise(content, chance):
    return chance.bytes(1 + chance.integers(400))


def append(content, chance):
    return content + (b"\0\0\0", b"garbage", b"\n\n\n", b"\x1a", b'"')[chance.integers(5)]


def other_file(content, chance):
    return (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
        b"PK\x03\x04" + bytes(60),
        b"\x1f\x8b" + bytes(60),
        b"\x89PNG\r\n\x1a\n" + bytes(60),
        b"/annex/objects/SHA256E-s1--0\n",
    )[chance.integers(6)]


BYTES = (flip, cut, empty, insert_bytes, drop_bytes, repeat_bytes, zeros, noise, append, other_file)

# --- encodings and lines of text ------------------------------------------------------------------


def encode(content, chance):
    text = _text(content)
    if text is None:
        return None
    name = ("utf-16", "utf-16-le", "utf-8-sig", "utf-32", "cp1252", "latin-1", "cp500")[
        chance.integers(7)
    ]
    if name in ("cp1252", "latin-1"):
        text = text.replace("a", "é", 1 + chance.integers(3))
    return text.encode(name, "replace")


def line_ends(content, chance):
    end = ("\r\n", "\r", "\n\n", "\u2028")[chance.integers(4)].encode()
    return content.replace(b"\n", end)


def _of_lines(change):
    def changed(content, chance):
        text = _text(content)
        if not text:
            return None
        lines = text.split("\n")
        change(lines, int(chance.integers(len(lines))), chance)
        return "\n".join(lines).encode("utf-8", "surrogatepass")

    changed.__name__ = change.__name__
    return changed


@_of_lines
def drop_line(lines, place, chance):
    del lines[place]


@_of_lines
def repeat_line(lines, place, chance):
    lines.insert(place, lines[place])


@_of_lines
def swap_lines(lines, place, chance):
    other = int(chance.integers(len(lines)))
    lines[place], lines[other] = lines[other], lines[place]


@_of_lines
def blank_line(lines, place, chance):
    lines.insert(place, ("", "   ", ",,,", "\t", "#", "# note")[chance.integers(6)])


@_of_lines
def cut_line(lines, place, chance):
    lines[place] = lines[place][: chance.integers(len(lines[place]) + 1)]


@_of_lines
def long_line(lines, place, chance):
    lines[place] += "x" * (140_000 if chance.integers(2) else 3000)


@_of_lines
def foreign_line(lines, place, chance):
    lines.insert(place, VALUES[chance.integers(len(VALUES))])


@_of_lines
def word(lines, place, chance):
    """Another value in the place of a word."""
    parts = re.split(r"([\s,;:/<>]+)", lines[place])
    parts[int(chance.integers(len(parts)))] = VALUES[chance.integers(len(VALUES))]
    lines[place] = "".join(parts)


@_of_lines
def unquote(lines, place, chance):
    at = chance.integers(len(lines[place]) + 1)
    lines[place] = lines[place][:at] + '"' + lines[place][at:]


LINES = (encode, line_ends, drop_line, repeat_line, swap_lines, blank_line, cut_line, long_line,
         foreign_line, word, word, word, unquote)  # fmt: skip

# --- cells of a table -----------------------------------------------------------------------------


def _of_cells(change):
    def changed(content, chance):
        text = _text(content)
        if not text:
            return None
        rows = [line.split(",") for line in text.rstrip("\n").split("\n")]
        row = int(chance.integers(len(rows)))
        change(rows, row, int(chance.integers(len(rows[row]))), chance)
        lines = "\n".join(",".join(row) for row in rows) + "\n"
        return lines.encode("utf-8", "surrogatepass")

    changed.__name__ = change.__name__
    return changed


def _quoted(value):
    return f'"{value.replace(chr(34), chr(34) * 2)}"' if re.search('[",\r\n]', value) else value


@_of_cells
def cell(rows, row, column, chance):
    rows[row][column] = _quoted(VALUES[chance.integers(len(VALUES))])


@_of_cells
def raw_cell(rows, row, column, chance):
    rows[row][column] = VALUES[chance.integers(len(VALUES))]


@_of_cells
def more_cells(rows, row, column, chance):
    rows[row].insert(column, "")


@_of_cells
def fewer_cells(rows, row, column, chance):
    del rows[row][column]


@_of_cells
def header(rows, row, column, chance):
    name = rows[0][min(column, len(rows[0]) - 1)]
    names = (
        name.upper(),
        name.title(),
        f" {name} ",
        f'"{name}"',
        "",
        "other",
        rows[0][0],
        name * 2,
    )
    rows[0][min(column, len(rows[0]) - 1)] = names[chance.integers(len(names))]


@_of_cells
def drop_column(rows, row, column, chance):
    for own in rows:
        del own[column : column + 1]


@_of_cells
def index_column(rows, row, column, chance):
    for number, own in enumerate(rows):
        own.insert(0, str(number - 1) if number else "")


@_of_cells
def swap_columns(rows, row, column, chance):
    for own in rows[int(chance.integers(2)) :]:
        own[:2] = own[1::-1]


@_of_cells
def copy_cell(rows, row, column, chance):
    other = rows[int(chance.integers(len(rows)))]
    rows[row][column] = other[min(column, len(other) - 1)]


def delimiter(content, chance):
    return content.replace(b",", (b";", b"\t", b"|", b", ", b" , ")[chance.integers(5)])


CELLS = (cell, cell, cell, raw_cell, more_cells, fewer_cells, header, drop_column, index_column,
         swap_columns, copy_cell, delimiter)  # fmt: skip

# --- JSON, YAML, XML ------------------------------------------------------------------------------


def json_node(content, chance):
    """Another value in some place of a JSON text, or of one line of JSON lines."""
    lines, place = content.split(b"\n"), None
    try:
        value = json.loads(content)
    except (RecursionError, ValueError):
        places = [k for k, line in enumerate(lines) if line.strip()]
        try:
            place = int(chance.choice(places))
            value = json.loads(lines[place])
        except (RecursionError, ValueError):
            return None
    text = json.dumps(changed_node(value, chance)).encode()
    if place is None:
        return text
    lines[place] = text
    return b"\n".join(lines)


def changed_node(value, chance):
    """A value with one of its nodes changed, dropped or put twice."""
    nodes = [(None, None)]

    def collect(node):
        for key in node if isinstance(node, dict) else range(len(node)):
            nodes.append((node, key))
            if isinstance(node[key], dict | list):
                collect(node[key])

    if isinstance(value, dict | list):
        collect(value)
    node, key = nodes[int(chance.integers(len(nodes)))]
    new = JSON_VALUES[chance.integers(len(JSON_VALUES))]
    if node is None:
        return new if chance.integers(4) == 0 else value
    if chance.integers(5) == 0:
        del node[key]
    elif isinstance(node, list) and chance.integers(4) == 0:
        node.append(node[key])
    else:
        node[key] = new
    return value


def json_form(content, chance):
    """What a parser takes amiss."""
    deep = b"[" * 100_000 + b"]" * 100_000
    forms = (
        deep,
        content.replace(b": ", b': NaN, "x": ', 1),
        content.replace(b"{", b'{"clip": "a", "clip": "b", ', 1),
        re.sub(rb": *-?\d+", b": " + b"9" * 5000, content, count=1),
        re.sub(rb'"[a-z ]+"', b'"\\\\ud800"', content, count=1),
        content.replace(b'"', b"'"),
        content.replace(b"}", b",}", 1),
        b"// note\n" + content,
    )
    return forms[chance.integers(len(forms))]


JSON = (json_node, json_node, json_node, json_form)


def yaml_form(content, chance):
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n"
        for a, b in zip("abcdefg", "bcdefgh", strict=True)
    )
    marker = os.environ[MARKER]
    forms = (
        f"!!python/object/apply:os.system ['touch {marker}']".encode(),
        f"- !!python/object/apply:os.system ['touch {marker}']\n".encode() + content,
        f"__use_yte__: true\nx: ?open('{marker}', 'w')\n".encode() + content,
        bomb.encode(),
        b"? {a: b}\n: c\n",
        content.replace(b": ", b":\t", 1),
        content.replace(b"  ", b"\t", 1),
        content + b"\n- *unknown\n",
        content.replace(b":", b": !!binary ", 1),
        b"%YAML 9.9\n---\n" + content,
        content + b"\n---\n" + content,
        b"[" * 20_000,
        re.sub(rb": \S+", b": 2024-01-01", content, count=1),
        re.sub(rb": \d\S*", b": .nan", content, count=1),
        re.sub(rb": \d\S*", b": " + b"9" * 5000, content, count=1),
        re.sub(rb": \S+", b": {}", content, count=1 + int(chance.integers(9))),
        re.sub(rb": \S+", b": null", content, count=1 + int(chance.integers(9))),
    )
    return forms[chance.integers(len(forms))]


YAML = (yaml_form, yaml_form)


def xml_form(content, chance):
    bomb = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
    away = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    value = VALUES[chance.integers(len(VALUES))].encode("utf-8", "replace")
    forms = (
        bomb + re.sub(rb">\d+<", b">&b;<", content, count=1),
        away + re.sub(rb">\d+<", b">&a;<", content, count=1),
        b'<?xml version="1.0" encoding="utf-7"?>' + content,
        b'<?xml version="1.0" encoding="x"?>' + content,
        re.sub(rb">-?\d+<", b">" + value + b"<", content, count=1 + int(chance.integers(4))),
        re.sub(rb"<(\w+)>\d+</\1>", b"", content, count=1 + int(chance.integers(4))),
        b"<a>" * 5000 + b"</a>" * 5000,
        re.sub(rb"<xmax>\d+", b"<xmax>0", content),
    )
    return forms[chance.integers(len(forms))]


XML = (xml_form, xml_form, xml_form)

# --- binary files with a structure ----------------------------------------------------------------


def hdf5_node(content, chance):
    """Another data set or attribute in the place of one."""
    buffer = io.BytesIO(content)
    try:
        with h5py.File(buffer, "r+") as file:
            names = []
            file.visititems(lambda name, one: names.append(name))
            name = names[int(chance.integers(len(names)))]
            node = file[name]
            attributes = [
                *((file, key) for key in file.attrs),
                *((node, key) for key in node.attrs),
            ]
            if attributes and chance.integers(4) == 0:
                one, key = attributes[int(chance.integers(len(attributes)))]
                values = (
                    np.nan,
                    -1,
                    "x",
                    np.zeros(3),
                    b"\xff",
                    "{}",
                    "null",
                    h5py.Empty("f"),
                    1e30,
                )
                del one.attrs[key]
                if value_index := chance.integers(len(values) + 1):
                    one.attrs[key] = values[value_index - 1]
            elif isinstance(node, h5py.Dataset):
                value = _other_data(_array(node), chance)
                kept = dict(node.attrs)
                del file[name]
                if value is not None:
                    file[name] = value
                    if hasattr(file[name], "attrs") and isinstance(value, np.ndarray):
                        file[name].attrs.update(kept)
            else:
                del file[name]
    except Exception:  # the content was no longer HDF5
        return None
    return buffer.getvalue()


def _array(node):
    return node.asstr()[...].astype(object) if node.dtype.kind in "OS" else node[...]


def _other_data(value, chance):
    if value.dtype == object:
        text = h5py.string_dtype()
        forms = (
            np.arange(max(value.size, 1)),
            np.array([value.flat[0]] * value.size, text) if value.size else None,
            np.array([*value.ravel(), "more"], text),
            np.array(list(value.ravel())[:-1], text),
            np.array([b"\xff\xfe"] * value.size, "S2"),
            np.array([""] * value.size, text),
            np.array(["../x"] * value.size, text),
        )
        return forms[chance.integers(len(forms))]
    flat = value.astype(float).ravel()
    if flat.size:
        flat[chance.integers(flat.size)] = (np.nan, np.inf, -1, 1e9, 1e30, 0.5, -(2**31))[
            chance.integers(7)
        ]
    with np.errstate(all="ignore"):
        one = flat.reshape(value.shape)
        forms = (
            one,
            one,
            one.astype(value.dtype),
            one.astype(value.dtype),
            one.astype(np.int64),
            value[:-1] if value.ndim and len(value) else value,
            np.concatenate([value, value]) if value.ndim else value,
            value[None],
            value[..., :0] if value.ndim else value,
            value.reshape(-1) if value.ndim else value,
            np.full(value.shape, -1, np.int64),
            np.array("text", h5py.string_dtype()),
            value.astype(np.complex64),
            h5py.Empty(value.dtype),
            h5py.ExternalLink("elsewhere.h5", "/x"),
            h5py.SoftLink("/nowhere"),
        )
    return forms[chance.integers(len(forms))]


HDF5 = (hdf5_node,) * 6


def metadata(content, chance):
    """Another value in the metadata of a safetensors file."""
    try:
        with safetensors.safe_open(_saved(content), "pt") as file:
            about = json.loads((file.metadata() or {}).get("seewhy", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except Exception:
        return None
    if chance.integers(6) == 0:
        text = ("", "[]", "null", "{", "NaN", "[" * 9000)[chance.integers(6)]
    else:
        text = json.dumps(changed_node(about, chance))
    return safetensors.torch.save(tensors, {"seewhy": text})


def tensor(content, chance):
    """Another tensor in a safetensors file."""
    try:
        with safetensors.safe_open(_saved(content), "pt") as file:
            about = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except Exception:
        return None
    _change_tensor(tensors, chance)
    return safetensors.torch.save(tensors, about)


def _saved(content):
    path = os.environ[MARKER] + ".safetensors"
    with open(path, "wb") as file:
        file.write(content)
    return path


def _change_tensor(tensors, chance):
    name = list(tensors)[int(chance.integers(len(tensors)))]
    value = tensors.pop(name)
    kind = chance.integers(7)
    if kind == 0:
        tensors[name] = torch.full_like(value, float("nan")) if value.is_floating_point() else value
    elif kind == 1:
        tensors[name] = value[None].clone()
    elif kind == 2:
        tensors[f"module.{name}"] = value
    elif kind == 3:
        tensors[name] = value.to(torch.float16)
    elif kind == 4:
        tensors[name] = torch.zeros(0)
    elif kind == 5:
        tensors[name] = value.to(torch.int64)


SAFETENSORS = (metadata, metadata, metadata, tensor, tensor)


def pickled(content, chance):
    """Something else in a file of torch.save."""
    try:
        tensors = torch.load(io.BytesIO(content), weights_only=True)
    except Exception:
        return None
    if not isinstance(tensors, dict) or not all(map(torch.is_tensor, tensors.values())):
        return None  # changed before
    kind = chance.integers(10)
    if kind < 4:
        _change_tensor(tensors, chance)
    value = (
        *(tensors, tensors, tensors, tensors),
        {"state_dict": tensors, "epoch": 3},
        {"weight": Runs()},
        Runs(),
        [1, 2],
        {"weight": 1},
        torch.zeros(3),
    )[kind]
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=bool(chance.integers(2)))
    return buffer.getvalue()


PTH = (pickled,) * 4


def array_pickle(content, chance):
    """Something else in a pickle of tubes."""
    try:
        value = pickle.loads(content)
        video = value[list(value)[int(chance.integers(len(value)))]]
        tube = video["annotations"][0]
    except Exception:
        return None
    kind = chance.integers(12)
    numbers = (np.nan, -1, 10**12, "a", None, np.zeros(3), np.inf, 2.5, [])
    if kind == 0:
        value = Runs()
    elif kind == 1:
        video["numf"] = numbers[chance.integers(len(numbers))]
    elif kind < 5:
        key = ("label", "sf", "ef")[chance.integers(3)]
        tube[key] = numbers[chance.integers(len(numbers))]
    elif kind == 5:
        del video[("numf", "annotations")[chance.integers(2)]]
    elif kind == 6:
        tube["boxes"] = tube["boxes"].astype(float)
        tube["boxes"][0] = (np.nan, -1, 0, 1e30)[chance.integers(4)]
    elif kind == 7:
        tube["boxes"] = (tube["boxes"][:-1], tube["boxes"].astype(str), None, [])[
            chance.integers(4)
        ]
    elif kind == 8:
        value = [value, None, {1: 2}, {"a/b": 3}, np.zeros(4)][chance.integers(5)]
    elif kind == 9:
        video["annotations"] = (None, 3, [None], {}, "x")[chance.integers(5)]
    elif kind == 10:
        video = np.zeros(3)
        value[next(iter(value))] = video
    else:
        tube["boxes"] = tube["boxes"].astype(object)
    return pickle.dumps(value, protocol=int(chance.integers(5)))


PICKLE = (array_pickle,) * 4

# --- pictures and videos --------------------------------------------------------------------------

_BOXES = re.compile(
    rb"moov|mvhd|trak|tkhd|edts|elst|mdhd|stbl|stsd|stts|stsc|stsz|stco|mdat|mp4v|esds"
    rb"|RIFF|LIST|avih|strh|strf|strl|movi|idx1|00dc|VP8[ LX]|EXIF|ANIM|ANMF"
    rb"|IHDR|PLTE|tRNS|IDAT|eXIf|acTL|fcTL|fdAT|IEND"
)
_LENGTHS = (0, 1, 7, 255, 0x7FFF, 0xFFFF, 0xFFFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def length(content, chance):
    """Another number before or behind the name of a box or chunk: its length, or a field."""
    places = [found.start() for found in _BOXES.finditer(content)]
    if not places:
        return None
    place = places[int(chance.integers(len(places)))]
    first = int(place + (-4, 4, 8, 12)[chance.integers(4)])
    return _numbered(content, first, 4, chance)


def number(content, chance):
    """Another number of two or four bytes in the first part of a file, where headers are."""
    width = (2, 4)[chance.integers(2)]
    return _numbered(content, int(chance.integers(max(1, min(len(content), 120)))), width, chance)


def _numbered(content, first, width, chance):
    if not 0 <= first <= len(content) - width:
        return None
    order = ("big", "little")[chance.integers(2)]
    old = int.from_bytes(content[first : first + width], order)
    values = (*_LENGTHS, old + 1, old - 1, old * 2, old // 2)
    new = int(values[chance.integers(len(values))]) % (1 << 8 * width)
    return content[:first] + new.to_bytes(width, order) + content[first + width :]


def png_chunk(content, chance):
    """Another byte or number in a chunk of a PNG, or it twice, or gone; its sum is right."""
    place, chunks = 8, []
    while content.startswith(b"\x89PNG") and place + 12 <= len(content):
        (size,) = struct.unpack_from(">I", content, place)
        chunks.append([content[place + 4 : place + 8], content[place + 8 : place + 8 + size]])
        place += 12 + size
    if not chunks:
        return None
    which = int(chance.integers(len(chunks)))
    name, data = chunks[which]
    kind = chance.integers(5)
    if kind == 0:
        del chunks[which]
    elif kind == 1:
        chunks.insert(int(chance.integers(len(chunks) + 1)), chunks[which])
    else:
        ways = (
            (flip, zeros, cut)
            if kind < 4
            else (lambda data, chance: _numbered(data, 0, 4, chance),)
        )
        chunks[which] = [name, ways[int(chance.integers(len(ways)))](data, chance) or b""]
    whole = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    return content[:8] + b"".join(whole)


def segment(content, chance):
    """Another length of a segment of a JPEG, or a byte of its EXIF."""
    places = [found.start() for found in re.finditer(rb"\xff[\xc0-\xfe]", content)]
    if not content.startswith(b"\xff\xd8") or not places:
        return None
    if (exif := content.find(b"Exif\0\0")) > 0 and chance.integers(2):
        return _numbered(content, exif + 6 + int(chance.integers(24)), 2, chance)
    return _numbered(content, places[int(chance.integers(len(places)))] + 2, 2, chance)


VIDEO = (length, length, length, number)

OF_FORMAT = {
    ".mp4": VIDEO,
    ".avi": VIDEO,
    ".mpg": (number,),
    ".gif": (number,),
    ".tif": (number,),
    ".webp": (length, number),
    ".png": (length, png_chunk, png_chunk, png_chunk),
    ".jpg": (segment, segment, number),
    ".csv": (*LINES, *CELLS, *CELLS),
    ".txt": LINES,
    "": LINES,
    ".json": (*LINES, *JSON, *JSON),
    ".jsonl": (*LINES, *JSON, *JSON),
    ".yaml": (*LINES, *YAML, *YAML, *YAML),
    ".xml": (*LINES, *XML),
    ".h5": HDF5,
    ".safetensors": SAFETENSORS,
    ".pth": PTH,
    ".pkl": PICKLE,
}

# --- what lies in a file's place ------------------------------------------------------------------


def gone(path):
    path.unlink()


def folder(path):
    path.unlink()
    path.mkdir()


def pipe(path):
    path.unlink()
    os.mkfifo(path)


def dangling(path):
    path.unlink()
    path.symlink_to("/nowhere/.dvc/cache/files/md5/00/11")


def loop(path):
    path.unlink()
    path.symlink_to(path.name)


def linked(path):
    """A whole file behind a link: it must be read as ever."""
    real = path.with_name(f"real-{path.name}")
    path.rename(real)
    path.symlink_to(real.name)


PLACES = (gone, folder, pipe, dangling, loop, linked)
