"""Concept sets whose images are of many sizes are those of one, scaled when they are read."""

import logging

import numpy as np
import pytest
import torch
from PIL import Image
from still_layouts import broden
from torch import nn

from seewhy.dissection.concepts import ConceptSet, ConceptWriter
from seewhy.dissection.dissect import How, dissect_layer
from seewhy.dissection.networks import Scaling
from seewhy.dissection.run import open_sets
from seewhy.dissection.sets import Combined, OneSize, Shuffled, looks_of, of_one_size
from seewhy.dissection.tally import read_tally, tally, write_tally
from seewhy.errors import InputError

HOW = How(batch=6, nulls=2, groups=3, top=4, level=0.8)


class Units(nn.Module):
    """Units that are the channels, at half the resolution."""

    def __init__(self):
        super().__init__()
        self.units = nn.AvgPool2d(2)
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return self.units(x).mean((2, 3))


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sizes")
    broden(folder / "many", images=15, sizes=True)
    broden(folder / "one", images=9)
    return folder


def scaled_by_hand(folder, concepts, image, mask):
    """The same set on disk, its images scaled by Pillow and its masks by a literal loop."""
    names = {
        category: [n for n, k in zip(concepts.names, concepts.category, strict=True) if k == c]
        for c, category in enumerate(concepts.categories)
    }
    place = {n: k for group in names.values() for k, n in enumerate(group, 1)}
    with ConceptWriter(folder, names) as writer:
        for i in range(len(concepts)):
            picture = Image.fromarray(concepts.image(i)).resize(
                image[::-1], Image.Resampling.BILINEAR
            )
            labels = concepts.labels(i)
            h, w = labels.planes.shape[1:]
            planes = np.zeros((len(labels.planes), *mask), int)
            for k, y, x in np.ndindex(planes.shape):
                at = labels.planes[k, int((y + 0.5) * h / mask[0]), int((x + 0.5) * w / mask[1])]
                planes[k, y, x] = place[concepts.names[at]] if at else 0
            whole = [concepts.names[k] for k in labels.whole]
            writer.add(f"{i}", np.asarray(picture), masks={"color": planes},
                       whole={"scene": whole})  # fmt: skip
    return ConceptSet(folder)


@pytest.mark.parametrize("side", [None, 24])
def test_a_dissection_is_that_of_the_set_scaled_by_hand(sets, tmp_path, side, caplog):
    caplog.set_level(logging.INFO)
    many = ConceptSet(sets / "many")
    sizes = [many.image_size(i) for i in range(len(many))]
    most = max(set(sizes), key=lambda size: (sizes.count(size), size))
    assert all(many.image(i).shape[:2] == size for i, size in enumerate(sizes))
    found = dissect_layer(Units(), "units", many, how=HOW, prepare=Scaling(side))
    image = (side, side) if side else most
    hand = scaled_by_hand(tmp_path / "hand", many, image, most)
    expected = dissect_layer(Units(), "units", hand, how=HOW, prepare=Scaling(side))
    np.testing.assert_array_equal(found.thresholds, expected.thresholds)
    np.testing.assert_array_equal(found.scores(), expected.scores())
    np.testing.assert_array_equal(found.null, expected.null)
    assert (found.null > 0).any()
    assert f"are scaled to {image[0]} x {image[1]} pixels" in caplog.text


def test_a_set_of_one_size_is_left_as_it_is(sets):
    one = ConceptSet(sets / "one")
    assert of_one_size(one, side=24) is one
    assert isinstance(open_sets([sets / "one"], "broden", side=24), ConceptSet)


def test_two_sets_of_different_sizes_are_one_of_one_size(sets):
    both = open_sets([sets / "one", sets / "many"], "combined")
    assert isinstance(both, OneSize)
    assert both.image(0).shape == both.image(20).shape == (32, 32, 3)
    assert both.labels(3).planes.shape == both.labels(20).planes.shape == (1, 32, 32)
    assert {both.mask_size(i) for i in range(len(both))} == {(32, 32)}
    alone = Combined([ConceptSet(sets / "one"), ConceptSet(sets / "many")])
    np.testing.assert_array_equal(both.image(0), alone.image(0))
    assert both.labels(20).whole == alone.labels(20).whole
    mixed = Shuffled(both, "color", seed=1)
    assert mixed.image_size(20) == (32, 32)
    dissect_layer(Units(), "units", mixed, how=HOW)


def test_sizes_that_index_csv_does_not_tell_are_refused_by_what_to_mend(sets, tmp_path):
    broden(tmp_path / "set", images=9)
    image = tmp_path / "set/images/some/4.png"
    Image.open(image).resize((40, 20)).save(image)
    line = r"where the set says one; give their true height and width as ih and iw in index\.csv"
    with pytest.raises(InputError, match=line):
        dissect_layer(Units(), "units", ConceptSet(tmp_path / "set"), how=HOW)


def test_a_tally_is_written_of_a_dissection_too(sets, tmp_path):
    found = dissect_layer(Units(), "units", ConceptSet(sets / "one"), how=HOW)
    write_tally(tmp_path / "a.csv", found)
    write_tally(tmp_path / "b.csv", tally(found))
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert len(read_tally(tmp_path / "a.csv")) == 3


def test_a_scaled_set_shows_that_a_file_of_it_was_edited_and_its_sizes(tmp_path):
    broden(tmp_path, images=9, sizes=True)
    concepts = ConceptSet(tmp_path)
    scaled = OneSize(concepts, image=(8, 8), mask=(4, 4))
    before = looks_of(scaled)
    assert looks_of(OneSize(concepts, image=(8, 8), mask=(4, 4))) == before
    assert looks_of(OneSize(concepts, image=(8, 6), mask=(4, 4))) != before
    picture = tmp_path / "images" / concepts.images[-1]
    content = picture.read_bytes()
    picture.unlink()
    picture.write_bytes(content)
    assert looks_of(scaled) != before
