"""Names of classes in the forms in which they are published beside weights."""

import json

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from seewhy.backbones.class_names import read_class_names
from seewhy.dissection.networks import open_network
from seewhy.errors import InputError

NAMES = ["clapping", "great egret", "drive, fast"]


@pytest.mark.parametrize(
    "text",
    [
        "clapping\ngreat egret\ndrive, fast\n",
        "\ufeffclapping\r\ngreat egret\r\ndrive, fast\r\n\r\n",
        "great egret 1\nclapping 0\ndrive, fast 2\n",
        "0 clapping\n1 great egret\n2 drive, fast\n",
        "2,great egret\n1,clapping\n3,drive, fast\n",
        "clapping,0\ngreat egret,1\ndrive, fast,2\n",
        json.dumps(NAMES),
        json.dumps({"1": "great egret", "0": "clapping", "2": "drive, fast"}),
        json.dumps({"0": ["n1", "clapping"], "1": ["n2", "great egret"], "2": ["", "drive, fast"]}),
        json.dumps({name: k for k, name in enumerate(NAMES)}),
    ],
)
def test_every_published_form_gives_the_names_in_the_order_of_the_outputs(tmp_path, text):
    (tmp_path / "names.txt").write_bytes(text.encode())
    assert read_class_names(tmp_path / "names.txt") == NAMES


def test_numbers_that_do_not_count_are_part_of_the_names(tmp_path):
    (tmp_path / "names.txt").write_text("route 66\nroute 101\n")
    assert read_class_names(tmp_path / "names.txt") == ["route 66", "route 101"]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"a\n\nb\n", "line 2: empty; give each class its name"),
        (b"caf\xe9\n", "line 1: the byte 0xe9 is not UTF-8"),
        (b"[1, 2]", "not a list of names"),
        (b"[]", "not a list of names"),
        (b'{"0": "a", "2": "b"}', "its keys are not the numbers 0, 1"),
        (b'{"0": 1.5}', "its keys are not the numbers 0, 1"),
        (b'["a"', "not JSON"),
    ],
)
def test_what_names_no_classes_is_refused(tmp_path, content, line):
    (tmp_path / "names.txt").write_bytes(content)
    with pytest.raises(InputError, match=line):
        read_class_names(tmp_path / "names.txt")


def test_moments_339_categories_are_read_where_they_are(shared_data):
    path = shared_data / "dissection/category_momentsv1.txt"
    if not path.exists():
        pytest.skip(f"no {path}")
    names = read_class_names(path)
    assert len(names) == 339
    assert names[:3] == ["clapping", "praying", "dropping"]


class Three(nn.Module):
    classes = ("a", "b", "c")

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(2, 3)


def three():
    return Three()


def test_a_file_of_names_names_the_outputs_of_a_network(tmp_path):
    (tmp_path / "names.txt").write_text("\n".join(NAMES))
    save_file(Three().state_dict(), tmp_path / "w.safetensors")
    name = f"{__name__}:three"
    assert open_network(tmp_path / "w.safetensors", name=name).classes == ["a", "b", "c"]
    opened = open_network(None, name=name, classes=tmp_path / "names.txt")
    assert opened.classes == NAMES
    (tmp_path / "two.txt").write_text("x\ny\n")
    with pytest.raises(InputError, match=r"two\.txt: 2 names of classes for 3 outputs; give one"):
        open_network(None, name=name, classes=tmp_path / "two.txt")
    assert torch.equal(opened.network.fc.weight, opened.network.state_dict()["fc.weight"])
