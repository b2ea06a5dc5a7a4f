"""Topics: measures against literal loops and gensim, engines against planted truth, files."""

import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from gensim.corpora import Dictionary
from gensim.models import CoherenceModel, LdaModel
from scipy.special import digamma

from seewhy.corpora.canonical import write_tables
from seewhy.errors import InputError
from seewhy.text.engines import GibbsEngine, VariationalEngine
from seewhy.text.measures import jaccard, npmi_coherence, topic_diversity
from seewhy.text.mining import find_topics, mine_topics
from seewhy.text.topics import Topics, fit_topics, topic_names
from seewhy.text.vectors import read_topic_vectors, topic_vectors

THEMES = {
    "dog": "dog barking tail puppy bone fetch",
    "cat": "cat paws licking kitten purring whiskers",
    "dance": "dancing stage music dances routine tango",
    "cook": "cooking pan stove frying chef onion",
}


def planted(clips: int = 80, seed: int = 0) -> tuple[list[list[str]], np.ndarray]:
    """Descriptions of clips with one or two themes each, and which, `[clips, themes]`."""
    rng = np.random.default_rng(seed)
    words = [theme.split() for theme in THEMES.values()]
    truth = np.zeros((clips, len(words)), bool)
    descriptions = []
    for clip in range(clips):
        truth[clip, rng.choice(len(words), size=rng.integers(1, 3), replace=False)] = True
        present = np.flatnonzero(truth[clip])
        descriptions.append(
            [
                "The " + " and the ".join(rng.choice(words[rng.choice(present)], size=4)) + "."
                for _ in range(8)
            ]
        )
    return descriptions, truth


SETTINGS = {"n_topics": 4, "min_df": 2, "iterations": 100, "seed": 1}


@pytest.fixture(scope="module", params=["gibbs", "variational"])
def fitted(request):
    descriptions, truth = planted()
    topics, counts = fit_topics(descriptions, engine=request.param, **SETTINGS)
    return topics, counts, descriptions, truth


# Measures


def literal_npmi(topic: list[str], documents: list[set[str]]) -> float:
    values = []
    for a, b in itertools.combinations(topic, 2):
        both = sum(a in d and b in d for d in documents) / len(documents)
        p_a = sum(a in d for d in documents) / len(documents)
        p_b = sum(b in d for d in documents) / len(documents)
        if both == 0:
            values.append(-1.0)
        elif both == 1:
            values.append(1.0)
        else:
            values.append(np.log(both / (p_a * p_b)) / -np.log(both))
    return sum(values) / len(values)


def random_documents(seed: int, size: int = 12) -> list[list[str]]:
    rng = np.random.default_rng(seed)
    words = list("abcdefghij")
    return [["always", *rng.choice(words, size=rng.integers(2, size))] for _ in range(60)]


def test_npmi_equals_the_literal_loop():
    documents = random_documents(0, size=4)
    topics = [["a", "b", "c", "never"], ["always", "d", "e"], [*"fghij", "a", "b", "c", "d", "e"]]
    expected = [literal_npmi(topic, [set(d) for d in documents]) for topic in topics]
    np.testing.assert_allclose(npmi_coherence(topics, documents), expected, atol=1e-12)
    assert npmi_coherence([["a", "never"]], documents)[0] == -1.0
    assert npmi_coherence([["a", "b", "c"]], documents, top=2)[0] == pytest.approx(
        literal_npmi(["a", "b"], [set(d) for d in documents])
    )


def test_npmi_equals_gensims_where_every_pair_meets():
    documents = random_documents(1)
    topics = [["a", "b", "c"], ["d", "e", "f", "g"]]
    theirs = CoherenceModel(
        topics=topics,
        texts=documents,
        dictionary=Dictionary(documents),
        coherence="c_npmi",
        window_size=1000,  # a window holds the whole document
        processes=1,
    ).get_coherence_per_topic()
    np.testing.assert_allclose(npmi_coherence(topics, documents), theirs, atol=1e-9)


def test_diversity_and_jaccard():
    assert topic_diversity([["a", "b"], ["a", "c"]]) == 0.75
    assert topic_diversity([["a", "b"], ["c", "b"]], top=1) == 1.0
    assert jaccard([[1, 1, 0]], [[1, 0, 1]]) == pytest.approx(1 / 3)
    assert jaccard([[0]], [[0]]) == 1.0


