"""What a user gives: looked for before anything runs, and what is planned with it."""

import copy
import os
import re
from pathlib import Path

import pytest
import yaml
from still_layouts import annotations, broden

from seewhy.dissection.given import (
    check_given,
    concept_folders,
    made_of_puppets,
    set_titles,
    sets_read,
)
from seewhy.errors import InputError
from seewhy.summaries.given import check_summaries, network_files

ROOT = Path(__file__).parents[2]
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text())
TRAINED = "models/summaries/classifier.safetensors"


def summaries(model=(), network=()):
    settings = copy.deepcopy(PARAMS["summaries"])
    settings["model"] |= dict(model)
    settings["network"] |= dict(network)
    return settings


@pytest.mark.parametrize(
    ("model", "network", "line"),
    [
        ({"name": "resnet50"}, {}, "resnet50 needs a file of weights; or name resnet50 as summar"),
        ({"name": "resnet50"}, {"base": "resnet18"}, r"model\.weights: resnet50 needs a file"),
        ({"weights": "no.pth"}, {}, r"summaries\.model\.weights: no file no\.pth"),
        ({"classes": "no.txt"}, {}, r"summaries\.model\.classes: no file no\.txt"),
        ({"name": "a:b", "weights": "no.pth"}, {}, r"summaries\.model\.weights: no file no\.pth"),
        ({}, {"base": "resnet18"}, r"summaries\.model\.name: null, but resnet18 is fine-tuned"),
        ({}, {"weights": "no.pth"}, r"summaries\.network\.weights: no file no\.pth"),
    ],
)
def test_a_network_that_does_not_exist_is_told(model, network, line):
    with pytest.raises(InputError, match=line):
        check_summaries(summaries(model, network))


@pytest.mark.parametrize(
    ("model", "network", "files"),
    [
        ({}, {}, [TRAINED]),
        ({"name": "mine:build"}, {}, []),
        ({"name": "mine:build", "weights": "w.pth"}, {}, ["w.pth"]),
        ({"name": "resnet50", "weights": "w.pth"}, {}, ["w.pth"]),
        ({"name": "resnet50"}, {"base": "resnet50"}, [TRAINED]),
    ],
)
def test_the_network_is_the_users_or_the_one_trained_here(
    tmp_path, monkeypatch, model, network, files
):
    monkeypatch.chdir(tmp_path)
    Path("w.pth").touch()
    settings = summaries(model, network)
    check_summaries(settings)
    assert network_files(settings["model"], TRAINED) == files


def dissection(broden=None, actions=None, annotations=None):
    sets = {"broden": broden, "actions": actions}
    return PARAMS["dissection"] | {"sets": sets, "annotations": annotations}


@pytest.mark.parametrize(
    ("given", "folders", "titles", "read"),
    [
        ({}, {"broden": "made/broden", "actions": "made/actions"}, {}, "made of the puppets' cr"),
        ({"broden": "raw/b1"}, {"broden": "raw/b1"}, {"broden": "b1"}, "the set raw/b1"),
        ({"broden": "raw/b1", "annotations": "raw/r"},
         {"broden": "raw/b1", "actions": "made/actions"},
         {"combined": "b1 + action regions of r",
          "shuffled": "b1 + action regions of r, names shuffled"},
         "the set raw/b1 and action regions made of the annotations in raw/r"),
        ({"annotations": "raw/r"}, {"actions": "made/actions"},
         {"actions": "action regions of r", "shuffled": "action regions of r, names shuffled"},
         "made of the annotations in raw/r"),
        ({"actions": "raw/a"}, {"actions": "raw/a"}, {"actions": "action regions of a"},
         "the action regions raw/a"),
        ({"broden": "raw/b1", "actions": "raw/a"}, {"broden": "raw/b1", "actions": "raw/a"},
         {"combined": "b1 + action regions of a"}, "the set raw/b1 and the action regions raw/a"),
    ],
)  # fmt: skip
def test_where_a_set_is_given_nothing_is_made_of_puppets(given, folders, titles, read):
    settings = dissection(**given)
    assert concept_folders(settings, "made") == folders
    assert made_of_puppets(settings) == (not given)
    assert titles.items() <= set_titles(settings).items()
    assert read in sets_read(settings)


def test_the_line_names_the_file_that_sets_it(tmp_path):
    changed = {"summaries": {"model": {"classes": "no.txt"}}, "dissection": {"annotations": "no"}}
    sources = [("params.yaml", PARAMS), ("mine.yaml", changed)]
    with pytest.raises(
        InputError, match=r"^mine\.yaml: summaries\.model\.classes: no file no\.txt;"
    ):
        check_summaries(summaries({"classes": "no.txt"}), sources=sources)
    with pytest.raises(
        InputError, match=r"^mine\.yaml: dissection\.annotations: no no/boxes\.csv;"
    ):
        check_given(dissection(annotations="no"), sources=sources)
    with pytest.raises(InputError, match=r"^params\.yaml: dissection\.sets\.broden: no no/index"):
        check_given(dissection(broden="no"))


def test_regions_are_given_once(tmp_path):
    broden(tmp_path / "set", images=3)
    annotations(tmp_path / "said", images=2)
    settings = dissection(actions=str(tmp_path / "set"), annotations=str(tmp_path / "said"))
    with pytest.raises(InputError, match=r"annotations: action regions are given as dissection\.s"):
        check_given(settings)
    settings["model"] = settings["model"] | {"classes": "no.txt"}
    settings["annotations"] = None
    with pytest.raises(InputError, match=r"dissection\.model\.classes: no file no\.txt"):
        check_given(settings)


@pytest.mark.parametrize(("key", "table"), [("broden", "index"), ("annotations", "sizes")])
def test_fewer_images_than_rounds_of_the_null_are_told_before_anything_runs(tmp_path, key, table):
    """A dissection would end with it; what is no table, its own reader tells."""
    folder = tmp_path / "own"
    {"broden": broden, "annotations": annotations}[key](folder, images=11)
    check_given(dissection(**{key: str(folder)}))
    path = folder / f"{table}.csv"
    rows = path.read_text().splitlines()
    path.write_text("\n\n".join(rows[:-1]) + "\n")
    line = f"params.yaml: dissection.nulls: 10 must be less than the images of {path}, 10; lower it"
    with pytest.raises(InputError, match=f"^{re.escape(line)}"):
        check_given(dissection(**{key: str(folder)}))
    check_given(dissection(**{key: str(folder)}) | {"nulls": 9})
    path.unlink()
    os.mkfifo(path)
    check_given(dissection(**{key: str(folder)}))


def test_each_of_two_sets_is_dissected_by_itself(tmp_path):
    settings = dissection(
        broden=str(broden(tmp_path / "b", images=12)), actions=str(broden(tmp_path / "a", images=2))
    )
    with pytest.raises(InputError, match=rf"images of {tmp_path}/a/index\.csv, 2; lower it"):
        check_given(settings)
