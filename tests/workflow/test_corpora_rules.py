"""Every video adapter through the rules, on tiny sets in their layouts; and what each lacks."""

import json

import pandas as pd
import pytest
import yaml
from checkouts import make_checkout, ran, snakemake, write_params
from layouts import LAYOUTS, own_folder

# In a run each use of a corpus has one of its adapters, so that a few runs have them all.
RUNS = [
    {
        "captioning": ("msvd", "its own"),
        "transfer": ("ucf11", "one folder deeper"),
        "grounding": ("ucf101", "annotations and videos"),
        "untrimmed": ("thumos14", "as unpacked"),
        "words": ("flickr30k", "its own"),
    },
    {
        "captioning": ("msrvtt", "Frozen in Time"),
        "words": ("msrvtt", "its own"),
    },
    {"captioning": ("folder", "dealt out")},
]
FRAMED = ("captioning", "transfer", "grounding", "words")  # untrimmed videos are read otherwise
SMALL = {"n": 4, "size": 64, "fit": "squash"}


def use(folder, corpora):
    """Name these corpora in params.yaml: of each use the adapter and its source."""
    changes = {"frames": SMALL}
    for purpose, (name, source) in corpora.items():
        corpus = {"name": name, "source": str(source)}
        if purpose == "captioning":
            changes["corpus"] = corpus
        elif purpose == "transfer":
            changes["transfer"] = {"corpus": corpus, "ucf11": {"split": "group", "seed": 0}}
        else:
            grounding = changes.setdefault("grounding", {"frames": SMALL})
            if purpose == "grounding":
                grounding["corpus"] = corpus
                own = {"split": 1, "classes": 24, "val_groups": 1, "seed": 0}
                grounding["ucf101"] = own
            else:
                grounding.setdefault(purpose, {})["corpus"] = corpus
    write_params(folder, deepened(folder, changes))


def deepened(folder, changes):
    """The settings below grounding with the changes in them."""
    params = yaml.safe_load((folder / "params.yaml").read_text())
    for purpose in ("words", "untrimmed"):
        if purpose in changes.get("grounding", {}):
            changes["grounding"][purpose] = (
                params["grounding"][purpose] | changes["grounding"][purpose]
            )
    return changes


@pytest.fixture
def checkout(tmp_path):
    folder = make_checkout(tmp_path / "checkout")
    (folder / "corrections.yaml").write_text("[]\n")
    return folder


@pytest.mark.parametrize(
    "corpora", RUNS, ids=lambda corpora: "+".join(c for c, _ in corpora.values())
)
def test_every_adapter_is_imported_and_its_frames_are_sampled(corpora, checkout, tmp_path):
    sources = {}
    for purpose, (name, layout) in corpora.items():
        LAYOUTS[name][layout](tmp_path / purpose)
        sources[purpose] = (name, tmp_path / purpose)
    use(checkout, sources)
    targets = [f"data/{purpose}/corpus/corpus.json" for purpose in corpora]
    targets += [
        f"data/{purpose}/frames/{split}.h5"
        for purpose in corpora
        if purpose in FRAMED
        for split in ("train", "val", "test")
    ]
    output = snakemake(checkout, *targets)
    assert "Traceback" not in output
    for purpose, (name, _) in corpora.items():
        about = json.loads((checkout / f"data/{purpose}/corpus/corpus.json").read_text())
        assert about["name"] == name
        clips = pd.read_csv(checkout / f"data/{purpose}/corpus/clips.csv")
        assert set(clips["split"]) == {"train", "val", "test"}
        if purpose in FRAMED:
            report = pd.read_csv(checkout / f"results/frames/{purpose}/train.csv")
            assert report.empty  # every train clip could be read
    if "msvd" in about_names(corpora):
        assert "Nothing to be done" in snakemake(checkout, "-n", *targets)


def about_names(corpora):
    return {name for name, _ in corpora.values()}


PLANS = [
    # use, adapter, what is planned, what is not, and why
    ("words", "msrvtt", "results/grounding/captions.csv", "draw_words",
     "msrvtt has no phrases that are linked to boxes"),
    ("words", "flickr30k", "results/grounding/table5.csv", None, ""),
    ("words", "puppets", "results/grounding/table5.csv", None, ""),
    ("transfer", "ucf11", "results/table3.csv", None, ""),
    ("grounding", "ucf101", "results/grounding/table1.csv", "results/grounding/captions.csv",
     "ucf101 has no captions"),
    ("untrimmed", "thumos14", "data/untrimmed/corpus/clips.csv", "results/grounding/table3.csv",
     "the network learns the actions of grounding.corpus (puppets), and thumos14 has none"),
]  # fmt: skip


@pytest.mark.parametrize(("purpose", "name", "made", "refused", "why"), PLANS)
def test_each_admitted_corpus_is_planned_and_what_it_lacks_is_one_line(
    purpose, name, made, refused, why, checkout, tmp_path
):
    source = "data/puppets/trimmed"  # a world that the workflow makes for something else
    if name != "puppets":
        source = tmp_path / name
        next(iter(LAYOUTS[name].values()))(source)
    use(checkout, {purpose: (name, source)})
    output = snakemake(checkout, "-n", made)
    assert "Traceback" not in output
    assert "import_corpus" in ran(output)
    if refused is None:
        return
    output = snakemake(checkout, "-n", refused, check=False)
    (line,) = [line for line in output.splitlines() if line.startswith("params.yaml: ")]
    assert why in line
    assert "Traceback" not in output
    if name == "msrvtt":  # the rest of `all` is planned, and what is left out is said
        assert "left out: results/grounding/table5.csv, " in snakemake(checkout, "-n", "all")


def test_a_folder_too_small_for_table_2_is_told_and_captioned(checkout, tmp_path):
    source = tmp_path / "own"
    own_folder(source, counts={"train": 6, "val": 3, "test": 1})
    use(checkout, {"captioning": ("folder", source)})
    output = snakemake(checkout, "-n", "results/table2.csv", check=False)
    assert "captions.csv: 1 test clips with captions, and Table 2, for intervals, needs 2" in output
    assert "Traceback" not in output
    (checkout / "corrections.yaml").write_text("- {clip: test00064, topics: [spinning]}\n")
    snakemake(checkout, "-n", "results/captions/captioner/I-seed0.test.jsonl")
    output = snakemake(checkout, "-n", check=False)
    assert "corrections.yaml: test00064: the corpus (folder) has no such clip" in output
    assert "Traceback" not in output
