"""Every block of code in the README, the documentation and the docstrings runs.

A block is found by itself (`code_blocks`); what it leaves open, such as `network`, is given here
under its place. A new block without an entry fails, and so does an entry without a block.
"""

import inspect
import shutil
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from code_blocks import Names, in_docstrings, indented, is_code
from still_layouts import annotations, broden
from torch import nn

from seewhy.backbones.torchvision_import import import_torchvision
from seewhy.corpora.importing import import_corpus
from seewhy.dissection.concepts import ConceptWriter
from seewhy.dissection.dissect import How, dissect_layer
from seewhy.dissection.network import ResidualNetwork, save_network
from seewhy.dissection.networks import Scaling
from seewhy.dissection.run import open_sets
from seewhy.dissection.tables import relabelled
from seewhy.dissection.units import Dissected
from seewhy.grounding.networks import (
    CaptionerSizes,
    MeanPoolCaptioner,
    VGGShape,
    vgg_action_network,
)
from seewhy.scores.meteor import Meteor
from seewhy.summaries.activations import read_activations
from seewhy.summaries.counterfactuals import draw_counterfactuals
from seewhy.summaries.drawing import FIGURES
from seewhy.summaries.figures import Heat
from seewhy.summaries.filters import filter_attributes
from seewhy.summaries.images import crop_images
from seewhy.summaries.split import open_split
from seewhy.text.attributes import extract_attributes
from seewhy.worlds.aviary import render_aviary
from seewhy.worlds.puppets import draw_clip

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"
BLOCKS = {block.where: block.text for block in in_docstrings()}
CLASSES = ["typing", "juggling", "waving"]


# --- what several blocks leave open


@pytest.fixture(scope="module")
def residual():
    """A network with block4 of 300 units, and images of 32 pixels."""
    torch.manual_seed(0)
    return ResidualNetwork((4, 4, 6, 300), CLASSES).eval()


@pytest.fixture(scope="module")
def dissected(residual, tmp_path_factory):
    """What is known of block4 with and without actions."""
    folder = tmp_path_factory.mktemp("dissected")
    broden(folder / "broden", images=12)
    rng = np.random.default_rng(0)
    with ConceptWriter(folder / "actions", {"action": ["typing", "juggling"]}) as writer:
        for k in range(8):
            mask = rng.integers(0, 3, (1, 32, 32))
            writer.add(str(k), rng.integers(0, 255, (32, 32, 3)).astype(np.uint8),
                       masks={"action": mask})  # fmt: skip
    how = How(batch=6, nulls=1, groups=2, top=6, level=0.9)
    found, sets = {}, [folder / "broden", folder / "actions"]
    for name, folders in (("broden", sets[:1]), ("combined", sets), ("shuffled", sets)):
        concepts = open_sets(folders, name)
        output = folder / f"{name}.h5"
        found[name] = Dissected(
            residual, Scaling(), concepts,
            dissect_layer(residual, "block4", concepts, how=how, output=output),
        )  # fmt: skip
    table = relabelled(*(found[name].found for name in found), threshold=0.0)
    return folder, found, table


@pytest.fixture(scope="module")
def action_network():
    torch.manual_seed(0)
    return vgg_action_network(VGGShape(), ["walk", "wave"], hidden=8, lags=(1,)).eval()


@pytest.fixture(scope="module")
def captioner():
    torch.manual_seed(0)
    shape = VGGShape(groups=((6,), (8,)), linear=(24,), size=16, batch_norm=False)
    cnn = vgg_action_network(shape, "ab").cnn
    sizes = CaptionerSizes(words=9, embedding=4, hidden=24)
    return MeanPoolCaptioner(cnn, 24, sizes, size=16, scale="-1..1").eval()


