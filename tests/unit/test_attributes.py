"""Visual attributes: hand-worked captions for each rule, TF/IDF by hand, files, sentences."""

import json
import shutil
from collections import Counter

import nltk
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk import RegexpParser
from nltk.tag.perceptron import PerceptronTagger

from seewhy.corpora.canonical import write_tables
from seewhy.errors import InputError
from seewhy.text import tagging
from seewhy.text.attribute_mining import mine_attributes
from seewhy.text.attributes import PRIORS, Attributes, extract_attributes, settings_of
from seewhy.text.chunking import PAPER_RULES, Phrase, Rules, phrases_of, singular
from seewhy.text.sentences import merge, readable, sentence, with_article
from seewhy.text.tagging import NLTK_DATA, NLTKTagger, sentences_of, tagger_named


def said(caption, **rules):
    """Attributes of a caption by the default rules, as one text."""
    tagger = tagger_named("textblob")
    chosen = Rules(**rules)
    tagged = [tagger.tag(tokens) for tokens in sentences_of(caption)]
    return ", ".join(str(p) for sentence_ in tagged for p in phrases_of(sentence_, chosen))


# Rules


@pytest.mark.parametrize(
    ("caption", "attributes"),
    [
        ("A bird with a long yellow bill.", "long bill, yellow bill"),
        ("black and white wings", "black wings, white wings"),
        ("black, white, and grey wings", "black wings, white wings, grey wings"),
        ("a white belly, breast and throat", "white belly, white breast, white throat"),
        ("a red eye and a black bill", "red eye, black bill"),
        # A list that runs into its own clause is not the first adjective's.
        ("a black head and wings that are brown", "black head, brown wings"),
        # The bird's own adjectives are not its parts'.
        ("a black bird and wings", "black bird"),
        ("this bird has wings that are grey and white", "grey wings, white wings"),
        ("its crown is yellow", "yellow crown"),
        ("the head and crown are red", "red head, red crown"),
        ("the head and crown is red", "red crown"),
        ("the wings are grey, yellow belly", "grey wings, yellow belly"),
        ("this bird is all black", "black bird"),
        ("the bill is not long", ""),
        ("the tip of the bill is black", ""),  # it is the tip that is black
        ("light brown wings with dark spots", "light brown wings, dark spots"),
        ("black eye rings and long tail feathers", "black eye rings, long tail feathers"),
        ("three small webbed feet", "small feet, webbed feet"),
        ("a speckled back and a spotted wing", "speckled back, spotted wing"),
        ("a medium sized bird with brightly colored wings", "medium bird, brightly colored wings"),
        ("a medium-sized black-and-white bird", "medium bird, black bird, white bird"),
        ("white-tipped wings, a cone shaped bill", "white-tipped wings, cone-shaped bill"),
        ("a white breasted bird", "white breast"),
        ("a small yellow-bellied bird", "yellow belly"),
        ("a white belly bird", "white belly"),
        ("a black color bird", "black bird"),
        ("a long birds bill", "long bill"),
        ("black/white wings", "black wings, white wings"),
        ("a bird. long bill", "long bill"),  # sentences do not reach into each other
        ("", ""),
        ("has has has", ""),
    ],
)
def test_the_default_rules(caption, attributes):
    assert said(caption) == attributes


@pytest.mark.parametrize(
    ("rules", "caption", "attributes"),
    [
        ({"conjunctions": "none"}, "black and white wings", "white wings"),
        ({"conjunctions": "adjectives"}, "white belly and breast", "white belly"),
        ({"predicative": False}, "wings that are grey", ""),
        ({"compounds": "split"}, "light brown wings", "light wings, brown wings"),
        ({"compounds": "base"}, "light brown wings", "brown wings"),
        ({"noun_compounds": False}, "black eye rings", "black rings"),
        ({"split_hyphens": False}, "light-brown wings", "light-brown wings"),
    ],
)
def test_each_rule_can_be_changed(rules, caption, attributes):
    assert said(caption, **rules) == attributes
    assert said(caption) != attributes


