"""What can be made of the corpora in use, told when the work is planned, not after the training.

Two kinds of things are found out from the settings and from a person's own `captions.csv` alone:

- what makes the captioning impossible (`check_own`): no words for topics, no caption that the
  captioner could learn, no video;
- which results a corpus does not allow (`lacking`): intervals over a single clip, phrases of a data
  set that has none.

Light on purpose: the workflow reads it at every start.
"""

from __future__ import annotations

import difflib
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from seewhy.corpora.layout import Tree
from seewhy.corpora.own import SPLITS, OwnClips, read_own
from seewhy.errors import InputError
from seewhy.scaled_defaults import least_clips_of_a_topic, least_clips_of_a_word
from seewhy.text.words import tokenise
from seewhy.text.words_left import LEAST_WORDS, too_few_words, words_left

# Of the adapters whose corpora lack something that others have: what, and where to turn.
WITHOUT_CAPTIONS = ("ucf11", "ucf101", "thumos14")
WITHOUT_PHRASES = ("msvd", "msrvtt", "folder", *WITHOUT_CAPTIONS)


class Known(NamedTuple):
    """What is known of the captioning corpus before it is imported.

    Attributes:
        described: clips with captions in each split; None where that is not known.
        own: a person's own clips.
        words: that topics may have; None where that is not known.
    """

    described: dict[str, int] | None
    own: OwnClips | None
    words: frozenset[str] | None


def look_ahead(config: Mapping[str, Any]) -> Known:
    """What the settings, and `captions.csv` of one's own videos, say of the captioning corpus.

    Raises:
        InputError: nothing can be learnt from one's own videos (`check_own`).
    """
    corpus = config["corpus"]
    if corpus["name"] == "puppets":
        made = {
            "data/puppets/trimmed": config["puppets"]["clips"],
            "data/puppets/actions": config["transfer"]["clips"],
            "data/puppets/grounding": config["grounding"]["puppets"]["clips"],
        }
        return Known(made.get(os.path.normpath(corpus["source"])), None, None)
    if corpus["name"] != "folder":
        return Known(None, None, None)
    own = read_own(corpus["source"], **config["folder"])
    if own is None:
        return Known(None, None, None)
    words = check_own(own, config)
    return Known({split: len(own.described(split)) for split in SPLITS}, own, words)


def check_own(own: OwnClips, config: Mapping[str, Any]) -> frozenset[str]:
    """Refuse a folder from which no captioner could be trained with these settings.

    Returns:
        The words that topics may have.

    Raises:
        InputError: a split without a video that is there, a train or val video without a caption,
            no caption short enough to learn from, no word frequent enough for the captioner, or
            fewer than ten for the topics.
    """
    captioner, topics = config["captioner"], config["topics"]
    for split in SPLITS:
        clips = [clip for clip in own.split if own.split[clip] == split]
        if not clips:
            raise InputError(f"{own.path}: no video is in split {split}; put at least one there")
        absent = [own.video[clip] for clip in clips if not os.path.exists(own.video[clip])]
        if len(absent) == len(clips):
            raise InputError(
                f"{own.path}: none of the {len(clips)} videos of split {split} is there (the "
                f"first: {absent[0]}); put them there, or mend the names"
            )
        silent = [clip for clip in clips if clip not in own.captions]
        if split != "test" and silent:
            raise InputError(
                f"{own.path}: {own.video[silent[0]]} is in split {split} but has no caption; add "
                "one, or put it into split test"
            )
        texts = [text for clip in own.described(split) for text in clip]
        short = [text for text in texts if len(tokenise(text)) < captioner["max_words"]]
        if split != "test" and not short:
            raise InputError(
                f"{own.path}: none of the {len(texts)} captions of the {split} videos has fewer "
                f"than captioner.max_words ({captioner['max_words']}) words; raise that, or add "
                "shorter ones"
            )
    train = own.described("train")
    counts = Counter(word for texts in train for text in texts for word in tokenise(text))
    if max(counts.values()) < captioner["min_count"]:
        raise InputError(
            f"{own.path}: none of the {len(counts)} words of the train captions is there "
            f"captioner.min_count ({captioner['min_count']}) times; lower that, or add captions"
        )
    least = least_clips_of_a_word(topics["min_df"], len(train))
    left = words_left(train, min_df=least, max_df=topics["max_df"])
    if len(left) < LEAST_WORDS:
        raise InputError(
            f"{own.path}: {too_few_words(len(left), len(train), least, topics['max_df'])}"
        )
    return frozenset(left)