@pytest.fixture(scope="module")
def birds(tmp_path_factory):
    """A small aviary with all that the summaries know of it."""
    folder = tmp_path_factory.mktemp("birds")
    render_aviary(folder / "aviary", seed=1, birds={"train": 64, "val": 32, "test": 8}, workers=1)
    import_corpus("aviary", folder / "aviary", folder / "corpus")
    torch.manual_seed(0)
    species = sorted(pd.read_csv(folder / "aviary/species.csv")["species"])
    network = ResidualNetwork((4, 4, 6, 16), species).eval()
    captions = pd.read_csv(folder / "corpus/captions.csv").groupby("clip")["text"].agg(list)
    few = {clip: texts[:3] for clip, texts in captions.items()}
    attributes = extract_attributes(few, tagger="textblob", min_df=2)
    splits = {}
    crop_images(folder / "corpus", "test", folder / "test.h5", size=32)
    right_on(network, folder / "test.h5", species)
    for split in ("train", "test"):
        crops, kept = folder / f"{split}.h5", folder / f"{split}.act.h5"
        crop_images(folder / "corpus", split, crops, size=32)
        read_activations(network, crops, kept, layer="block4", linear="fc", prepare=Scaling(),
                         classes=species)  # fmt: skip
        splits[split] = open_split(crops, kept, folder / "corpus", attributes)
    train = splits["train"]
    table = filter_attributes("joint", train.found.phi, train.presence, attributes.names,
                              tagger=attributes.tagger)  # fmt: skip
    world = {name: pd.read_csv(folder / f"aviary/{name}.csv", keep_default_na=False)
             for name in ("birds", "slots")}  # fmt: skip
    return {
        "folder": folder, "network": network, "attributes": attributes, "table": table,
        "tables": {"joint": table}, "names": table.names, "prepare": Scaling(), **splits, **world,
        "phi": train.found.phi, "train_phi": train.found.phi, "presence": train.presence,
        "weight": train.found.weight, "bias": train.found.bias,
        "distributions": table.distributions(),
    }  # fmt: skip


def right_on(network, crops, species):
    """Fit the network's last layer to a few crops, so that it names them rightly."""
    with h5py.File(crops) as file:
        images, labels = file["image"][:], file["label"][:]
    with torch.no_grad():
        maps = network.features(torch.from_numpy(images).permute(0, 3, 1, 2) / 255)["block4"]
        phi = maps.mean(dim=(2, 3))
        wanted = 10 * nn.functional.one_hot(torch.from_numpy(labels).long(), len(species)).float()
        fitted = torch.linalg.pinv(nn.functional.pad(phi, (0, 1), value=1.0)) @ wanted
        network.fc.weight.copy_(fitted[:-1].T)
        network.fc.bias.copy_(fitted[-1])


# --- what each block leaves open: text replaced, names given


def seen_by(network):
    return {"network": network, "image": torch.rand(3, 32, 32)}


def three_layers():
    network = import_torchvision().models.resnet18(num_classes=3).eval()
    return {"network": network, "images": torch.rand(2, 3, 32, 32),
            "image": torch.rand(1, 3, 32, 32),
            "kept": torch.ones(3, 512, dtype=torch.bool)}  # fmt: skip


def last_blocks():
    network = nn.Module()
    network.layer4 = nn.Sequential(nn.Conv2d(64, 32, 3, padding=1), nn.ReLU()).eval()
    network.fc = nn.Linear(32, 6)
    return {"network": network, "class_": 1}


def trained_here(folder, network):
    broden(folder / "data/dissection/sets/combined", images=8)
    (folder / "models/dissection").mkdir(parents=True)
    save_network(folder / "models/dissection/seed0.safetensors", network)
    return {}


def figures_of(folder, dissected):
    made, found, table = dissected
    shutil.copy(made / "combined.h5", folder / "block4.h5")
    return {"network": found["combined"].network, "prepare": Scaling(),
            "concepts": found["combined"].concepts, "without": found["broden"],
            "table": table}  # fmt: skip


