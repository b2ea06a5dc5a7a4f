"""The head of Broden's real index.csv: its cells are parsed as they are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from seewhy.dissection.concepts import ConceptSet
from seewhy.dissection.counting import list_labels

CATEGORIES = ["color", "object", "part", "material", "scene", "texture"]


@pytest.fixture
def broden(shared_data, tmp_path):
    """The real index with label tables and masks made up: Broden's images cannot be had here."""
    index = shared_data / "dissection/broden_index_ade20k_head.csv"
    if not index.exists():
        pytest.skip(f"no {index}")
    (tmp_path / "index.csv").write_bytes(index.read_bytes())
    numbers = range(1, 1198)  # as many labels as Broden has
    names = pd.DataFrame({"number": numbers, "name": [f"name{k}" for k in numbers]})
    names.assign(category="scene(1)").to_csv(tmp_path / "label.csv", index=False)
    pd.DataFrame({"name": CATEGORIES}).to_csv(tmp_path / "category.csv", index=False)
    return tmp_path


def test_every_cell_is_a_mask_or_a_number(broden):
    table = pd.read_csv(broden / "index.csv", dtype=str, keep_default_na=False)
    masks = {name for cells in table[CATEGORIES].to_numpy().ravel() for name in cells.split(";")
             if name.endswith(".png")}  # fmt: skip
    for k, name in enumerate(sorted(masks)):
        path = broden / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        mask = np.zeros((112, 112, 3), np.uint8)
        label = 1 + k % 1197
        mask[10:20, 5:50] = label % 256, label // 256, 0
        Image.fromarray(mask).save(path, compress_level=1)
    for name in table["image"]:
        (broden / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (2, 2)).save(broden / "images" / name)
    concepts = ConceptSet(broden)
    assert len(concepts) == len(table) == 299
    assert concepts.categories == CATEGORIES
    assert {concepts.mask_size(i) for i in range(299)} == {(112, 112)}
    assert concepts.groups.tolist() == list(range(299))
    number = {name: 1 + k % 1197 for k, name in enumerate(sorted(masks))}
    several = without = 0
    for i, row in enumerate(table[CATEGORIES].to_numpy()):
        cells = [cell for cells in row for cell in cells.split(";") if cell]
        planes = [number[cell] for cell in cells if cell.endswith(".png")]
        whole = [int(cell) for cell in cells if not cell.endswith(".png")]
        labels = concepts.labels(i)
        assert labels.planes[:, 10, 5].tolist() == planes
        assert labels.whole == tuple(whole)
        listed = list_labels(labels, len(concepts.names))
        assert listed.whole.tolist() == [w for w in whole if w]
        assert listed.truth[0] == 0
        several += len(planes) > 3
        without += 0 in whole
    assert several > 50  # parts of parts
    assert without > 5  # scenes that have no name are 0: no label