def test_measures_refuse_nonsense():
    with pytest.raises(InputError, match="there are no documents"):
        npmi_coherence([["a", "b"]], [])
    with pytest.raises(InputError, match="topic 1 has fewer than two words"):
        npmi_coherence([["a", "b"], ["a"]], [["a"]])


# Topic vectors


def test_rules_follow_a_literal_count():
    rng = np.random.default_rng(0)
    counts = rng.multinomial(140, rng.dirichlet(np.full(12, 0.3), size=30)[0], size=30)
    counts[0] = 0
    counts[1] = [7, 133, *[0] * 10]  # exactly 5%
    counts[2] = [6, 134, *[0] * 10]
    for rule in ("share", "any"):
        s = topic_vectors(counts, rule=rule)
        for clip, row in enumerate(counts):
            for topic, tokens in enumerate(row):
                share = tokens * 20 >= row.sum() and row.sum() > 0  # in whole numbers
                assert s[clip, topic] == (share if rule == "share" else tokens > 0)
    assert list(topic_vectors(counts)[1][:2]) == [1, 1]
    assert list(topic_vectors(counts)[2][:2]) == [0, 1]


def test_rules_refuse_nonsense():
    with pytest.raises(InputError, match="topic rule 'most': unknown; it is one of share, any"):
        topic_vectors(np.ones((1, 2)), rule="most")
    with pytest.raises(InputError, match=r"min_share \(0\): must be above 0"):
        topic_vectors(np.ones((1, 2)), min_share=0)


def test_names_are_top_words_and_unique():
    top = [["man", "guy"], ["man", "guy"], ["dog", "tail"], ["man", "child"], ["clip", "video"]]
    assert topic_names(top, [1, 5, 1, 3, 1]) == ("man_guy", "man", "dog", "man_child", "clip_video")
    same = topic_names([["a", "b"]] * 4, [4, 3, 2, 1])
    assert same == ("a", "a_b", "a_2", "a_3")


# Engines


def test_planted_topics_are_recovered(fitted):
    topics, counts, _, truth = fitted
    themes = [set(theme.split()) for theme in THEMES.values()]
    top = [set(words) for words in topics.top_words(6)]
    match = [themes.index(words) for words in top]  # each topic is a theme, whole
    assert sorted(match) == [0, 1, 2, 3]
    s = topic_vectors(counts[0], rule="share")
    assert (s.astype(bool) == truth[:, match]).mean() > 0.97


def test_new_clips_are_read_with_the_topics_fixed(fitted):
    topics, _, _, _ = fitted
    themes = [set(theme.split()) for theme in THEMES.values()]
    match = [themes.index(set(words)) for words in topics.top_words(6)]
    fresh, truth = planted(clips=40, seed=9)
    counts = topics.token_counts(fresh)
    assert (topic_vectors(counts).astype(bool) == truth[:, match]).mean() > 0.97
    tokens = [
        sum(w in topics.words for t in texts for w in t.lower()[:-1].split()) for texts in fresh
    ]
    np.testing.assert_allclose(counts.sum(1), tokens, rtol=1e-6)
    # Alone, in company or in another order: the same.
    np.testing.assert_array_equal(topics.token_counts(fresh[::-1])[::-1], counts)
    np.testing.assert_array_equal(topics.token_counts(fresh[7:8])[0], counts[7])


def test_clips_without_known_words_have_no_topic(fitted):
    topics, _, _, _ = fitted
    counts = topics.token_counts([["an unknown thing"], [], ["the dog barking"]])
    assert counts.shape == (3, 4)
    assert not counts[:2].any()
    np.testing.assert_array_equal(topic_vectors(counts).any(1), [False, False, True])


def test_same_seed_same_topics_and_another_seed_others(fitted):
    topics, counts, descriptions, _ = fitted
    engine = topics.settings["engine"]
    again, counts_again = fit_topics(descriptions, engine=engine, **SETTINGS)
    np.testing.assert_array_equal(again.topic_word, topics.topic_word)
    for one, other in zip(counts, counts_again, strict=True):
        np.testing.assert_array_equal(one, other)
    different, _ = fit_topics(descriptions, engine=engine, **{**SETTINGS, "seed": 2})
    assert not np.array_equal(different.topic_word, topics.topic_word)