def remarks_on(known: Known, config: Mapping[str, Any]) -> list[str]:
    """What is odd about one's own videos, though it can be gone on with."""
    own = known.own
    if own is None:
        return []
    remarks = []
    absent = [path for path in own.video.values() if not os.path.exists(path)]
    if absent:
        remarks.append(
            f"{own.path}: {len(absent)} of {len(own.video)} videos are not there (the first: "
            f"{absent[0]}) and will be left out"
        )
    train = len(own.described("train"))
    if config["topics"]["n_topics"] > train:
        remarks.append(
            f"params.yaml: topics.n_topics: {config['topics']['n_topics']} topics for {train} "
            "train clips: most will stand for a clip or for nothing; take a fifth as many"
        )
    return remarks


def lacking(config: Mapping[str, Any], known: Known) -> dict[str, str]:
    """Why results cannot be made: of each output that the corpora do not allow, one line.

    The keys are files, or the first part of their names.
    """
    found: dict[str, str] = {}

    def refuse(why: str, *outputs: str) -> None:
        for output in outputs:
            found.setdefault(output, why)

    if known.described is not None:
        where = known.own.path if known.own else "params.yaml: puppets.clips"
        _few_clips(known.described, config, where, refuse)
    _words(config, refuse)
    _untrimmed(config, refuse)
    return found


def _few_clips(
    counts: Mapping[str, int], config: Mapping[str, Any], where: str, refuse: Any
) -> None:
    def too_few(split: str, count: int, what: str) -> str:
        return (
            f"{where}: {counts[split]} {split} clips with captions, and {what} needs {count}; put "
            f"more into split {split}"
        )

    if counts["test"] < 2:
        refuse(too_few("test", 2, "Table 2, for intervals,"), "results/table2.csv")
        refuse(too_few("test", 2, "Table 2, for intervals,"), "results/captions/scores.csv")
    if counts["val"] < 2:
        why = too_few("val", 2, "the choice of lambda, for intervals,")
        refuse(why, "results/lambda.csv", "results/figures/lambda.png")
        refuse(why, "results/figures/tradeoff.png")
    split = config["refinement"]["experiment"]["split"]
    if counts[split] < 2:
        why = too_few(split, 2, "the experiment of refinement, for intervals,")
        refuse(why, "results/refinement.csv", "results/refinement/")
        refuse(why, "results/figures/refinement.png")
    least = least_clips_of_a_topic(config["neurons"]["least_clips"], min(counts.values()))
    for split in SPLITS:
        if counts[split] < 2 * least:
            why = too_few(
                split, 2 * least, f"neurons.least_clips ({least} with a topic, {least} without)"
            )
            refuse(why, "results/interpretability.csv", "results/neurons/")
            refuse(why, *(f"results/figures/{name}.png" for name in ("activations", "neurons")))
            refuse(why, "results/figures/tradeoff.png")


def _words(config: Mapping[str, Any], refuse: Any) -> None:
    """What the captioner whose words are grounded lacks."""
    words = config["grounding"]["words"]["corpus"]
    key = "grounding.words.corpus" if words else "grounding.corpus"
    name = (words or config["grounding"]["corpus"])["name"]
    table5 = ("results/grounding/table5.csv", "results/grounding/phrases.csv")
    table5 += ("data/grounding/words.h5", "results/figures/words.png")
    if name in WITHOUT_CAPTIONS:
        why = (
            f"params.yaml: {key}: {name} has no captions, so no words to ground; name puppets, "
            "msrvtt or flickr30k in grounding.words.corpus"
        )
        refuse(why, *table5, "models/grounding/words.safetensors", "results/grounding/words.")
        refuse(why, "results/grounding/captions.csv", "results/grounding/captions.jsonl")
    elif name in WITHOUT_PHRASES:
        why = (
            f"params.yaml: {key}: {name} has no phrases that are linked to boxes, which Table 5 "
            "needs; it ends with results/grounding/captions.csv. Name puppets or flickr30k for "
            "Table 5"
        )
        refuse(why, *table5)


