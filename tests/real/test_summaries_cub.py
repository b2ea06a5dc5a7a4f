"""Real birds and captions of four classes of CUB-200-2011: from fine-tuning to sentences."""

import numpy as np
import pandas as pd
import pytest
import torch

from seewhy.backbones.torchvision_import import import_torchvision
from seewhy.corpora.importing import import_corpus
from seewhy.dissection.networks import Scaling
from seewhy.dissection.run import open_model
from seewhy.dissection.train import LABEL, Schedule, train_network
from seewhy.summaries.activations import read_activations
from seewhy.summaries.contrast import contrast_classes
from seewhy.summaries.images import crop_images
from seewhy.summaries.study import open_study
from seewhy.summaries.tables import score_summaries, write_filters
from seewhy.text.attribute_mining import mine_attributes

SPLITS = "train", "val", "test"
MODEL = {
    "name": "resnet18", "weights": None, "size": None, "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225], "layer": "layer4", "linear": "fc",
}  # fmt: skip


@pytest.fixture(scope="module")
def study(shared_data, tmp_path_factory):
    source = shared_data / "cub"
    for path in (source / "CUB_200_2011/images.txt", source / "text_c10"):
        if not path.exists():
            pytest.skip(f"no {path}")
    folder = tmp_path_factory.mktemp("cub")
    import_corpus("cub200", source, folder / "corpus", classes=4, val_share=0.15, seed=0)
    for split in SPLITS:
        crop_images(folder / "corpus", split, folder / f"{split}.h5", size=64)
    scaling = Scaling(None, MODEL["mean"], MODEL["std"])
    torch.manual_seed(0)
    torch.save(import_torchvision().models.resnet18().state_dict(), folder / "first.pth")
    train_network(
        folder / "net.safetensors", folder / "net.json", folder / "net.csv",
        train=folder / "train.h5", val=folder / "val.h5", base="resnet18",
        weights=folder / "first.pth", scaling=scaling, target=LABEL,
        schedule=Schedule(steps=40, batch=16, rate=1e-3), setting="summaries.network",
    )  # fmt: skip
    mine_attributes(
        folder / "corpus", attributes_path=folder / "a.h5", table_path=folder / "a.csv",
        figure_path=folder / "a.png", tagger="textblob",
    )  # fmt: skip
    opened = open_model(folder / "net.safetensors", MODEL)
    for split in SPLITS:
        read_activations(
            opened.network, folder / f"{split}.h5", folder / f"{split}.act.h5",
            layer="layer4", linear="fc", prepare=opened.prepare, classes=opened.classes,
        )  # fmt: skip
    for preset in ("paper", "joint"):
        write_filters(folder / f"{preset}.h5", preset, crops=folder / "train.h5",
                      activations=folder / "train.act.h5", attributes=folder / "a.h5")  # fmt: skip
    return open_study(
        corpus=folder / "corpus",
        crops=[folder / f"{split}.h5" for split in SPLITS],
        activations=[folder / f"{split}.act.h5" for split in SPLITS],
        attributes=folder / "a.h5",
        filters=[folder / "paper.h5", folder / "joint.h5"],
        weights=folder / "net.safetensors",
        model=MODEL,
    )


def test_everything_runs_from_fine_tuning_to_sentences(study, tmp_path):
    names = ("table1", "table2", "table3", "sentences", "classes", "triage", "evidence", "failures")
    score_summaries(
        {name: tmp_path / f"{name}.csv" for name in names}, study, faults=None, top=20,
        evaluation={"resamples": 50, "confidence": 0.95, "seed": 0},
    )  # fmt: skip
    tables = {name: pd.read_csv(tmp_path / f"{name}.csv") for name in names}
    assert tables["sentences"]["sentence"].str.contains("Albatross|Ani").all()
    assert len(tables["sentences"]) == 2 * len(study.test.names)
    assert len(tables["classes"]) == 2 * 4
    pck = tables["table1"].set_index("row")["PCK@0.2"]
    assert 0 < pck["joint"] < 1
    assert len(tables["failures"]) == (~study.test.right).sum()


def test_a_contrast_of_real_birds_sums_to_its_margin(study):
    test = study.test
    (held,) = contrast_classes(
        test.found.phi[:1], test.found.weight, test.found.bias,
        study.tables["joint"].distributions(), study.tables["joint"].names, 0, 3,
        classes=test.classes,
    )  # fmt: skip
    margin = test.found.logits[0, 0] - test.found.logits[0, 3]
    np.testing.assert_allclose(held.total, margin, atol=1e-3)