def test_the_papers_rule_is_the_plain_chunker():
    """Against NLTK's chunker with the rule as the paper says it, on sequences of tags."""
    chunker = RegexpParser("NP: {<JJ.*>+<NN.*>+}")
    rng = np.random.default_rng(0)
    tags = ["JJ", "JJR", "NN", "NNS", "DT", "CC", ",", "VBZ", "RB"]
    for _ in range(200):
        tagged = [(f"w{i}", tag) for i, tag in enumerate(rng.choice(tags, size=12))]
        expected = []
        for chunk in chunker.parse(tagged).subtrees(lambda tree: tree.label() == "NP"):
            leaves = chunk.leaves()
            expected += [(w, leaves[-1][0]) for w, tag in leaves if tag.startswith("JJ")]
        assert phrases_of(tagged, PAPER_RULES) == expected


WORDS = [
    "a",
    "the",
    "white",
    "long",
    "bill",
    "wings",
    "and",
    ",",
    "that",
    "are",
    "is",
    "with",
    "not",
]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(WORDS)))
def test_any_words_give_adjective_and_noun_of_the_caption(words):
    for name in said(" ".join(words)).split(", "):
        if name:
            adjective, *nouns = name.split()
            assert adjective in {"white", "long"} & set(words)
            assert set(nouns) <= {"bill", "wings"} & set(words)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_tagged_token_for_token(text):
    for tokens in sentences_of(text):
        tagged = tagger_named("textblob").tag(tokens)
        assert [word for word, _ in tagged] == tokens
        phrases_of(tagged, Rules())


def test_singulars():
    plurals = "wings eye rings feet plumage primaries rectrices grass tarsus iris branches"
    singulars = "wing eye ring foot plumage primary rectrix grass tarsus iris branch"
    assert " ".join(map(singular, plurals.split())) == singulars
    assert singular("eye rings") == "eye ring"


# Counts, worked out by hand

CAPTIONS = {
    "a": ["grey wings and a yellow bill", "gray wings", "a grey wing"],
    "b": ["a yellow beak", "a yellow bill"],
    "c": ["yellow beaks", "white wings"],
    "d": ["nothing to see"],
    "e": [],
}


@pytest.fixture(scope="module")
def mined():
    return extract_attributes(CAPTIONS, min_df=1, tagger="textblob")


def test_counts_support_and_idf_by_hand(mined):
    assert mined.names == ("yellow bill", "grey wings", "white wings")  # by support, then name
    assert mined.adjectives == ("yellow", "grey", "white")
    assert mined.phrases[0] == Phrase("yellow", "bill")
    np.testing.assert_array_equal(
        mined.counts.toarray(), [[1, 3, 0], [2, 0, 0], [1, 0, 1], [0, 0, 0], [0, 0, 0]]
    )
    assert mined.presence.dtype == bool
    np.testing.assert_array_equal(mined.presence.toarray(), mined.counts.toarray() > 0)
    np.testing.assert_array_equal(mined.support, [3, 1, 1])
    np.testing.assert_array_equal(mined.captions, [4, 3, 1])
    np.testing.assert_allclose(mined.idf, np.log([5 / 3, 5, 5]))


def test_the_prior_by_hand(mined):
    log = np.log
    by_hand = {
        "sum": [4 * log(5 / 3), 3 * log(5), 1 * log(5)],
        "mean": [4 / 3 * log(5 / 3), 3 * log(5), 1 * log(5)],
        "idf": [log(5 / 3), log(5), log(5)],
        "uniform": [1, 1, 1],
    }
    assert set(by_hand) == set(PRIORS)
    for rule, weights in by_hand.items():
        np.testing.assert_allclose(mined.prior(rule), np.array(weights) / sum(weights))
    everywhere = extract_attributes({"a": ["red bill"]}, min_df=1, tagger="textblob")
    np.testing.assert_array_equal(everywhere.prior(), [1.0])


def test_only_fitted_images_make_the_vocabulary_and_all_are_counted():
    attributes = extract_attributes(CAPTIONS, fitted={"b", "d"}, min_df=1, tagger="textblob")
    assert attributes.names == ("yellow bill",)
    np.testing.assert_array_equal(attributes.counts.toarray().ravel(), [1, 2, 1, 0, 0])
    np.testing.assert_array_equal(attributes.support, [1])
    np.testing.assert_allclose(attributes.idf, np.log([2]))