def _untrimmed(config: Mapping[str, Any], refuse: Any) -> None:
    """Whether the actions of the untrimmed videos are those that the network learns."""
    grounding = config["grounding"]
    clips, videos = grounding["corpus"]["name"], grounding["untrimmed"]["corpus"]["name"]
    if clips == "ucf101" and not Tree(grounding["corpus"]["source"]).find("pyannot.pkl"):
        why = (
            "params.yaml: grounding.corpus: there is no pyannot.pkl, so no actor's box and no "
            "segment to point at: only the networks can be trained; get it from "
            "github.com/gurkirt/corrected-UCF101-Annots and put it into the folder"
        )
        refuse(why, *(f"results/grounding/{table}.csv" for table in ("table1", "table2")))
        refuse(why, "results/grounding/benchmark.csv", "results/gradcam/", "data/grounding/maps/")
        refuse(why, "data/grounding/scores/", "data/grounding/probes/")
        names = ("grounding-sums", "grounding-benchmark", "grounding-strips", "gradcam-strips")
        refuse(why, *(f"results/figures/{name}.png" for name in names))
        refuse(why, "results/figures/grounding-moving.gif")
    if {clips, videos} == {"puppets", "thumos14"} or (clips, videos) == ("ucf101", "puppets"):
        why = (
            f"params.yaml: grounding.untrimmed.corpus: the network learns the actions of "
            f"grounding.corpus ({clips}), and {videos} has none of them; "
            + (
                "name ucf101, with ucf101.classes 101, in grounding.corpus"
                if videos == "thumos14"
                else "name thumos14 in grounding.untrimmed.corpus"
            )
        )
        refuse(why, "results/grounding/table3.csv", "results/grounding/table4.csv")


def why_lacking(found: Mapping[str, str], outputs: Iterable[str]) -> str | None:
    """The first line of `lacking` that one of the outputs meets."""
    for output in outputs:
        for start, why in found.items():
            whole = not start.endswith(("/", "."))
            if output == start or (not whole and output.startswith(start)):
                return why
    return None


def check_corrections(
    corrections: Sequence[tuple[str, Sequence[str]]],
    path: str | Path,
    config: Mapping[str, Any],
    known: Known,
) -> None:
    """Refuse corrections of clips or topics that cannot be there.

    Args:
        corrections: clips and topics.
        path: of their file, for the message.
        config: the settings.
        known: from `look_ahead`.

    Raises:
        InputError: a clip that the corpus does not have, or a topic that none of the words of its
            train captions can be of.
    """
    name = config["corpus"]["name"]
    for clip, topics in corrections:
        if not _may_exist(clip, config, known):
            near = difflib.get_close_matches(clip, known.own.split, n=1) if known.own else []
            hint = f"did you mean {near[0]}?" if near else "the clips are those of clips.csv"
            raise InputError(
                f"{path}: {clip}: the corpus ({name}) has no such clip; {hint} ([] for no "
                "correction)"
            )
        for topic in topics if known.words is not None else ():
            parts = {topic, *topic.split("_")}
            if not parts & known.words:
                near = difflib.get_close_matches(topic, sorted(known.words), n=1)
                hint = f"did you mean {near[0]}?" if near else "take a word of the captions"
                raise InputError(
                    f"{path}: {clip}: {topic!r} is no word that enough train captions have, so no "
                    f"topic's; {hint}"
                )


def _may_exist(clip: str, config: Mapping[str, Any], known: Known) -> bool:
    name = config["corpus"]["name"]
    if known.own is not None:
        return clip in known.own.split
    split = clip.rstrip("0123456789")
    number = clip[len(split) :]
    if not number or len(number) > 9:
        return name == "folder"
    if name == "puppets":
        counts = known.described
        return counts is None or (
            len(number) == 5 and split in counts and int(number) < counts[split]
        )
    if name == "msvd":
        return split == "vid" and 1 <= int(number) <= 1970
    if name == "msrvtt":
        return split == "video"
    return True