def test_topics_survive_saving(fitted, tmp_path: Path):
    topics, _, descriptions, _ = fitted
    topics.save(tmp_path / "topics.json")
    loaded = Topics.load(tmp_path / "topics.json")
    assert (loaded.names, loaded.words) == (topics.names, topics.words)
    assert dict(loaded.settings) == dict(topics.settings)
    np.testing.assert_array_equal(loaded.topic_word, topics.topic_word)
    np.testing.assert_array_equal(
        loaded.token_counts(descriptions[:9]), topics.token_counts(descriptions[:9])
    )
    first = json.loads((tmp_path / "topics.json").read_text())["topics"][0]
    assert first["words"][0][0] == topics.top_words(1)[0][0]
    assert first["words"][0][1] == pytest.approx(topics.topic_word[0].max(), abs=1e-6)
    np.testing.assert_allclose(topics.topic_word.sum(1), 1, atol=1e-5)


def test_gibbs_counts_are_whole_and_differ_between_samples():
    descriptions, _ = planted()
    _, counts = fit_topics(descriptions, n_topics=8, min_df=2, iterations=20, seed=0)
    assert len(counts) == 2
    assert all(sample.dtype == np.int64 for sample in counts)
    np.testing.assert_array_equal(counts[0].sum(1), counts[1].sum(1))
    assert (counts[0] != counts[1]).any()


def test_gibbs_on_words_without_structure():
    rng = np.random.default_rng(0)
    documents = [list(rng.choice(list("abcdefghij"), size=30)) for _ in range(40)]
    settings = {"n_topics": 5, "alpha": 0.1, "eta": 0.01, "iterations": 40, "seed": 1}
    engine, counts, _ = GibbsEngine.fit(documents, **settings)
    # Here every token is a toss-up, so that company would show in a clip's counts.
    inferred = engine.token_counts(documents)
    np.testing.assert_array_equal(engine.token_counts(documents[::-1])[::-1], inferred)
    np.testing.assert_array_equal(engine.token_counts(documents[20:21])[0], inferred[20])
    _, fixed, _ = GibbsEngine.fit(documents, **settings, optimise_alpha=False)
    assert (fixed != counts).any()


def test_gibbs_topic_word_is_the_smoothed_count():
    documents = [["dog", "tail", "dog"], ["cat", "paw"], ["cat", "dog"]] * 10
    engine, counts, _ = GibbsEngine.fit(
        documents, n_topics=2, alpha=0.1, eta=0.5, iterations=30, seed=3, optimise_alpha=False
    )
    words = ["cat", "dog", "paw", "tail"]
    phi = engine.topic_word(words)
    tokens = counts.sum(0)  # n_k; phi_kw = (n_kw + eta) / (n_k + V eta)
    n_kw = phi * (tokens[:, None] + 4 * 0.5) - 0.5
    np.testing.assert_allclose(n_kw, np.round(n_kw), atol=1e-3)
    assert [round(n) for n in n_kw.sum(0)] == [20, 30, 10, 10]


def test_variational_counts_equal_gensims_and_a_literal_sum():
    rng = np.random.default_rng(0)
    words = [f"w{i:02d}" for i in range(15)]
    lambda_, alpha = rng.gamma(2.0, size=(3, 15)), np.array([0.3, 1.0, 2.0])
    document = list(rng.choice(words[:10], size=12))
    engine = VariationalEngine(lambda_, alpha, words)
    counts = engine.token_counts([document], iterations=5000, tolerance=1e-12)[0]

    dictionary = Dictionary([words])
    order = [words.index(dictionary[i]) for i in range(15)]
    model = LdaModel(
        id2word=dictionary,
        num_topics=3,
        alpha=alpha,
        iterations=5000,
        gamma_threshold=1e-12,
        dtype=np.float64,
    )
    model.state.sstats[:] = lambda_[:, order] - model.eta
    model.sync_state()
    gamma = model.inference([dictionary.doc2bow(document)])[0][0]
    np.testing.assert_allclose(counts, gamma - alpha, atol=1e-6)

    total = np.zeros(3)
    for word in document:
        column = words.index(word)
        r = np.exp(digamma(gamma) + digamma(lambda_[:, column]) - digamma(lambda_.sum(1)))
        total += r / r.sum()
    np.testing.assert_allclose(counts, total, atol=1e-6)


