"""Topics of the real MSVD captions: coherent, and those of the captioning paper's Table 1."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seewhy.corpora.canonical import write_tables
from seewhy.files import read_json
from seewhy.text.mining import mine_topics
from seewhy.text.vectors import read_topic_vectors

MSVD = Path(__file__).parents[3] / "shared" / "data" / "msvd"
CAPTIONS = {split: MSVD / f"sents_{split}_lc_nopunc.txt" for split in ("train", "val")}
pytestmark = pytest.mark.skipif(
    not all(path.exists() for path in CAPTIONS.values()), reason=f"no MSVD captions in {MSVD}"
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("msvd")
    rows = [
        (*line.split("\t"), split)
        for split, path in CAPTIONS.items()
        for line in path.read_text().splitlines()
    ]
    table = pd.DataFrame(rows, columns=["clip", "text", "split"])
    clips = table[["clip", "split"]].drop_duplicates().assign(video="absent.avi")
    captions = table[["clip", "text"]].assign(caption=[f"c{i}" for i in range(len(table))])
    write_tables(folder, {"clips": clips, "captions": captions})
    return folder


@pytest.mark.parametrize("engine", ["gibbs", "variational"])
def test_topics_of_msvd(corpus, tmp_path, engine):
    topics = mine_topics(
        corpus,
        topics_path=tmp_path / "topics.json",
        vectors_path=tmp_path / "topic_vectors.csv",
        table_path=tmp_path / "table1.csv",
        metrics_path=tmp_path / "metrics.json",
        engine=engine,
    )
    metrics = read_json(tmp_path / "metrics.json")
    assert metrics["documents"] == 1200
    assert metrics["coherence_npmi"] >= (0.14 if engine == "gibbs" else 0.08)
    assert 2 < metrics["topics_per_clip"]["train"] < 8
    # A held-out clip has about as many topics as one that the sampler saw.
    assert metrics["topics_per_clip"]["val"] == pytest.approx(
        metrics["topics_per_clip"]["train"], rel=0.25
    )
    if engine == "gibbs":
        assert metrics["stability_jaccard"]["share"] > 0.75
        assert metrics["stability_jaccard"]["share"] > metrics["stability_jaccard"]["any"] + 0.1
    # Table 1 of the paper: of each row the first words lead a topic here.
    top = [words[:5] for words in topics.top_words(5)]
    for first, second in [
        ("people", "group"),
        ("woman", "lady"),
        ("man", "guy"),
        ("dancing", "dance"),
        ("walking", "walks"),
        ("eating", "eats"),
        ("playing", "plays"),
    ]:
        assert any({first, second} <= set(words) for words in top), (first, second)
    for word in ("dog", "cat", "grass"):
        assert any(word in words[:2] for words in top), word
    # A held-out clip's topics are what its captions say: one of the topic's three top words.
    vectors = read_topic_vectors(tmp_path / "topic_vectors.csv", split="val")
    assert vectors.shape == (100, 100)
    captions = pd.read_csv(corpus / "captions.csv").groupby("clip")["text"].agg(" ".join)
    said = [set(captions[clip].split()) for clip in vectors.index]
    says = np.array([[not words.isdisjoint(t) for t in topics.top_words(3)] for words in said])
    s = vectors.to_numpy(bool)
    assert says[s].mean() > 0.85
    assert says[~s].mean() < 0.35
