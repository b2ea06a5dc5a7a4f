"""A path that a table names stays within the folder of the table's files."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from seewhy.corpora import msrvtt, msvd
from seewhy.corpora.layout import Tree
from seewhy.dissection.concepts import ConceptSet, ConceptWriter
from seewhy.dissection.puppets_sets import write_actions
from seewhy.errors import InputError
from seewhy.table_paths import path_inside

OUTSIDE = ["../x", "../../x", "a/../../x", "/etc/passwd", "..", "."]
NOTHING = ["", " ", "a\0b", None, float("nan"), 3]
PICTURE = np.zeros((4, 4, 3), np.uint8)


@pytest.fixture
def written(tmp_path):
    """A folder deep in `tmp_path`, and what lies anywhere else in it."""
    folder = tmp_path / "a" / "b" / "set"
    folder.parent.mkdir(parents=True)

    def elsewhere():
        return [
            path for path in tmp_path.rglob("*") if path.is_file() and folder not in path.parents
        ]

    return folder, elsewhere


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("to_write", [True, False])
def test_a_path_that_leaves_its_folder_is_refused(name, to_write, tmp_path):
    with pytest.raises(InputError, match=r"boxes\.csv: line 3: .* does not stay within"):
        path_inside(tmp_path, name, where="boxes.csv: line 3", to_write=to_write)


@pytest.mark.parametrize("name", NOTHING)
def test_a_cell_that_names_no_file_is_refused(name, tmp_path):
    with pytest.raises(InputError, match="names no file"):
        path_inside(tmp_path, name, where="boxes.csv")


@pytest.mark.parametrize("name", ["a.jpg", "./a.jpg", "b/../a.jpg", "b//..//a.jpg"])
def test_any_other_is_joined(name, tmp_path):
    for to_write in (True, False):
        assert path_inside(tmp_path, name, where="", to_write=to_write) == tmp_path / "a.jpg"


def test_links_are_followed_in_reading_and_not_in_writing(tmp_path):
    folder, other = tmp_path / "folder", tmp_path / "other"
    for one in (folder, other):
        one.mkdir()
    (folder / "out").symlink_to(other)
    (folder / "in").symlink_to(folder)
    assert path_inside(folder, "out/a.jpg", where="") == folder / "out/a.jpg"
    with pytest.raises(InputError, match=r"leads out of .* by a link"):
        path_inside(folder, "out/a.jpg", where="", to_write=True)
    assert path_inside(folder, "in/a.jpg", where="", to_write=True) == folder / "in/a.jpg"
    through = tmp_path / "through"
    through.symlink_to(folder)
    assert path_inside(through, "a.jpg", where="", to_write=True) == through / "a.jpg"


def test_a_name_that_no_file_can_have_is_not_written(tmp_path):
    with pytest.raises(InputError, match="a name of 301 bytes; shorten it"):
        path_inside(tmp_path, f"a/{'ü' * 150}b", where="", to_write=True)


@pytest.mark.parametrize("name", ["../x", "../../x", "/tmp/x", "a/../../x"])
def test_a_concept_set_is_written_within_its_folder(name, written):
    folder, elsewhere = written
    refused = pytest.raises(InputError, match="does not stay within")
    with refused, ConceptWriter(folder, {"object": ["cat"]}) as writer:
        writer.add(name, PICTURE, masks={"object": np.ones((1, 4, 4), int)})
    assert not folder.exists()
    assert elsewhere() == []


@pytest.mark.parametrize("name", ["../x.jpg", "/{tmp}/x.jpg", "../set.jpg"])
def test_annotated_images_are_read_and_written_within_their_folders(name, written, tmp_path):
    folder, elsewhere = written
    images = tmp_path / "images"
    images.mkdir()
    for path in (tmp_path / "x.jpg", tmp_path / "set.jpg"):
        Image.fromarray(PICTURE).save(path)
    before = elsewhere()
    region = {"x": 0, "y": 0, "width": 4, "height": 4, "image_width": 4, "image_height": 4}
    name = name.replace("{tmp}", str(tmp_path))
    regions = pd.DataFrame(
        [{"image": name, "action": "run", "region": 0, "boxes": "0 0 4 4", **region}]
    )
    with pytest.raises(InputError, match=r"action regions: column image: .* does not stay within"):
        write_actions(images, regions, folder)
    assert not folder.exists()
    assert elsewhere() == before


@pytest.mark.parametrize("column", ["image", "object"])
def test_a_concept_set_is_read_within_its_folder(column, tmp_path):
    folder = tmp_path / "set"
    with ConceptWriter(folder, {"object": ["cat"]}) as writer:
        writer.add("a", PICTURE, masks={"object": np.ones((1, 4, 4), int)})
    Image.fromarray(PICTURE).save(tmp_path / "x.png")
    index = pd.read_csv(folder / "index.csv")
    index.loc[0, column] = "../../x.png"
    index.to_csv(folder / "index.csv", index=False)
    with pytest.raises(InputError, match=r"index\.csv: line 2: \.\./\.\./x\.png does not stay"):
        ConceptSet(folder)


def test_published_data_sets_name_no_video_elsewhere(tmp_path):
    names = [f"../../x{n}_1_2 vid{n}" for n in range(1, 1971)]
    (tmp_path / "youtube_mapping.txt").write_text("\n".join(names))
    with pytest.raises(InputError, match=r"youtube_mapping\.txt: vid1: .* does not stay within"):
        msvd.read(tmp_path)
    video = {"video_id": "../../x", "split": "train", "url": "u", "category": 1, "id": 0}
    video |= {"start time": 0, "end time": 1}
    path = Path(tmp_path / "train_val_videodatainfo.json")
    path.write_text(json.dumps({"videos": [video], "sentences": [], "info": {}}))
    with pytest.raises(InputError, match=r"videos\[0\]: \.\./\.\./x\.mp4 does not stay within"):
        msrvtt._read_all([path], Tree(tmp_path), [])