def test_dictionary_rules():
    texts = ["The man runs", "A man is a runner by the fire", "man q", "woman runs"]
    descriptions = [[text] for text in texts * 3]
    descriptions[0].append("alpha beta gamma delta epsilon zeta eta theta rare")  # 12 clips in all
    descriptions[1].append("alpha beta gamma delta epsilon zeta eta theta")

    def words(**settings) -> set[str]:
        plain = {"n_topics": 2, "iterations": 1, "min_df": 2, "max_df": 1.0, "min_word_length": 1}
        return set(fit_topics(descriptions, **plain | settings)[0].words)

    everything = words()
    assert {"man", "woman", "runs", "runner", "fire", "q", "alpha"} <= everything
    assert {"the", "is", "a", "by", "rare"}.isdisjoint(everything)  # stop words, and one too rare
    assert everything - words(kept_words=()) == {"fire"}
    assert everything - words(stop_words=["runner"]) == {"runner"}
    assert everything - words(min_word_length=2) == {"q"}
    assert everything - words(max_df=9 / 12) == set()  # "man": 9 of 12 clips
    assert everything - words(max_df=8 / 12) == {"man"}
    assert words(min_df=1) - everything == {"rare"}


def test_fit_errors_name_the_setting():
    descriptions, _ = planted(clips=20)
    for settings, message in [
        ({"engine": "lsa"}, "topic engine 'lsa': unknown; it is one of gibbs, variational"),
        ({"n_topics": 1}, r"n_topics \(1\): out of range"),
        ({"alpha": 0}, r"alpha \(0\)"),
        ({"max_df": 1.5}, r"max_df \(1\.5\)"),
        ({"min_df": 100}, r"only 0 words .* 20 train clips .*min_df 100"),
        ({"passes": 3}, "the engine gibbs has no such setting .*passes"),
    ]:
        with pytest.raises(InputError, match=message):
            fit_topics(descriptions, **SETTINGS | settings)


def test_load_errors_name_the_file(tmp_path: Path):
    descriptions, _ = planted(clips=20)
    topics, _ = fit_topics(descriptions, **SETTINGS)
    path = tmp_path / "topics.json"
    with pytest.raises(InputError, match=r"topics\.json: no such file"):
        Topics.load(path)
    topics.save(path)
    with pytest.raises(InputError, match="topic 'zebra': there is none of this name"):
        topics.index("zebra")
    value = json.loads(path.read_text())
    path.write_text(json.dumps(value | {"settings": value["settings"] | {"version": "0.0"}}))
    with pytest.raises(InputError, match=r"written with tomotopy 0\.0, and .* is installed"):
        Topics.load(path)
    path.write_text(json.dumps(value | {"vocabulary": value["vocabulary"][1:]}))
    with pytest.raises(InputError, match=r"topics\.h5: does not belong to .*topics\.json"):
        Topics.load(path)
    path.write_text("[]")
    with pytest.raises(InputError, match=r"topics\.json: not a file of topics"):
        Topics.load(path)


# The whole step


def corpus(folder: Path) -> Path:
    """40 train, 10 val, 10 test clips, one of them without captions."""
    descriptions, _ = planted(clips=60, seed=4)
    names = [f"clip{i:02d}" for i in range(60)]
    splits = ["train"] * 40 + ["val"] * 10 + ["test"] * 10
    captions = [
        (f"{name}-{k}", name, text, k != 0)
        for name, texts in zip(names, descriptions, strict=True)
        if name != "clip45"
        for k, text in enumerate(texts)
    ]
    write_tables(
        folder,
        {
            "clips": pd.DataFrame({"clip": names, "split": splits, "video": "x.mp4"}),
            "captions": pd.DataFrame(captions, columns=["caption", "clip", "text", "correct"]),
        },
    )
    return folder


def mine(folder: Path, out: Path, **settings) -> Topics:
    return mine_topics(
        folder,
        topics_path=out / "topics.json",
        vectors_path=out / "topic_vectors.csv",
        table_path=out / "table1.csv",
        metrics_path=out / "topics_metrics.json",
        **SETTINGS | settings,
    )