def test_settings_change_what_is_one_attribute():
    def names(**changes):
        return extract_attributes(CAPTIONS, min_df=1, tagger="textblob", **changes).names

    assert "gray wings" in names(adjective_synonyms={})
    assert "yellow beak" in names(noun_synonyms={})
    assert "grey wing" in names(merge_number=False)
    assert "grey wings" not in names(left_out_adjectives=["grey"])
    assert "yellow bill" not in names(left_out_nouns=["bill"])
    assert names(captions_per_image=1) == ("yellow bill", "grey wings")


@pytest.mark.parametrize("preset", ["default", "paper"])
def test_counting_against_a_literal_loop(preset):
    rng = np.random.default_rng(1)
    colours, parts = ["red", "blue", "green"], ["bill", "crown", "tail"]
    captions = {
        f"i{i}": [f"a {rng.choice(colours)} {rng.choice(parts)}" for _ in range(rng.integers(1, 9))]
        for i in range(30)
    }
    changes = {"min_df": 1, "captions_per_image": 5, "tagger": "textblob"}
    found = extract_attributes(captions, preset=preset, **changes)
    tf = [Counter(text[2:] for text in texts[:5]) for texts in captions.values()]
    support = Counter(name for image in tf for name in image)
    assert list(found.names) == sorted(support, key=lambda name: (-support[name], name))
    for k, image in enumerate(tf):
        for j, name in enumerate(found.names):
            assert found.counts[k, j] == image[name]
    weights = [
        sum(image[name] for image in tf) * np.log(30 / support[name]) for name in found.names
    ]
    np.testing.assert_allclose(found.prior(), np.array(weights) / sum(weights))


# Taggers


@pytest.fixture
def nltk_data(tmp_path, monkeypatch):
    """A tiny tagger where NLTK looks for its own, and nothing else."""
    tagger = PerceptronTagger(load=False)
    sentences = [
        [("a", "DT"), ("yellow", "JJ"), ("bill", "NN")],
        [("the", "DT"), ("long", "JJ"), ("grey", "JJ"), ("wings", "NNS")],
        [("a", "DT"), ("red", "JJ"), ("bill", "NN"), (".", ".")],
    ]
    tagger.train(sentences * 25)
    folder = tmp_path / "nltk_data" / "taggers" / NLTK_DATA
    folder.mkdir(parents=True)
    for name, value in zip(tagger.param_files("eng"), tagger.encode_json_obj(), strict=True):
        (folder / name).write_text(json.dumps(value))
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path / "nltk_data")])
    tagging.tagger_named.cache_clear()
    yield folder
    tagging.tagger_named.cache_clear()


@pytest.fixture
def no_nltk_data(tmp_path, monkeypatch):
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path / "empty")])
    tagging.tagger_named.cache_clear()
    yield
    tagging.tagger_named.cache_clear()


def test_nltks_tagger_is_taken_where_its_data_are(nltk_data):
    tagger = tagger_named("auto")
    assert tagger.name == "nltk"
    assert tagger.version.startswith(f"{nltk.__version__} data ")
    assert tagger.tag(["a", "red", "bill"]) == [("a", "DT"), ("red", "JJ"), ("bill", "NN")]
    there = nltk_data.parent / "textblob.h5"
    extract_attributes({"x": ["a red bill"]}, min_df=1, tagger="textblob").save(there)
    with pytest.raises(InputError, match=r"the tagger textblob .*, not nltk"):
        Attributes.load(there, tagger="auto")
    paper = extract_attributes(
        {"x": ["a long yellow bill."], "y": ["the red wings"]}, preset="paper"
    )
    assert paper.names == ("long bill", "red wings", "yellow bill")
    assert paper.tagger == f"nltk {tagger.version}"
    # The version tells other data apart.
    tagdict = nltk_data / "averaged_perceptron_tagger_eng.tagdict.json"
    tagdict.rename(nltk_data / "old")
    classes = nltk_data / "averaged_perceptron_tagger_eng.classes.json"
    tagdict.write_text("{}")
    assert NLTKTagger().version != tagger.version
    classes.write_text("[")
    with pytest.raises(InputError, match="cannot be read"):
        NLTKTagger()