def truth_of_a_clip(folder):
    (folder / "data/captioning/corpus").mkdir(parents=True)
    (folder / "data/puppets/trimmed").mkdir(parents=True)
    elements = [
        {"instance": k, "class": name, "part": name, "colour": "red", "texture": "plain",
         "rgb": np.zeros((2, 3))}
        for k, name in enumerate(("sky", "dog"))
    ]  # fmt: skip
    boxes = {"frame": [0], "instance": [1], "box": [[1, 1, 2, 2]]}
    return {"code": np.zeros((2, 8, 8), np.uint8), "elements": elements, "boxes": boxes}


class Outputs(list):
    frames = "frames.h5"


def a_job(folder):
    """What Snakemake puts into a script."""
    job = SimpleNamespace(
        log=[], threads=1, rule="sample_frames", scriptdir=str(SCRIPTS),
        output=Outputs(["frames.h5"]),
        params={"code": '"abc"', "frames": '{"n": 2}'}, input=SimpleNamespace(corpus="corpus"),
    )  # fmt: skip
    return {"snakemake": job, "sample_frames": lambda corpus, frames, n: None}


def clips_of(network):
    return {"network": network, "frames": torch.rand(1, 4, 3, 64, 64)}


def captioned():
    texts = {"a": "a man runs", "b": "a dog barks"}
    references = {"a": ["a man is running", "someone runs"], "b": ["a dog barks", "it barks"]}
    return {"predictions": texts, "references": references, "systems": {"one": texts}}


def erased():
    return {"predict": lambda clips: clips.mean((1, 2, 3, 4)), "clip": torch.rand(4, 3, 16, 16),
            "maps": torch.rand(4, 4, 4)}  # fmt: skip


def redrawn(birds):
    return draw_counterfactuals(
        birds["network"], birds["test"], np.arange(2), birds["birds"], birds["slots"], seed=1,
        layer="block4", prepare=Scaling(),
    )  # fmt: skip


def pages_of(birds):
    pages = pd.DataFrame(columns=["image", "given", "predicted", "kind", "truth", "says"])
    return {"pages": pages, "paths": {name: f"{name}.png" for name in FIGURES}}


def annotated(folder):
    annotations(folder / "said", images=6)
    tables = {name: pd.read_csv(folder / f"said/{name}.csv") for name in ("boxes", "votes")}
    sizes = pd.read_csv(folder / "said/sizes.csv")
    return tables | {"sizes": sizes, "votes_with_those": tables["votes"]}


def crops_of(folder):
    with h5py.File(folder / "birds.h5", "w") as file:
        file["image"] = np.random.default_rng(0).integers(0, 255, (8, 32, 32, 3), np.uint8)
    return {"network": three_layers()["network"], "train": [0, 1, 4, 5, 6], "scaling": Scaling()}


def spoken(captioner):
    few = torch.rand(1, 3, 3, 16, 16) * 2 - 1
    return {"captioner": captioner, "frames": few, "few": few,
            "words": torch.tensor([[4, 5, 6, 2]]), "position": torch.tensor([1])}  # fmt: skip


def truth_of_pairs():
    rows = [(f"i{k}", "jump", 5, 5, 20, 20, 40, 40) for k in range(4)]
    box = ["x", "y", "width", "height"]
    return pd.DataFrame(rows, columns=["image", "action", *box, "image_width", "image_height"])


def intervals():
    truth = pd.DataFrame([(f"v{k}", "jump", 1.0, 3.0) for k in range(3)],
                         columns=["video", "label", "start", "end"])  # fmt: skip
    return {"truth": truth, "detections": truth.assign(score=[0.5, 0.9, 0.7])}


def strips(frames=16):
    clip = draw_clip(0, "test", 0, captions=False).frames[:frames]
    rng = np.random.default_rng(0)
    return {"frames": clip, "maps": rng.random((frames, 8, 8)),
            "signed": rng.normal(size=(frames, 8, 8))}  # fmt: skip