def test_mining_writes_what_downstream_reads(tmp_path: Path):
    topics = mine(corpus(tmp_path / "corpus"), tmp_path)
    vectors = read_topic_vectors(tmp_path / "topic_vectors.csv")
    assert vectors.shape == (59, 4)
    assert tuple(vectors.columns) == topics.names
    assert "clip45" not in vectors.index
    assert set(read_topic_vectors(tmp_path / "topic_vectors.csv", split="test").index) == {
        f"clip{i}" for i in range(50, 60)
    }
    table = pd.read_csv(tmp_path / "table1.csv")
    assert list(table.columns) == ["topic", "name", "words", "clips", "coherence"]
    assert table["clips"].is_monotonic_decreasing
    for _, row in table.iterrows():
        assert row["name"] == topics.names[row["topic"]]
        assert row["words"].split(", ") == topics.top_words(5)[row["topic"]]
        train = read_topic_vectors(tmp_path / "topic_vectors.csv", split="train")
        assert row["clips"] == pytest.approx(train[row["name"]].mean(), abs=1e-4)
    metrics = json.loads((tmp_path / "topics_metrics.json").read_text())
    assert metrics["documents"] == 40
    assert metrics["vocabulary"] == len(topics.words) == 24
    assert metrics["coherence_npmi"] == pytest.approx(table["coherence"].mean(), abs=1e-3)
    assert set(metrics["topics_per_clip"]) == {"train", "val", "test"}
    assert metrics["stability_jaccard"]["share"] > 0.9
    assert Topics.load(tmp_path / "topics.json").names == topics.names


def test_mining_twice_gives_the_same_bytes(tmp_path: Path):
    folder = corpus(tmp_path / "corpus")
    for out in ("one", "two"):
        mine(folder, tmp_path / out)
    for name in ("topics.json", "topics.h5", "topic_vectors.csv", "table1.csv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_the_variational_engine_mines_too(tmp_path: Path):
    mine(corpus(tmp_path / "corpus"), tmp_path, engine="variational", rule="any")
    metrics = json.loads((tmp_path / "topics_metrics.json").read_text())
    assert (metrics["engine"], metrics["rule"]) == ("variational", "any")
    assert "stability_jaccard" not in metrics


def test_held_out_captions_do_not_touch_the_topics(tmp_path: Path):
    folder = corpus(tmp_path / "corpus")
    topics = mine(folder, tmp_path / "one")
    captions = pd.read_csv(folder / "captions.csv")
    held_out = captions["clip"] >= "clip40"
    captions.loc[held_out, "text"] = "spaceship alien " * 9
    captions.to_csv(folder / "captions.csv", index=False)
    np.testing.assert_array_equal(mine(folder, tmp_path / "two").topic_word, topics.topic_word)


def test_mining_errors_leave_nothing_behind(tmp_path: Path):
    folder = corpus(tmp_path / "corpus")
    with pytest.raises(InputError, match="topic rule 'some'"):
        mine(folder, tmp_path / "out", rule="some")
    (folder / "captions.csv").unlink()
    with pytest.raises(InputError, match="no clip of the train split has captions"):
        mine(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_reading_vectors_refuses_other_files(tmp_path: Path):
    path = tmp_path / "v.csv"
    for text, message in [
        ("a,b\n1,2\n", "not topic vectors"),
        ("clip,split,dog\nx,train,1\nx,train,0\n", "or twice"),
        ("clip,split,dog\nx,train,0.5\n", "not 0 or 1"),
        ("clip,split,dog\nx,train,\n", "not 0 or 1"),
    ]:
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            read_topic_vectors(path)
    path.write_text("clip,split,dog\nx,train,1\n")
    with pytest.raises(InputError, match="no clips of the split val"):
        read_topic_vectors(path, split="val")


def test_topics_found_later_are_those_found_at_once(tmp_path: Path):
    """Mined from the train split's own tables, then looked for in the others: the same bytes."""
    folder = corpus(tmp_path / "corpus")
    mine(folder, tmp_path / "whole")
    clips, captions = (pd.read_csv(folder / f"{name}.csv") for name in ("clips", "captions"))
    for split in ("train", "val", "test"):
        own = clips[clips["split"] == split]
        (tmp_path / split).mkdir()
        own.to_csv(tmp_path / split / "clips.csv", index=False)
        said = captions[captions["clip"].isin(own["clip"])]
        said.to_csv(tmp_path / split / "captions.csv", index=False)
    out = tmp_path / "parts"
    mine(tmp_path / "train", out)
    find_topics(
        {split: tmp_path / split for split in ("val", "test")},
        topics_path=out / "topics.json",
        train_vectors=out / "topic_vectors.csv",
        train_metrics=out / "topics_metrics.json",
        vectors_path=out / "vectors.csv",
        metrics_path=out / "metrics.json",
    )
    for part, whole in (
        ("topics.json", "topics.json"),
        ("vectors.csv", "topic_vectors.csv"),
        ("metrics.json", "topics_metrics.json"),
        ("table1.csv", "table1.csv"),
    ):
        assert (out / part).read_bytes() == (tmp_path / "whole" / whole).read_bytes()
