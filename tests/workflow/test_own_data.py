"""Images, networks and concept sets of one's own, in their real layouts, through the rules."""

import pandas as pd
import pytest
from checkouts import DEFAULT, make_checkout, ran, snakemake, write_params
from still_layouts import OWN_NETWORK, annotations, broden, cub200, own_images

SUMMARIES, DISSECTION = DEFAULT["summaries"], DEFAULT["dissection"]
# A network of one's own without a file of weights.
OWN = {"name": "brightest:build", "weights": None, "size": None, "layer": "last", "linear": "fc"}
FIGURES = "results/figures/summaries-explanations.png"


def summaries(corpus, source, **changes):
    return {
        "corpus": {"name": corpus, "source": source},
        "crop": {"size": 32, "margin": 0.0},
        "attributes": {"preset": "default", "tagger": "textblob", "min_df": 2},
        "presets": ["joint"],
        "model": SUMMARIES["model"] | OWN,
        **changes,
    }


def dissection(**changes):
    return {
        "model": DISSECTION["model"] | {k: OWN[k] for k in ("name", "weights")} | {"size": 32},
        "layers": ["features", "last"],
        "batch": 8,
        "nulls": 2,
        "groups": 4,
        "curves": False,
        "compositions": False,
        **changes,
    }


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    folder = make_checkout(tmp_path_factory.mktemp("own") / "checkout")
    (folder / "brightest.py").write_text(OWN_NETWORK)
    own_images(folder / "own")
    cub200(folder / "cub")
    broden(folder / "sets/broden1_224", sizes=True)
    annotations(folder / "regions")
    return folder


@pytest.fixture
def settings(checkout):
    """Change the settings for one test."""
    original = (checkout / "params.yaml").read_text()
    yield lambda changes: write_params(checkout, changes)
    (checkout / "params.yaml").write_text(original)


def plan(checkout, *targets):
    output = snakemake(checkout, "-n", "--forceall", *targets)
    return ran(output), output


# --- what is planned


BOTH = {"sets": {"broden": "sets/broden1_224", "actions": None}, "annotations": "regions"}
ALONE = {"sets": {"broden": "sets/broden1_224", "actions": None}}
FINAL = ("results/dissection/table1.csv", "results/figures/dissection-units.png")


def test_all_plans_ones_own_network_and_sets_alone_and_says_what_is_left_out(checkout, settings):
    settings({"summaries": summaries("images", "own"), "dissection": dissection(**ALONE)})
    rules, output = plan(checkout, "all")
    assert {"read_activations", "score_summaries", "dissect_layer", "score_dissection"} <= rules
    assert not rules & {
        "train_classifier", "score_faithfulness", "train_dissected_network", "draw_crops",
        "annotate_crops", "write_broden", "write_actions", "score_regions", "explain_mistakes",
    }  # fmt: skip
    assert "images has no key points: of the tables, results/summaries/table1.csv wi" in output
    assert "dissection.paths.images: none, so no concept paths of brightest:build" in output
    counts = {word.strip(",").split("/")[-1] for word in output.split() if "counts/model/" in word}
    assert {name.split(".")[1] for name in counts} == {"broden"}


def test_what_needs_the_drawn_world_is_refused_for_ones_own(checkout, settings):
    settings({"summaries": summaries("images", "own")})
    output = snakemake(checkout, "-n", "results/summaries/naming.csv", check=False)
    assert "they are made for aviary alone" in output


# --- what comes out


@pytest.mark.slow
def test_images_of_ones_own_and_brodens_beside_annotations_run_to_the_end(checkout, settings):
    paths = DISSECTION["paths"] | {
        "images": ["own/test/50.png"], "linear": "fc", "draws": 4, "top": 2, "drawn": 1,
    }  # fmt: skip
    settings({"summaries": summaries("images", "own"),
              "dissection": dissection(**BOTH, paths=paths)})  # fmt: skip
    output = snakemake(checkout, "results/summaries/table1.csv", FIGURES, *FINAL,
                       "results/dissection/ablation.csv")  # fmt: skip
    assert "train_classifier" not in ran(output)
    results = checkout / "results"
    (cell,) = pd.read_csv(results / "summaries/table1.csv").to_numpy().ravel()
    assert cell.startswith("key points of the images' parts")
    second = pd.read_csv(results / "summaries/table2.csv").set_index("row")
    assert second.loc["joint", "images"] == 18
    said = pd.read_csv(results / "summaries/sentences.csv")
    assert (said["given"] == said["said"]).all()
    table = pd.read_csv(results / "dissection/table1.csv")
    both = "broden1_224 + action regions of regions"
    assert {"broden1_224", "action regions of regions", both} <= set(table["row"])
    assert f"{both} minus broden1_224" in set(table["row"])
    assert (table["total"].dropna() == 3).all()
    assert len(pd.read_csv(results / "dissection/paths.csv")) > 0


@pytest.mark.slow
def test_cub_and_broden_alone_run_to_the_end(checkout, settings):
    network = SUMMARIES["network"] | {"widths": [4, 4, 6, 8], "steps": 4}
    settings({
        "summaries": summaries("cub200", "cub", network=network, model=SUMMARIES["model"],
                               cub200={"val_share": 0.2, "seed": 0}),
        "dissection": dissection(**ALONE),
    })  # fmt: skip
    output = snakemake(checkout, "results/summaries/table1.csv", *FINAL)
    assert "train_classifier" in ran(output)
    results = checkout / "results"
    first = pd.read_csv(results / "summaries/table1.csv").set_index("row")
    assert 0 <= first.loc["joint", "PCK@0.3"] <= 1
    assert len(pd.read_csv(results / "summaries/classes.csv")) == 3
    table = pd.read_csv(results / "dissection/table1.csv")
    assert set(table["row"]) == {"broden1_224", "broden1_224 minus broden1_224, random weights"}
    needs = pd.read_csv(results / "dissection/emergence.csv")
    assert needs.iloc[0, 0] == "action regions, which broden1_224 has none of"