IMAGE = np.full((32, 32, 3), 120, np.uint8)
LINKED = {"image": IMAGE, "images": np.stack([IMAGE] * 3), "has": np.array([True, False, True]),
          "heats": [Heat("red bill", "p = 0.01", np.ones((4, 4)) / 16)],
          "sentences": {"joint": "This is a gull because it has a red bill."}}  # fmt: skip
FEW_SHOWN = ("seed=0)", "seed=0, shown=Shown(1, 1, 1, 1, 1, 1, 2, 1))")
SMALL_BIRDS = ("seed=1)", 'seed=1, birds={"train": 32, "val": 32, "test": 18}, workers=1)')
SMALL_CLIPS = ("seed=1)", 'seed=1, clips={"train": 2, "val": 1, "test": 18}, workers=1)')


# Of each block what it leaves open (a function of the names of the fixtures that it takes), and the
# text in it that a test cannot have: too large, or cut short by dots.
LEFT_OPEN = {
    "corpora/truth.py": (
        lambda tmp_path: truth_of_a_clip(tmp_path),
        [('"data/captioning/corpus"', '"data/puppets/trimmed"')],
    ),
    "dissection/ablation.py": (lambda residual: seen_by(residual), [("[12, 40, 7]", "[1, 4, 2]")]),
    "dissection/annotators.py": (lambda: {"truth": truth_of_pairs()}, []),
    "dissection/dissect.py": (lambda tmp_path, residual: trained_here(tmp_path, residual), []),
    "dissection/hooks.py": (lambda: three_layers(), []),
    "dissection/layers.py": (lambda: three_layers(), []),
    "dissection/path_figure.py": (
        lambda residual: seen_by(residual) | {"names": {}, "pixels": IMAGE}, []),
    "dissection/paths.py": (lambda residual: seen_by(residual), []),
    "dissection/regions.py": (
        lambda tmp_path: annotated(tmp_path), [("street.jpg", "own1.jpg"), ("jogging", "wave")]),
    "dissection/relations.py": (lambda: last_blocks(), [("1024", "64"), ("(14, 14)", "(4, 4)")]),
    "dissection/unit_figures.py": (
        lambda tmp_path, dissected: figures_of(tmp_path, dissected), []),
    "dissection/units.py": (lambda tmp_path, dissected: figures_of(tmp_path, dissected), []),
    "entry.py": (lambda tmp_path: a_job(tmp_path), []),
    "files.py::whole_file": (lambda: {"table": pd.DataFrame({"a": [1]})}, []),
    "gradcam/recurrent.py": (lambda action_network: clips_of(action_network), []),
    "grounding/caption_guided.py": (lambda captioner: spoken(captioner), []),
    "grounding/maps.py": (
        lambda action_network, captioner: spoken(captioner) | clips_of(action_network),
        [("ground_word(captioner, frames,", "ground_word(captioner, few,")]),
    "json_files.py::has_form": (lambda: {}, []),
    "hooking.py": (lambda: three_layers(), [("maps * kept", "0 * maps")]),
    "running.py": (lambda: three_layers() | {"frames": torch.rand(2, 3, 32, 32)}, []),
    "table_numbers.py::number_format": (lambda: {"table": pd.DataFrame({"a": [0.5]})}, []),
    "saliency_figures.py": (lambda: strips(), []),
    "scores/bootstrap.py::bootstrap_interval": (lambda: captioned(), []),
    "scores/captions.py::CaptionScorer": (lambda: captioned(), []),
    "scores/captions.py::score_captions": (lambda: {}, []),
    "scores/clusters.py::clustered_mean_of": (
        lambda: {"hits": np.array([1.0, 0, 1, 1]), "clip_of_frame": list("aabb")}, []),
    "scores/detection.py::Detected": (lambda: intervals(), []),
    "scores/jackknife.py::jackknife_interval": (lambda: {"hits": np.array([1.0, 0, 1, 1])}, []),
    "scores/meteor.py::Meteor": (lambda: {}, []),
    "scores/saliency.py": (lambda: erased(), []),
    "summaries/__init__.py": (lambda: {}, []),
    "summaries/activations.py": (lambda tmp_path: crops_of(tmp_path), []),
    "summaries/causes.py": (lambda birds: birds | {"drawn": redrawn(birds)}, []),
    "summaries/chance.py": (lambda birds: birds, []),
    "summaries/contrast.py": (
        lambda birds: birds | {"two": list(birds["train"].classes)},
        [('"tern", "gull", classes=["tern", "gull"]', "two[0], two[1], classes=two")]),
    "summaries/counterfactuals.py": (lambda birds: birds | {"rows": np.arange(2)}, []),
    "summaries/drawing.py": (
        lambda birds: birds | pages_of(birds), [("layer4", "block4"), FEW_SHOWN]),
    "summaries/explain.py": (lambda birds: birds | {"say": lambda name, some: name}, []),
    "summaries/faithfulness.py": (
        lambda birds: birds | {"world": birds["folder"] / "aviary"},
        [('"ablation": ..., "naming": ...', '"ablation": "ablation.csv", "naming": "naming.csv"'),
         ('world="aviary"', "world=world"), ("seed=1,", "seed=1, birds=4,")]),
    "summaries/figures.py": (lambda: LINKED, [(", ...]", "]")]),
    "summaries/filters.py": (lambda birds: birds, []),
    "summaries/image_figures.py": (lambda: LINKED, [(", ...]", "]")]),
    "summaries/page.py": (lambda: LINKED, []),
    "text/chunking.py::singular": (lambda: {}, []),
    "training_steps.py::passes_an_epoch": (lambda: {}, []),
    "text/sentences.py::merge": (lambda: {}, []),
    "text/tagging.py::sentences_of": (lambda: {}, []),
    "text/words.py::tokenise": (lambda: {}, []),
    "video/resumable.py::ResumableRows": (
        lambda tmp_path: {"path": tmp_path / "rows.h5", "clips": ["a", "b"]},
        [("[...]", "[]"), ("frames=...", "frames=np.zeros((28, 64, 64, 3), np.uint8)"),
         ("lengths=...", "lengths=28")]),
    "worlds/aviary/__init__.py": (lambda: {}, [SMALL_BIRDS]),
    "worlds/puppets/__init__.py": (lambda: {}, [SMALL_CLIPS]),
}  # fmt: skip


