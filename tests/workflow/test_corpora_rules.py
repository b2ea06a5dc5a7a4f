"""Every video adapter through the rules, on tiny sets in their layouts; and what each lacks."""

import json

import pytest
import yaml
from checkouts import make_checkout, ran, snakemake, write_params
from layouts import LAYOUTS, own_folder

from seewhy.corpora.canonical import read_csv, read_table
from seewhy.frames import sample_frames

# In a run each use of a corpus has one of its adapters, so that a few runs have them all; then what
# is planned of them, and what is refused, and why.
RUNS = [
    (
        {
            "captioning": ("msvd", "its own"),
            "transfer": ("ucf11", "one folder deeper"),
            "grounding": ("ucf101", "annotations and videos"),
            "untrimmed": ("thumos14", "as unpacked"),
            "words": ("flickr30k", "its own"),
        },
        [
            *("results/table2.csv", "results/table3.csv", "results/gradcam/table1.csv"),
            *(f"results/grounding/table{number}.csv" for number in (1, 2, 3, 4, 5)),
        ],
        None,
        "",
    ),
    (
        {"captioning": ("msrvtt", "Frozen in Time"), "words": ("msrvtt", "its own")},
        ["results/table2.csv", "results/grounding/captions.csv"],
        "draw_words",
        "msrvtt has no phrases that are linked to boxes",
    ),
    (
        {"captioning": ("folder", "dealt out"), "grounding": ("ucf101", "its own")},
        ["results/captions/captioner/I-seed0.test.jsonl", "results/grounding/table1.csv"],
        "results/grounding/captions.csv",
        "ucf101 has no captions",
    ),
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


@pytest.mark.parametrize(("corpora", "made", "refused", "why"), RUNS)
def test_every_adapter_is_imported_and_planned_and_what_it_lacks_is_one_line(
    corpora, made, refused, why, checkout, tmp_path
):
    sources = {}
    for purpose, (name, layout) in corpora.items():
        LAYOUTS[name][layout](tmp_path / purpose)
        sources[purpose] = (name, tmp_path / purpose)
    use(checkout, sources)
    output = snakemake(checkout, *(f"data/{purpose}/corpus/corpus.json" for purpose in corpora))
    assert "Traceback" not in output
    for purpose, (name, _) in corpora.items():
        folder = checkout / f"data/{purpose}/corpus"
        assert json.loads((folder / "corpus.json").read_text())["name"] == name
        assert set(read_table(folder, "clips")["split"]) == {"train", "val", "test"}
        if purpose in FRAMED:
            report = tmp_path / f"{purpose}.csv"
            sample_frames(folder, tmp_path / f"{purpose}.h5", report, split="train", n=2, size=32)
            assert read_csv(report).empty  # every train clip could be read
    output = snakemake(checkout, "-n", *made)
    assert "Traceback" not in output
    if "untrimmed" in corpora:  # no use is left to the worlds of puppets
        assert not ran(output) & {"import_corpus", "render_puppets", "render_untrimmed"}
    if refused is None:
        return
    output = snakemake(checkout, "-n", refused, check=False)
    remark = "only these are used"  # of the tiny settings' seeds; it refuses nothing
    said = [line for line in output.splitlines() if line.startswith("params.yaml: ")]
    (line,) = [line for line in said if not line.endswith(remark)]
    assert why in line
    assert "Traceback" not in output
    if "words" in corpora:  # the rest of `all` is planned, and what is left out is said
        assert "left out: results/grounding/table5.csv, " in snakemake(checkout, "-n", "all")


def test_words_may_be_those_of_any_world_that_the_workflow_makes(checkout):
    use(checkout, {"words": ("puppets", "data/puppets/trimmed")})
    assert {"render_puppets", "import_corpus"} <= ran(
        snakemake(checkout, "-n", "results/grounding/table5.csv")
    )


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