def test_nltks_data_may_lie_zipped(nltk_data):
    plain = NLTKTagger().version
    shutil.make_archive(str(nltk_data), "zip", nltk_data.parent, NLTK_DATA)
    shutil.rmtree(nltk_data)
    assert NLTKTagger().version == plain


def test_without_the_data_textblob_tags_and_the_paper_says_what_to_do(no_nltk_data):
    assert tagger_named("auto").name == "textblob"
    with pytest.raises(InputError, match=rf"{NLTK_DATA} are not on this machine; install them"):
        extract_attributes(CAPTIONS, preset="paper")


# Files


def test_what_is_saved_is_what_is_loaded(mined, tmp_path):
    path = tmp_path / "attributes.h5"
    mined.save(path)
    loaded = Attributes.load(path, tagger="textblob", preset="default")
    for key in ("names", "adjectives", "nouns", "images", "tagger", "preset"):
        assert getattr(loaded, key) == getattr(mined, key)
    for key in ("fitted", "captions", "support", "idf"):
        np.testing.assert_array_equal(getattr(loaded, key), getattr(mined, key))
    assert (loaded.counts != mined.counts).nnz == 0
    assert loaded.settings["min_df"] == 1
    loaded.check_same(mined)
    before = path.read_bytes()
    extract_attributes(CAPTIONS, min_df=1, tagger="textblob").save(path)
    assert path.read_bytes() == before


def test_other_taggers_and_presets_do_not_mix(mined, tmp_path):
    path = tmp_path / "attributes.h5"
    mined.save(path)
    with pytest.raises(InputError, match=r"with the tagger textblob 0\.20\.1, not nltk"):
        Attributes.load(path, tagger="nltk")
    with pytest.raises(InputError, match=r"not textblob 0\.19\.0; artefacts of different taggers"):
        Attributes.load(path, tagger="textblob 0.19.0")
    with pytest.raises(InputError, match="the preset default, not paper"):
        Attributes.load(path, preset="paper")
    paper = extract_attributes(CAPTIONS, preset="paper", tagger="textblob")
    with pytest.raises(InputError, match=r"preset 'default' here and 'paper' in p\.h5"):
        mined.check_same(paper, what="p.h5")
    fewer = extract_attributes(CAPTIONS, min_df=2, tagger="textblob")
    with pytest.raises(InputError, match="not those of the other file"):
        mined.check_same(fewer)


def test_a_damaged_file_is_named(mined, tmp_path):
    path = tmp_path / "attributes.h5"
    with pytest.raises(InputError, match="no such file"):
        Attributes.load(path)
    mined.save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError, match="not a whole HDF5 file"):
        Attributes.load(path)


def corpus_of(folder):
    clips = pd.DataFrame(
        [(image, "test" if image == "c" else "train", f"{image}.jpg") for image in CAPTIONS],
        columns=["clip", "split", "video"],
    )
    texts = [(image, text) for image, texts in CAPTIONS.items() for text in texts]
    captions = pd.DataFrame(texts, columns=["clip", "text"])
    captions.insert(0, "caption", [f"c{i}" for i in range(len(captions))])
    write_tables(folder, {"clips": clips, "captions": captions})
    return folder


def test_mining_a_corpus_writes_file_table_and_figure(tmp_path):
    paths = {
        "attributes_path": tmp_path / "out" / "attributes.h5",
        "table_path": tmp_path / "out" / "attributes.csv",
        "figure_path": tmp_path / "out" / "attributes.png",
    }
    settings_ = {"min_df": 1, "tagger": "textblob"}
    found = mine_attributes(corpus_of(tmp_path / "corpus"), **paths, **settings_)
    assert found.images == ("a", "b", "c", "d")
    np.testing.assert_array_equal(found.fitted, [True, True, False, True])
    assert found.names == ("yellow bill", "grey wings")  # white wings are a test image's
    table = pd.read_csv(paths["table_path"])
    assert " ".join(table) == "attribute adjective noun images captions idf prior"
    assert table["images"].tolist() == [2, 1]
    assert table["captions"].tolist() == [3, 3]
    np.testing.assert_allclose(table["idf"], np.log([3 / 2, 3]), atol=1e-4)
    assert paths["figure_path"].stat().st_size > 1000
    first = {path: path.read_bytes() for path in paths.values()}
    split_of = {image: "test" if image == "c" else "train" for image in CAPTIONS}
    mapping = {image: texts for image, texts in CAPTIONS.items() if texts}
    mine_attributes(mapping, split_of=split_of, **paths, **settings_)
    assert first == {path: path.read_bytes() for path in paths.values()}