@pytest.fixture(scope="module")
def one_meteor():
    """Blocks that start METEOR's program get the same one: it takes ten seconds to start."""
    with pytest.MonkeyPatch.context() as patch, Meteor() as started:
        patch.setattr(Meteor, "__enter__", lambda _: started)
        patch.setattr(Meteor, "__exit__", lambda *_: None)
        yield


@pytest.mark.parametrize("where", sorted(BLOCKS))
@pytest.mark.usefixtures("one_meteor")
def test_a_block_of_a_docstring_runs(where, request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert where in LEFT_OPEN, f"{where}: no test runs this block of code; give what it leaves open"
    make, replaced = LEFT_OPEN[where]
    given = {name: request.getfixturevalue(name) for name in inspect.signature(make).parameters}
    text = BLOCKS[where]
    for old, new in replaced:
        assert old in text, f"{where}: the block has no {old!r}"
        text = text.replace(old, new)
    exec(compile(text, where, "exec"), {}, Names(where, make(**given)))


def test_no_entry_is_of_a_block_that_is_gone():
    assert set(LEFT_OPEN) <= set(BLOCKS)


@pytest.mark.parametrize("code", ["    dissect_layer(net, 'layer4')", "    import seewhy"])
def test_a_new_block_is_found(code):
    (text,) = indented(f"Title.\n\n{code}\n\nMore.\n")
    assert is_code(text)
    assert not is_code("x = f(y)  the equation of a paper")
