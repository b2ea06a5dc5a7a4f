"""Dissections, mistakes and figures as the workflow runs them, on a few small crops."""

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

from seewhy.dissection import mistakes
from seewhy.dissection.concepts import ConceptSet
from seewhy.dissection.dissect import How, dissect_layer, read_dissection
from seewhy.dissection.drawing import draw_dissection
from seewhy.dissection.mistakes import explain_mistakes, mistaken_crops, own_images
from seewhy.dissection.network import ResidualNetwork, load_network, save_network
from seewhy.dissection.networks import Opened, Scaling
from seewhy.dissection.puppets_sets import annotate_crops, write_actions, write_broden
from seewhy.dissection.regions import build_regions
from seewhy.dissection.run import open_model, open_sets, run_dissection
from seewhy.dissection.sets import Combined, Shuffled
from seewhy.dissection.tables import Draws, blocks
from seewhy.dissection.tally import read_tally, tally
from seewhy.errors import InputError
from seewhy.worlds.puppets.crops import draw_crops

MODEL = {"name": None, "size": None, "mean": [0, 0, 0], "std": [1, 1, 1]}
ACTIONS = ["jump", "ride", "walk"]
HOW = How(level=0.97, batch=20, nulls=2, groups=4, top=12, curves=False, pairs=False)
EVALUATION = {"resamples": 50, "confidence": 0.95, "seed": 0}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Crops, both concept sets, and a network whose weights are as they fell."""
    folder = tmp_path_factory.mktemp("world")
    draw_crops(
        folder / "crops.h5", seed=3, split="test", clips=30, per_clip=2, size=32, workers=1,
        actions=ACTIONS,
    )  # fmt: skip
    write_broden(folder / "crops.h5", folder / "broden")
    tables = {name: folder / f"{name}.csv" for name in ("boxes", "votes", "sizes", "truth")}
    annotate_crops(folder / "crops.h5", tables, seed=0, wrong=0.0)
    regions = build_regions(*(pd.read_csv(tables[name]) for name in ("boxes", "votes", "sizes")))
    write_actions(folder / "crops.h5", regions.regions, folder / "actions")
    torch.manual_seed(0)
    network = ResidualNetwork((4, 6, 8, 10), ACTIONS)
    with h5py.File(folder / "crops.h5") as file, torch.no_grad():
        network(Scaling()(file["image"][:]))  # batch norm has seen something
    save_network(folder / "net.safetensors", network)
    return folder


def run(world, network, concepts, *, layer="block4"):
    counts = world / network / f"{layer}.{concepts}.h5"
    table = counts.with_suffix(".csv")
    parts = {"broden": ["broden"], "actions": ["actions"]}.get(concepts, ["broden", "actions"])
    run_dissection(
        counts, table, weights=world / "net.safetensors", model=MODEL, network=network,
        layer=layer, folders=[world / part for part in parts], concepts=concepts, how=HOW,
        workers=1,
    )  # fmt: skip
    return counts


@pytest.fixture(scope="module")
def counts(world):
    names = "broden", "actions", "combined", "shuffled"
    found = {name: run(world, "seed0", name) for name in names}
    return found | {"block3": run(world, "seed0", "combined", layer="block3")}


# --- run


def test_a_run_writes_the_counts_and_the_tally_of_its_network_and_set(world, counts):
    found = read_dissection(counts["combined"])
    concepts = Combined([ConceptSet(world / "broden"), ConceptSet(world / "actions")])
    expected = dissect_layer(load_network(world / "net.safetensors"), "block4", concepts, how=HOW)
    np.testing.assert_array_equal(found.counts.both, expected.counts.both)
    np.testing.assert_array_equal(found.thresholds, expected.thresholds)
    assert found.counts.both.sum() > 1000
    written = read_tally(counts["combined"].with_suffix(".csv"))
    pd.testing.assert_frame_equal(written, tally(found), check_dtype=False)
    assert found.about["layer"] == "block4"
    broden, actions = (read_dissection(counts[name]) for name in ("broden", "actions"))
    assert broden.about["images"] + actions.about["images"] == found.about["images"]
    assert "action" not in broden.categories
    assert actions.categories == ["action"]


def test_random_weights_are_another_network_and_the_file_stays(world, counts):
    before = (world / "net.safetensors").read_bytes()
    found = read_dissection(run(world, "random-seed0", "combined"))
    assert (world / "net.safetensors").read_bytes() == before
    trained = read_dissection(counts["combined"])
    assert (found.thresholds != trained.thresholds).all()
    assert (found.counts.both != trained.counts.both).any()
    # The images and what is on them are the same.
    np.testing.assert_array_equal(found.counts.truth, trained.counts.truth)
    again = read_dissection(run(world, "random-seed0", "combined"))
    np.testing.assert_array_equal(found.counts.both, again.counts.both)


def test_shuffled_names_change_what_is_said_of_actions_alone(world, counts):
    combined, shuffled = (read_dissection(counts[name]) for name in ("combined", "shuffled"))
    action = combined.category == combined.categories.index("action")
    np.testing.assert_array_equal(combined.thresholds, shuffled.thresholds)
    both, dealt = combined.counts.both, shuffled.counts.both
    np.testing.assert_array_equal(both[..., ~action], dealt[..., ~action])
    assert (both[..., action] != dealt[..., action]).any()
    # Each image keeps its region, of whatever name.
    np.testing.assert_array_equal(both[..., action].sum(2), dealt[..., action].sum(2))
    images = open_sets([world / "broden", world / "actions"], "shuffled", seed=HOW.seed)
    assert isinstance(images, Shuffled)
    with pytest.raises(InputError, match="no category 'action' to shuffle; there are object"):
        open_sets([world / "broden"], "shuffled")
    assert isinstance(open_sets([world / "broden"], "broden"), ConceptSet)


# --- mistakes


class Says(nn.Module):
    """Says what it was told to of each crop, known by its pixels."""

    def __init__(self, images, answers, classes):
        super().__init__()
        self.images, self.answers, self.classes = images, answers, classes

    def forward(self, x):
        same = (x[:, None] == self.images).flatten(2).all(2)
        return nn.functional.one_hot(self.answers[same.int().argmax(1)], len(self.classes)).float()


def opened_to_say(world, wrong, classes=ACTIONS):
    """A network that errs on the crops `wrong`."""
    with h5py.File(world / "crops.h5") as file:
        images, truth = Scaling()(file["image"][:]), file["action"][:]
    names = [ACTIONS[k] for k in truth]
    said = [ACTIONS[(ACTIONS.index(n) + (i in wrong)) % 3] for i, n in enumerate(names)]
    answers = torch.tensor([list(classes).index(name) for name in said])
    return Opened(Says(images, answers, classes), Scaling(), list(classes))


@pytest.mark.parametrize("classes", [ACTIONS, ACTIONS[::-1]])
def test_mistakes_are_chosen_one_a_clip(world, classes):
    with h5py.File(world / "crops.h5") as file:
        clip, truth, image = file["clip"][:], file["action"][:], file["image"][:]
    wrong = set(range(3, 23))
    opened = opened_to_say(world, wrong, classes)
    cases = mistaken_crops(opened, world / "crops.h5", count=99, seed=0)
    chosen = [int(case.name.removeprefix("crop ")) for case in cases]
    assert set(chosen) <= wrong
    assert sorted(clip[chosen]) == sorted(set(clip[list(wrong)]))
    for case, i in zip(cases, chosen, strict=True):
        assert (case.truth, case.group) == (ACTIONS[truth[i]], str(clip[i]))
        np.testing.assert_array_equal(case.image, image[i])
    few = mistaken_crops(opened, world / "crops.h5", count=4, seed=0)
    assert [case.name for case in few] == [case.name for case in cases[:4]]
    other = mistaken_crops(opened, world / "crops.h5", count=4, seed=1)
    assert {case.name for case in other} != {case.name for case in few}


def test_a_network_without_mistakes_has_tables_that_say_so(world, counts, tmp_path, monkeypatch):
    assert mistaken_crops(opened_to_say(world, ()), world / "crops.h5", count=3, seed=0) == []
    monkeypatch.setattr(mistakes, "mistaken_crops", lambda *given, **how: [])
    for table in explain(world, counts, tmp_path):
        assert list(table) == ["not made: it needs"]
        assert table.iloc[0, 0] == f"mistakes, and the network makes none on {world / 'crops.h5'}"


def test_other_classes_are_refused(world):
    opened = opened_to_say(world, ())
    for classes in ([], ["fly", "run", "swim"], ACTIONS[:2]):
        other = Opened(opened.network, opened.prepare, classes)
        with pytest.raises(InputError, match=r"not the crops' actions; list images of yours in"):
            mistaken_crops(other, world / "crops.h5", count=3, seed=0)


def test_images_of_ones_own(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    files = [str(tmp_path / name) for name in ("a.png", "grey.png")]
    Image.fromarray(pixels).save(files[0])
    Image.fromarray(pixels[..., 0]).save(files[1])
    first, second = own_images(files)
    np.testing.assert_array_equal(first.image, pixels)
    np.testing.assert_array_equal(second.image, pixels[..., :1].repeat(3, 2))
    assert (first.name, first.truth, first.group) == ("a.png", "", files[0])
    with pytest.raises(InputError, match=r"none\.png: missing: no such file"):
        own_images([files[0], str(tmp_path / "none.png")])
    (tmp_path / "broken.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    (tmp_path / "text.png").write_text("no image")
    for name, problem in (("broken.png", "truncated"), ("text.png", "unreadable: not a picture")):
        with pytest.raises(InputError, match=rf"{name}: {problem}"):
            own_images([str(tmp_path / name)])


def explain(world, counts, folder, **changes):
    settings = {"images": [], "linear": "fc", "mistakes": 6, "drawn": 2, "top": 3, "draws": 15}
    outputs = {name: folder / f"{name}.csv" for name in ("paths", "ablation")}
    outputs["figure"] = folder / "paths.png"
    explain_mistakes(
        outputs, weights=world / "net.safetensors", model=MODEL, crops=world / "crops.h5",
        counts=[counts["block3"], counts["combined"]], threshold=0.04,
        settings=settings | changes, evaluation=EVALUATION,
    )  # fmt: skip
    with Image.open(outputs["figure"]) as picture:
        assert picture.width == 1440
    return pd.read_csv(outputs["paths"]), pd.read_csv(outputs["ablation"])


@pytest.fixture(scope="module")
def explained(world, counts, tmp_path_factory):
    return explain(world, counts, tmp_path_factory.mktemp("explained"))


def test_paths_are_of_mistakes_and_their_units_are_those_of_the_tally(world, counts, explained):
    paths, _ = explained
    assert list(paths) == [
        "image", "shows", "said", "probability", "biases", "route", "layer", "leads_to", "rank",
        "unit", "concept", "category", "iou", "effect", "activation", "contribution",
    ]  # fmt: skip
    assert (paths["shows"] != paths["said"]).all()
    assert paths["image"].nunique() == 6
    assert len(paths) == 6 * 2 * 2 * (3 + 3 + 3 * 3)  # images, biases, routes, units
    units = {"block3": 8, "block4": 10}
    named = {
        "block3": read_tally(counts["block3"].with_suffix(".csv")).set_index("unit"),
        "block4": read_tally(counts["combined"].with_suffix(".csv")).set_index("unit"),
    }
    for layer, rows in paths.groupby("layer"):
        assert rows["unit"].between(1, units[layer]).all()
        for row in rows.itertuples():
            label, iou = named[layer].loc[row.unit, ["label", "score"]]
            if iou < 0.04:
                assert pd.isna(row.concept)
            else:
                assert (row.concept, row.iou) == (label, pytest.approx(iou, abs=1e-4))
    assert paths["concept"].notna().any()
    # What a unit leads to is in the rows of the block above, under the same number.
    keys = ["image", "biases", "route"]
    for key, rows in paths.groupby(keys):
        above = set(rows.loc[rows["layer"] == "block4", "unit"].astype(str))
        led_to = set(rows.loc[rows["layer"] == "block3", "leads_to"])
        assert led_to == above | {"all"}, key
    # By hand: of the route by weight, the units of the last block have the class's highest weights.
    network = load_network(world / "net.safetensors")
    for said, rows in paths[paths["leads_to"] == paths["said"]].groupby("said"):
        weight = network.fc.weight[ACTIONS.index(said)].detach()
        top = (weight.argsort(descending=True)[:3] + 1).tolist()
        mine = rows[rows["route"] == "weight"]
        assert [mine.loc[mine["rank"] == k, "unit"].unique().tolist() for k in (1, 2, 3)] == [
            [number] for number in top
        ]


def test_the_ablation_has_a_row_for_each_way(explained):
    _, ablation = explained
    assert list(ablation) == [
        "biases", "route", "block", "against", "images", "effect", "control", "beaten",
        "activation", "control_activation", "difference", "difference low", "difference high",
        "verdict",
    ]  # fmt: skip
    keys = ablation[["biases", "route", "block", "against"]].itertuples(index=False, name=None)
    assert set(keys) == {
        (biases, route, block, control)
        for biases in ("zero", "kept") for route in ("weight", "contribution")
        for block in ("block3", "block4") for control in ("random", "matched")
    }  # fmt: skip
    assert (ablation["images"] == 6).all()
    difference = ablation["effect"] - ablation["control"]
    np.testing.assert_allclose(ablation["difference"], difference, atol=2e-4)
    assert (ablation["difference low"] <= ablation["difference high"]).all()


def test_one_image_of_ones_own_is_explained_and_so_are_several_sizes(world, counts, tmp_path):
    rng = np.random.default_rng(0)
    files = [str(tmp_path / f"{side}.png") for side in (32, 48)]
    for path, side in zip(files, (32, 48), strict=True):
        Image.fromarray(rng.integers(0, 256, (side, side, 3), np.uint8)).save(path)
    alone, ablation = explain(world, counts, tmp_path, images=files[1:])
    assert set(alone["image"]) == {"48.png"}
    assert alone["shows"].isna().all()
    assert ablation["difference"].notna().all()
    assert ablation[["difference low", "difference high"]].isna().all(axis=None)
    assert (ablation["verdict"] == "undecided").all()
    both, _ = explain(world, counts, tmp_path, images=files)
    again = both[both["image"] == "48.png"].reset_index(drop=True)
    pd.testing.assert_frame_equal(again, alone)  # whatever the size of the others


# --- drawing


def test_all_figures_of_a_dissection_are_drawn(world, counts, tmp_path):
    table = blocks(
        {("seed0", layer, "combined"): read_dissection(counts[name])
         for layer, name in (("block3", "block3"), ("block4", "combined"))},
        Draws(20), threshold=0.04,
    )  # fmt: skip
    table.to_csv(tmp_path / "blocks.csv", index=False)
    names = "histogram", "shared", "blocks", "relabelled", "units"
    outputs = {name: tmp_path / f"{name}.png" for name in names}
    folders = {"broden": [world / "broden"], "combined": [world / "broden", world / "actions"]}
    # In whatever order they are given.
    files = {name: counts[name] for name in ("shuffled", "combined", "broden")}
    draw_dissection(
        outputs, counts=files, weights=world / "net.safetensors", model=MODEL, folders=folders,
        blocks=tmp_path / "blocks.csv", threshold=0.04,
    )  # fmt: skip
    for path in outputs.values():
        with Image.open(path) as picture:
            assert picture.width == 1440
            assert np.asarray(picture.convert("L")).std() > 2


def test_a_model_is_opened_with_its_scaling(world):
    model = MODEL | {"size": 8, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}
    assert open_model(world / "net.safetensors", model).prepare == Scaling()
    own = open_model(None, model | {"name": "torch.nn:Flatten"})
    assert own.prepare(np.full((1, 4, 4, 3), 255, np.uint8)).unique().tolist() == [1]
    assert own.prepare(np.zeros((1, 4, 4, 3), np.uint8)).shape == (1, 3, 8, 8)