def test_errors_name_the_setting(mined, tmp_path):
    for changes, message in [
        ({"preset": "papre"}, "preset 'papre': unknown; it is one of default, paper"),
        ({"min_dff": 3}, "no setting min_dff; there are .*min_df"),
        ({"min_df": 0}, r"min_df \(0\) must be at least 1"),
        ({"captions_per_image": 0}, r"captions_per_image \(0\)"),
        ({"splits": ["tarin"]}, r"splits \['tarin'\]: name one or more of train, val, test"),
        ({"conjunctions": "some"}, "conjunctions 'some' is unknown; it is one of none"),
        ({"compounds": "some"}, "compounds 'some'"),
        ({"tagger": "spacy"}, "tagger 'spacy': unknown; it is one of auto, nltk, textblob"),
        ({"min_df": 4}, r"none is in the captions of min_df \(4\) of the 5 images"),
    ]:
        with pytest.raises(InputError, match=message):
            extract_attributes(CAPTIONS, **{"tagger": "textblob", **changes})
    with pytest.raises(InputError, match="prior 'tf': unknown"):
        mined.prior("tf")
    with pytest.raises(InputError, match=r"'red bill': there is none .* there are yellow bill"):
        mined.index("red bill")
    assert mined.index("grey wings") == 1
    paths = dict.fromkeys(("attributes_path", "table_path", "figure_path"), tmp_path / "x")
    with pytest.raises(InputError, match="no split of the image a"):
        mine_attributes(CAPTIONS, split_of={}, **paths)
    with pytest.raises(InputError, match="no image of the splits val has captions"):
        mine_attributes(CAPTIONS, splits=["val"], **paths)
    assert not (tmp_path / "x").exists()


def test_the_papers_preset_is_the_papers():
    paper = settings_of("paper")
    assert (paper.tagger, paper.captions_per_image, paper.min_df) == ("nltk", 5, 1)
    assert set(paper.splits) == {"train", "val", "test"}
    assert settings_of("default", min_df=2).min_df == 2


# Sentences

RANKED = [("black", "wings"), ("long", "bill"), ("white", "wings"), ("orange", "throat")]


def test_adjectives_of_a_noun_are_merged_in_rank_order():
    assert [str(p) for p in merge(RANKED)] == [
        "black and white wings",
        "long bill",
        "orange throat",
    ]
    assert merge([*RANKED, ("red", "wings"), ("black", "wings")])[0] == (
        "black, white and red",
        "wings",
    )
    assert merge([]) == []


@pytest.mark.parametrize(
    ("class_name", "attributes", "expected"),
    [
        (
            "001.Black_footed_Albatross",
            RANKED,
            "This is a Black-footed Albatross because it has black and white wings, a long bill, "
            "and an orange throat.",
        ),
        ("029.American_Crow", RANKED[1:2], "This is an American Crow because it has a long bill."),
        (
            "Cardinal",
            [("small", "bird"), ("red", "plumage"), ("red", "bird"), ("webbed", "feet")],
            "This is a Cardinal because it is small and red and has red plumage and webbed feet.",
        ),
        ("Tern", [("small", "bird")], "This is a Tern because it is small."),
    ],
)
def test_the_sentence(class_name, attributes, expected):
    assert sentence(class_name, attributes) == expected


def test_articles_and_class_names():
    assert with_article(Phrase("uniform", "wing")) == "a uniform wing"
    assert with_article(Phrase("unusual", "eye ring")) == "an unusual eye ring"
    assert readable("022.Chuck_will_Widow") == "Chuck will Widow"
    assert readable("126.Nelson_Sharp_tailed_Sparrow") == "Nelson Sharp-tailed Sparrow"
    assert readable("red cross") == "red cross"
    with pytest.raises(InputError, match="'Tern' has no attributes"):
        sentence("Tern", [])
