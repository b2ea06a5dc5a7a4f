"""Attributes of the real CUB captions (Reed et al. 2016), half of the classes."""

from pathlib import Path

import numpy as np
import pytest

from seewhy.text.attribute_mining import mine_attributes
from seewhy.text.attributes import extract_attributes
from seewhy.text.sentences import sentence

CAPTIONS = Path(__file__).parents[3] / "shared" / "data" / "cub" / "text_c10"
pytestmark = pytest.mark.skipif(not CAPTIONS.is_dir(), reason=f"no CUB captions in {CAPTIONS}")


@pytest.fixture(scope="module")
def captions() -> dict[str, list[str]]:
    files = sorted(CAPTIONS.glob("*/*.txt"))
    return {
        f"{path.parent.name}/{path.stem}": [
            line for line in path.read_text().splitlines() if line.strip()
        ]
        for path in files
    }


def test_the_default_attributes(captions, tmp_path):
    # Every second image trains, as half of CUB does.
    split_of = {image: ("train", "test")[i % 2] for i, image in enumerate(captions)}
    found = mine_attributes(
        captions,
        split_of=split_of,
        attributes_path=tmp_path / "attributes.h5",
        table_path=tmp_path / "attributes.csv",
        figure_path=tmp_path / "attributes.png",
        tagger="textblob",
        captions_per_image=5,  # half of them, for speed
    )
    assert found.counts.shape == (5864, len(found))
    assert 650 < len(found) < 900
    assert found.support.min() >= 5
    top = found.names[:25]
    assert {"pointed bill", "black wings", "white belly", "brown bird", "grey wings"} <= set(top)
    assert not {"pointy bill", "black beak", "gray wings", "this bird"} & set(found.names)
    for image, attribute in [
        ("017.Cardinal", "red crown"),
        ("012.Yellow_headed_Blackbird", "yellow head"),
        ("014.Indigo_Bunting", "blue bird"),
        ("006.Least_Auklet", "orange bill"),
        ("019.Gray_Catbird", "grey bird"),
    ]:
        of_class = np.array([name.startswith(image) for name in found.images])
        share = found.presence[of_class][:, found.index(attribute)].mean()
        other = found.presence[~of_class][:, found.index(attribute)].mean()
        assert share > 0.25, attribute
        assert share > 2 * other, attribute
    # Held-out images say what the fitted ones said.
    said = np.asarray(found.presence.sum(1)).ravel()
    assert said[~found.fitted].mean() == pytest.approx(said[found.fitted].mean(), rel=0.05)
    assert 10 < said.mean() < 20
    # The rare things that captions say of one class make a sentence of it.
    cardinals = np.array([name.startswith("017.Cardinal") for name in found.images])
    weights = np.asarray(found.counts[cardinals].sum(0)).ravel() * found.idf
    best = [found.phrases[j] for j in np.argsort(-weights)[:5]]
    assert "red" in sentence("017.Cardinal", best)


def test_the_papers_attributes(captions):
    found = extract_attributes(captions, preset="paper", tagger="textblob")
    # Half of the classes; by Heaps' law all of them have about 1.5 times as many (9,649 published).
    assert 5000 < len(found) < 6500
    assert found.fitted.all()
    assert found.names[0] == "small bird"
    assert {"white belly", "black beak", "black bill", "long bill"} <= set(found.names[:12])
    # Of the paper: "small bird" tells less than "orange beak".
    idf = found.idf
    assert idf[found.index("small bird")] < idf[found.index("orange beak")]
