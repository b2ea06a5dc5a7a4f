"""What is asked, where it is to be seen, and how maps are held against it."""

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from seewhy.corpora.importing import import_corpus
from seewhy.corpora.truth import Truth
from seewhy.errors import InputError
from seewhy.frames import sample_frames
from seewhy.grounding.benchmark import tabulate_benchmark, two_actors
from seewhy.grounding.checkpoint import load_action_network, save_action_network
from seewhy.grounding.clips import ClipFile, label_matrix, labelled
from seewhy.grounding.grounded import MEASURES, ground_clips, score_maps
from seewhy.grounding.items import Scenery, items_of
from seewhy.grounding.networks import ActionNetwork, VGGShape, vgg_action_network
from seewhy.grounding.pointing_table import TABLE1, read_scores, tabulate_pointing
from seewhy.grounding.probes import CURVES, LIKE, probe_method
from seewhy.grounding.strips import draw_strips
from seewhy.worlds.puppets import render_clips

ACTIONS = ("walk", "wave", "sit", "kick", "fall", "get up")
STEPS = 4
SHAPE = VGGShape(groups=((4,), (6,), (8,)), linear=(16,), size=64)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A small world, its corpus, frames of its test clips, and untrained networks."""
    folder = tmp_path_factory.mktemp("grounding")
    counts = {"train": 4, "val": 1, "test": 24}
    render_clips(folder / "world", seed=1, clips=counts, frames=16, actions=ACTIONS)
    import_corpus("puppets", folder / "world", folder / "corpus")
    for split in ("train", "test"):
        sample_frames(
            folder / "corpus", folder / f"{split}.h5", folder / "report.csv", split=split, n=8
        )
    torch.manual_seed(0)
    lrcn = vgg_action_network(SHAPE, sorted(ACTIONS), hidden=12, lags=(1,))
    head = torch.nn.Linear(16, len(ACTIONS))
    cnn = ActionNetwork(lrcn.cnn, head, classes=lrcn.classes, size=64, scale="-1..1")
    save_action_network(folder / "lrcn.safetensors", lrcn, SHAPE)
    save_action_network(folder / "cnn.safetensors", cnn, SHAPE)
    return folder


@pytest.fixture(scope="module")
def inputs(world):
    return {
        "cnn": world / "cnn.safetensors", "lrcn": world / "lrcn.safetensors",
        "corpus": world / "corpus", "frames": world / "test.h5",
    }  # fmt: skip


@pytest.fixture(scope="module")
def items(world):
    return items_of(world / "corpus", ClipFile(world / "test.h5"), ACTIONS)


def test_a_world_has_only_the_actions_that_were_asked_for(world):
    labels = pd.read_csv(world / "corpus/labels.csv")
    assert set(labels.loc[labels["kind"] == "action", "label"]) <= set(ACTIONS)
    with pytest.raises(InputError, match="action 'sneeze' is not one of walk"):
        render_clips(world / "none", seed=0, actions=["sneeze"])


def test_a_clip_with_two_actors_is_two_items_and_each_the_others_partner(items):
    pairs = items[items["partner"] > 0]
    assert len(pairs) >= 2
    for _, rows in pairs.groupby("clip"):
        assert rows["instance"].tolist() == rows["partner"].tolist()[::-1]
        assert rows["action"].nunique() == 2
    single = items[~items["clip"].isin(pairs["clip"])]
    assert (single["partner"] == 0).all()
    assert not items.duplicated(["clip", "instance", "action"]).any()


def test_regions_are_those_of_the_frames_that_are_read(world, items):
    file = ClipFile(world / "test.h5")
    with Scenery(world / "corpus", file, STEPS) as scenery, Truth(world / "world") as truth:
        for k in range(len(items)):
            item = items.iloc[k]
            # 4 of 8 kept of 16: the odd ones of those at 1, 3, … 15
            frames = scenery.frames(item["row"])
            assert frames.tolist() == [3, 7, 11, 15]
            regions = scenery.regions(item)
            during = (frames >= item["start"]) & (frames < item["end"])
            assert regions.during.tolist() == during.tolist()
            instances = truth.masks(item["clip"], "instance")[0][frames] * during[:, None, None]
            np.testing.assert_array_equal(regions.actor, instances == item["instance"])
            own = (instances == item["instance"]) | (
                (instances == item["object"]) & (item["object"] > 0)
            )
            np.testing.assert_array_equal(regions.mask, own)
            assert not (regions.others & regions.mask).any()
            boxes = truth.boxes(item["clip"])
            for step in np.flatnonzero(during & regions.actor.any((1, 2))):
                mine = (boxes["instance"] == item["instance"]) & (boxes["frame"] == frames[step])
                x, y, w, h = boxes["box"][mine][0].astype(int)
                expected = np.zeros((64, 64), bool)
                expected[y : y + h, x : x + w] = True
                np.testing.assert_array_equal(regions.box[step], expected)


def test_boxes_are_squashed_with_the_frames(world, items, tmp_path):
    wide = tmp_path / "wide.h5"
    wide.write_bytes((world / "test.h5").read_bytes())
    with h5py.File(wide, "a") as file:
        file["shapes"][:] = [64, 128]
    item = items[items["end"] - items["start"] > 8].iloc[0]
    with (
        Scenery(world / "corpus", ClipFile(world / "test.h5"), STEPS) as usual,
        Scenery(world / "corpus", ClipFile(wide), STEPS) as squashed,
    ):
        one, two = usual.regions(item).box, squashed.regions(item).box
    assert one.any()
    ratio = two.any(1).sum(1)[one.any((1, 2))] / one.any(1).sum(1)[one.any((1, 2))]
    assert (abs(ratio - 0.5) < 0.1).all()


def write_maps(path, maps):
    with h5py.File(path, "w") as file:
        file["maps"] = maps.astype("f4")


def truth_maps(world, items, name):
    with Scenery(world / "corpus", ClipFile(world / "test.h5"), STEPS) as scenery:
        parts = [getattr(scenery.regions(items.iloc[k]), name) for k in range(len(items))]
    return np.stack(parts).astype(float)


def test_the_truth_itself_points_always(world, items, inputs, tmp_path):
    write_maps(tmp_path / "maps.h5", truth_maps(world, items, "actor"))
    given = {k: inputs[k] for k in ("corpus", "frames", "lrcn")}
    score_maps(tmp_path / "maps.h5", tmp_path / "scores.csv", **given)
    table = read_scores(tmp_path / "scores.csv")
    assert len(table) == len(items) * STEPS
    for measure in ("box", "box_wide", "mask", "actor"):
        values = table[measure].dropna()
        assert len(values) > 0
        assert (values == 1).all()
    assert (table["energy"].dropna() > 0.999).all()
    assert table.loc[~table["during"], list(MEASURES)].isna().all(axis=None)
    found = two_actors(table, {"resamples": 100, "level": 0.95, "seed": 0})
    assert found.value == 1
    others = truth_maps(world, items, "partner")
    write_maps(tmp_path / "maps.h5", others)
    score_maps(tmp_path / "maps.h5", tmp_path / "scores.csv", **given)
    table = read_scores(tmp_path / "scores.csv")
    assert two_actors(table, {"resamples": 100, "level": 0.95, "seed": 0}).value == 0
    write_maps(tmp_path / "maps.h5", others[:-1])
    with pytest.raises(InputError, match="maps for"):
        score_maps(tmp_path / "maps.h5", tmp_path / "scores.csv", **given)


def test_a_map_alike_on_both_actors_is_half_right():
    def rows(clip, instance, own, partner):
        return [
            {"clip": clip, "instance": instance, "action": "walk", "own": a, "partner": b}
            for a, b in zip(own, partner, strict=True)
        ]

    draws = {"resamples": 20, "level": 0.95, "seed": 0}
    ties = pd.DataFrame([*rows("a", 1, [0.5, 0], [0.5, 0]), *rows("b", 1, [1, 0], [0, 1])])
    assert two_actors(ties, draws).value == 0.5  # equal in means over the frames
    more = [*rows("c", 1, [2, 0], [1, 0]), *rows("c", 2, [0, 3], [0, 4]), *rows("d", 1, [9], [1])]
    table = pd.concat([ties, pd.DataFrame(more)])
    assert two_actors(table, draws).value == (0.5 + 0.5 + 1 + 0 + 1) / 5
    alone = table.assign(partner=np.nan)
    assert two_actors(alone, draws) is None


def test_every_method_is_made_scored_tabulated_and_drawn(world, items, inputs, tmp_path):
    methods = (*TABLE1, "Grad-CAM", "Grad-CAM-R", "cEB-R.all.paper", "occlusion-R", "random")
    for method in methods:
        maps, scores = tmp_path / f"{method}.h5", tmp_path / f"{method}.csv"
        ground_clips(maps, method=method, steps=STEPS, layer="conv2", **inputs)
        with h5py.File(maps) as file:
            assert file["maps"].shape[:2] == (len(items), STEPS)
        given = {k: inputs[k] for k in ("corpus", "frames", "lrcn")}
        score_maps(maps, scores, **given)
    paths = [tmp_path / f"{method}.csv" for method in methods]
    tabulate_pointing(paths, tmp_path / "table1.csv", name="puppets", resamples=50)
    table = pd.read_csv(tmp_path / "table1.csv")
    assert set(table["kind"]) == {
        "method", "baseline", "paired difference", "published (Bargal et al. 2018, Table 1)"
    }  # fmt: skip
    said = set(table["verdict"].dropna().str.removesuffix(", baseline below chance"))
    assert said <= {"confirmed", "refuted", "undecided"}
    differences = table[table["kind"] == "paired difference"].set_index("row")["accuracy"]
    own = table[table["kind"] == "method"].set_index("row")["accuracy"]
    assert differences["EB-R minus EB"] == pytest.approx(own["EB-R"] - own["EB"], abs=2e-4)

    (tmp_path / "probes").mkdir()
    for method in ("cEB-R", "activation"):
        probe_method(
            tmp_path / f"probes/{method}.csv", method=method, steps=STEPS, layer="conv2", items=3,
            **inputs,
        )  # fmt: skip
    probes = pd.read_csv(tmp_path / "probes/cEB-R.csv")
    assert len(probes) == 3
    assert probes[[*CURVES, *LIKE]].abs().max(axis=None) <= 1
    assert list(pd.read_csv(tmp_path / "probes/activation.csv").columns[3:]) == list(CURVES)
    pd.DataFrame(
        {"action_length": ["order pairs"], "length": [4], "row": ["cEB-R"], "right_half": [0.6],
         "right_half low": [0.5], "right_half high": [0.7]}
    ).to_csv(tmp_path / "table2.csv", index=False)  # fmt: skip
    tabulate_benchmark(
        paths, list((tmp_path / "probes").iterdir()), tmp_path / "table2.csv",
        tmp_path / "benchmark.csv", tmp_path / "benchmark.png", name="puppets", resamples=50,
    )  # fmt: skip
    table = pd.read_csv(tmp_path / "benchmark.csv").set_index("row")
    assert table.loc["cEB-R", "right_half"] == 0.6
    assert table.loc["EB", "two_actors low"] <= table.loc["EB", "two_actors"]
    assert np.isnan(table.loc["EB", "like_cnn"])
    assert (tmp_path / "benchmark.png").stat().st_size > 10_000


def test_a_verdict_over_a_method_that_points_worse_than_chance_says_so(tmp_path):
    """EB and BP miss, EB-R and BP-R hit, noise meets every other frame."""
    hits = dict.fromkeys(TABLE1, 1.0) | {"EB": 0.0, "BP": 0.0}
    for method in TABLE1:
        table = pd.DataFrame(
            {"clip": np.repeat([f"c{i}" for i in range(6)], 4), "instance": 1, "action": "walk",
             "step": np.tile(np.arange(4), 6), "during": True, "sum": 1.0}
        )  # fmt: skip
        table[list(MEASURES)] = hits[method]
        if method == "random":
            table["box"] = np.tile([0.0, 1], 12)
        table.to_csv(tmp_path / f"{method}.csv", index=False)
    paths = [tmp_path / f"{method}.csv" for method in TABLE1]
    tabulate_pointing(paths, tmp_path / "table1.csv", name="none", resamples=50)
    table = pd.read_csv(tmp_path / "table1.csv").set_index("row")
    verdicts = table["verdict"].dropna()
    assert verdicts["EB-R minus EB"] == "confirmed, baseline below chance"
    assert verdicts["BP-R minus BP"] == "confirmed, baseline below chance"
    assert verdicts["EB minus cEB"] == "refuted"  # what is worse than chance is not the baseline
    assert verdicts["EB-R minus uniform-R"] == "undecided"
    assert table.loc["random", ["kind", "accuracy"]].tolist() == ["baseline", 0.5]


def test_strips_show_what_the_network_is_surest_of(world, inputs, tmp_path):
    methods = ("EB-R", "cEB", "cEB-R", "Grad-CAM", "Grad-CAM-R")
    for method in methods:
        ground_clips(tmp_path / f"{method}.h5", method=method, steps=8, layer="conv2", **inputs)
    given = {k: inputs[k] for k in ("corpus", "frames", "lrcn")}
    outputs = [tmp_path / name for name in ("a.png", "b.png", "c.gif")]
    maps = {method: tmp_path / f"{method}.h5" for method in methods}
    draw_strips(*outputs, maps=maps, steps=8, **given)
    assert all(path.stat().st_size > 5_000 for path in outputs)


def test_labels_are_those_that_are_asked_for(world):
    file = ClipFile(world / "test.h5")
    rows, actions, classes = labelled(world / "corpus", file)
    assert actions.shape == (len(rows), len(classes))
    assert actions.any(axis=1).all()
    some, columns = label_matrix(world / "corpus", file.clips, ["scene", "actor"])
    assert all(c.split("/")[0] in ("scene", "actor") for c in columns)
    assert some.shape == (len(file.clips), len(columns))
    with pytest.raises(InputError, match="has a label of kind action"):
        labelled(world / "corpus", file, ["sneeze"])
    with pytest.raises(InputError, match=r"has an action that the networks know \(sneeze\)"):
        items_of(world / "corpus", file, ["sneeze"])


def test_checkpoints_come_back_and_others_are_refused(world, tmp_path):
    path = world / "lrcn.safetensors"
    network = load_action_network(path)
    assert not network.training
    assert network.classes == sorted(ACTIONS)
    assert network.difference.lags == (1,)
    with pytest.raises(InputError, match="no such file; run the rule train_action_networks"):
        load_action_network(tmp_path / "none.safetensors")
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="not a whole file of weights"):
        load_action_network(cut)
