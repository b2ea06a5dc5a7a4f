"""Figures of dissections: masks that were counted, one image a clip, equal files, errors."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

from seewhy.dissection.concepts import ConceptSet, ConceptWriter
from seewhy.dissection.dissect import How, dissect_layer
from seewhy.dissection.figures import _SLOTS, _wrapped, draw_blocks, draw_histogram, in_order, looks
from seewhy.dissection.sets import Combined, Shuffled
from seewhy.dissection.strips import lit
from seewhy.dissection.tables import relabelled
from seewhy.dissection.tally import tally
from seewhy.dissection.unit_figures import draw_relabelled, draw_shared_action, draw_units
from seewhy.dissection.units import Dissected, top_images, unit_masks, upsampled
from seewhy.dissection.upsampling import Field, axis
from seewhy.errors import InputError

H, W = 32, 40  # of images; masks have half of each
COLOURS = {"ball": (220, 20, 20), "leaf": (20, 200, 20), "cup": (20, 20, 220)}
VERBS = {"throwing": "ball", "watering": "leaf", "drinking": "cup"}
HOW = How(level=0.97, batch=8, nulls=2, groups=4, top=12)


def prepare(images):
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255


def write(folder, category, names, seed, sloppy):
    """Three images a clip, a coloured square each; masks are `sloppy` pixels too far to the left"""
    rng = np.random.default_rng(seed)
    with ConceptWriter(folder, {category: names}) as writer:
        for i in range(24):
            kind = i // 3 % 3
            image = rng.integers(90, 110, (H, W, 3), np.uint8)
            y, x = rng.integers(0, H - 12), rng.integers(8, W - 12)
            image[y : y + 12, x : x + 12] = COLOURS[list(COLOURS)[kind]]
            mask = np.zeros((1, H // 2, W // 2), int)
            left = max(0, x // 2 - sloppy)
            mask[0, y // 2 : y // 2 + 6, left : left + 6] = kind + 1
            writer.add(
                f"{category}/{i}", image, masks={category: mask}, group=f"{category} {i // 3}"
            )
    return ConceptSet(folder)


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """Without actions, with them, with their names dealt anew; units 1 to 6 fire at colours, 7
    never does.
    """
    folder = tmp_path_factory.mktemp("sets")
    objects = write(folder / "objects", "object", list(COLOURS), 0, 3)
    actions = write(folder / "actions", "action", list(VERBS), 1, 0)
    both = Combined([objects, actions])
    conv = nn.Conv2d(3, 7, 1)
    with torch.no_grad():
        weight = 1.5 * torch.eye(3) - 0.5
        conv.weight.copy_(torch.cat([weight, 0.7 * weight**3, torch.zeros(1, 3)])[..., None, None])
        conv.bias.zero_()
    network = nn.Sequential(nn.AvgPool2d(4), conv)
    return [
        Dissected(network, prepare, concepts, dissect_layer(network, "1", concepts, how=HOW))
        for concepts in (objects, both, Shuffled(both, "action"))
    ]


@pytest.mark.parametrize("way", ["lite", "netdissect"])
def test_upsampling_is_the_counters(way):
    cells = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
    field = Field(-3, 17, 8) if way == "netdissect" else None
    down, across = (axis(n, m, way=way, field=field, image=2 * m) for n, m in ((4, 16), (5, 21)))
    value = upsampled(cells, down, across)
    for y in range(16):
        for x in range(21):
            (i, j), (k, m) = (down.low[y], down.high[y]), (across.low[x], across.high[x])
            a, b, c, d = (float(cells[r, q]) for r in (i, j) for q in (k, m))
            above = a + across.share[x] * (b - a)
            point = above + down.share[y] * (c + across.share[x] * (d - c) - above)
            assert value[y, x] == min(max(point, min(a, b, c, d)), max(a, b, c, d))
    np.testing.assert_allclose(value, down.matrix @ cells @ across.matrix.T, atol=1e-12)


def test_masks_are_those_that_were_counted(seen):
    for one in seen[:2]:
        found, concepts = one.found, one.concepts
        everything = range(len(concepts))
        for unit in range(1, found.units + 1):
            maps = unit_masks(one, unit, everything)
            assert (
                sum(int(m.fires.sum()) for m in maps) == found.counts.fired_all[:, unit - 1].sum()
            )
            for number in range(1, len(found.names)):
                both = sum(
                    int((m.fires & (concepts.labels(i).planes == number).any(0)).sum())
                    for i, m in enumerate(maps)
                )
                assert both == found.counts.both[:, unit - 1, number].sum()
            assert {m.activation.shape for m in maps} == {(H // 2, W // 2)}


def test_the_network_stays_as_it_was(seen):
    network = seen[0].network
    network.train()
    network[1].eval()
    unit_masks(seen[0], 1, [0])
    assert [module.training for module in network.modules()] == [True, True, False]
    assert not network[1]._forward_hooks
    network.eval()


def test_of_a_clip_one_image_is_shown(seen):
    one = seen[1]
    for unit in range(1, 8):
        found, expected, groups = one.found, [], []
        for image, value in zip(found.top[unit - 1], found.top_value[unit - 1], strict=True):
            group = one.concepts.groups[image]
            if value > found.thresholds[unit - 1] and group not in groups and len(groups) < 3:
                expected.append(image)
                groups.append(group)
        assert top_images(one, unit, 3) == expected
        assert len(expected) == (3 if unit < 7 else 0)


def test_lit_is_bright_where_the_unit_fires_and_keeps_its_form():
    image = np.full((20, 40, 3), 200, np.uint8)
    fires = np.zeros((10, 20), bool)
    fires[3:8, 5:15] = True
    picture = lit(image, fires, (80, 80))
    assert picture.shape == (80, 80, 3)
    assert (picture[:20] == 255).all()  # a broad image lies in the middle of a white square
    assert (picture[60:] == 255).all()
    assert (picture[42, 40] == 200).all()
    assert (picture[22, 2] == 80).all()
    assert (picture[42, 20] == 255).all()  # the first column that fires: the outline's inside
    assert (picture[42, 19] == 0).all()
    every = lit(image, np.ones((10, 20), bool), (40, 80))
    assert (every == 200).all()


def draw_all(seen, folder):
    before, after, shuffled = seen
    table = relabelled(before.found, after.found, shuffled.found, threshold=0.04)
    assert len(table) >= 3
    named = tally(after.found)
    draw_histogram(folder / "histogram.png", named, title="conv")
    draw_histogram(folder / "none.png", named, 0.99)
    draw_blocks(folder / "blocks.png", blocks_table())
    draw_blocks(folder / "empty.png", blocks_table().assign(units=0))
    draw_units(folder / "units.png", after)
    draw_units(folder / "page.png", after, units=2, page=2, threshold=0, images=4)
    draw_units(folder / "nobody.png", after, threshold=0.99)
    draw_shared_action(folder / "shared.png", after)
    draw_shared_action(folder / "given.png", after, actions=["drinking"], threshold=0.99)
    draw_shared_action(folder / "alone.png", after, threshold=0.99)
    draw_relabelled(folder / "relabelled.png", before, after, table)
    draw_relabelled(folder / "one.png", before, after, table, units=[int(table["unit"][1])])
    draw_relabelled(folder / "same.png", before, after, table.iloc[:0])


def test_figures_are_written_and_equal_input_gives_equal_files(seen, tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        draw_all(seen, tmp_path / name)
    first, second = (sorted((tmp_path / name).iterdir()) for name in "ab")
    assert len(first) == 13
    for a, b in zip(first, second, strict=True):
        assert a.read_bytes() == b.read_bytes(), a.name
        with Image.open(a) as picture:
            assert picture.width == 1440
            assert np.asarray(picture.convert("L")).std() > 2  # something is drawn


def test_bars_are_wrapped_whole_and_in_order():
    for sizes in ({"object": 17, "scene": 1, "action": 141}, {"part": 1}, {"object": 400}):
        rows, places = _wrapped(sizes)
        pieces = [piece for row in rows for piece in row]
        for name, size in sizes.items():
            mine = [piece for piece in pieces if piece.category == name]
            bars = [k for piece in mine for k in range(piece.first, piece.last)]
            assert bars == list(range(size))
        assert places <= _SLOTS
        for row in rows:
            ends = [piece.left + piece.width for piece in row]
            assert max(ends) <= places
            assert all(e < p.left for e, p in zip(ends, row[1:], strict=False))
    assert in_order(["verb", "color", "action", "object"]) == ["object", "color", "action", "verb"]
    look = looks([*"abcdefghij", "object", "action", "scene"])
    assert len({(one["facecolor"], one["hatch"]) for one in look.values()}) == len(look)


def blocks_table():
    rows = [
        (network, layer, threshold, iou, category, units, units - 1, units + 1, total)
        for network in ("net", "random-net")
        for threshold, iou in (("0.04", 0.04), ("5% by chance", 0.061))
        for layer, total in (("block1", 8), ("block2", 16))
        for category, units in (("object", 2), ("action", 3), ("part", 0))
    ]
    return pd.DataFrame(
        rows,
        columns=["network", "layer", "threshold", "IoU", "category", "units", "units low",
                 "units high", "total"],
    )  # fmt: skip


def test_blocks_that_make_no_sense_are_refused(tmp_path):
    table = blocks_table()
    for wrong, message in [
        (table.drop(columns="total"), "has no column total"),
        (table.iloc[:0], "has no rows"),
        (pd.concat([table, table.iloc[:1]]), "two rows of net, 0.04, block1, object; keep one"),
        (table.assign(units=20), "net, block1: 20 units of 8; give units from 0 to total"),
    ]:
        with pytest.raises(InputError, match=message):
            draw_blocks(tmp_path / "a.png", wrong)
    assert not list(tmp_path.iterdir())


def test_requests_that_cannot_be_met(seen, tmp_path):
    before, after, shuffled = seen
    table = relabelled(before.found, after.found, shuffled.found, threshold=0.04)
    path = tmp_path / "a.png"
    with pytest.raises(InputError, match="there is no action 'trowing'; near it: throwing"):
        draw_shared_action(path, after, actions=["trowing"])
    with pytest.raises(InputError, match="no category 'action'; there are object"):
        draw_shared_action(path, before)
    with pytest.raises(InputError, match="page 3: 7 named units fill 2"):
        draw_units(path, after, threshold=0, units=4, page=3)
    with pytest.raises(InputError, match="images 0 must be a whole number, 1 or more"):
        draw_units(path, after, images=0)
    with pytest.raises(InputError, match="99 did not change their name; these did: "):
        draw_relabelled(path, before, after, table, units=[99])
    with pytest.raises(InputError, match="give one layer with two concept sets"):
        other = replace(after.found, about={**after.found.about, "layer": "0"})
        draw_relabelled(path, before, replace(after, found=other), table)
    with pytest.raises(InputError, match="there is no unit 0; 1 has 1 to 7"):
        unit_masks(after, 0, [0])
    with pytest.raises(InputError, match="there is no image 48; the concept set has 0 to 47"):
        unit_masks(after, 1, [48])
    with pytest.raises(InputError, match="is of 48 images with 7 labels, the concept set has 24"):
        replace(after, concepts=before.concepts)
    assert not list(tmp_path.iterdir())
