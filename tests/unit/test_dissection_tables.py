"""Tables of dissections: every column of a dissection whose counts are worked out by hand.

Labels are `sky` (object), `snow-s` (scene) and, in sets with actions, `jump` and `run`. In each
group of images each unit fires at 100 pixels of each category, and each label has 100 pixels.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from seewhy.dissection.compositions import Compositions
from seewhy.dissection.counting import Counts
from seewhy.dissection.dissect import Dissection, write_dissection
from seewhy.dissection.tables import (
    Draws,
    blocks,
    emergence,
    held_out,
    names_of,
    relabelled,
    table1,
    write_tables,
)
from seewhy.errors import InputError

DRAWS = Draws(resamples=200, seed=0)
NAMES, CATEGORIES = ["", "sky", "snow-s", "jump", "run"], ["object", "scene", "action"]
CATEGORY = np.array([-1, 0, 1, 2, 2])


def a_dissection(both, *, null=0.06, actions=True, groups=None, **changes):
    """Of overlaps I [groups or 1, units, labels], with A and G of 100 pixels a group.

    So the IoU of an overlap of I in every group is I / (200 - I).
    """
    both = np.asarray(both, np.int64)
    both = both.repeat(groups or (4 if len(both) == 1 else 1), 0)
    both = np.concatenate([np.zeros_like(both[..., :1]), both], 2)
    g, units, labels = both.shape
    kinds = 3 if actions else 2
    counts = Counts(
        both=both,
        truth=np.tile([0, *[100] * (labels - 1)], (g, 1)),
        fired=np.full((g, units, kinds), 100),
        fired_all=np.full((g, units), 100),
        pixels=np.full(g, 20_000),
        spoken=np.full((g, kinds), 20_000),
    )
    found = Dissection(
        names=NAMES[:labels], categories=CATEGORIES[:kinds], category=CATEGORY[:labels],
        thresholds=np.zeros(units), counts=counts, correlation=np.zeros((units, labels)),
        null=np.full((2, units, kinds), null), top=np.zeros((units, 1), int),
        top_value=np.ones((units, 1)), about={"layer": "block4", "level": 0.995, "images": 4},
    )  # fmt: skip
    return replace(found, **changes)


def score(overlap):
    return overlap / (200 - overlap)


@pytest.fixture(scope="module")
def found():
    """Five units. Units 1 and 2 see sky at once; with actions, 3 and 4 see jumping, 5 nothing."""
    without = [[[40, 0], [20, 0], [6, 5], [4, 8], [0, 0]]]
    with_them = [[[40, 0, 6, 0], [20, 0, 30, 0], [6, 5, 30, 4], [4, 8, 16, 0], [0, 0, 0, 0]]]
    dealt_anew = [[[40, 0, 0, 6], [20, 0, 7, 8], [6, 5, 4, 9], [4, 8, 12, 10], [0, 0, 0, 0]]]
    dark = [[[10, 0, 0, 0], [0, 9, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]]
    return {
        ("net", "broden"): a_dissection(without, actions=False),
        ("net", "actions"): a_dissection(with_them),
        ("net", "combined"): a_dissection(with_them),
        ("net", "shuffled"): a_dissection(dealt_anew, null=0.09),
        ("random-net", "combined"): a_dissection(dark, null=0.03),
    }


BRODEN, ACTIONS, BOTH = "puppets-objects", "action regions", "puppets-objects + action regions"
SHUFFLED = "puppets-objects + action regions, names shuffled"


def test_table_1_by_hand(found):
    table = table1(found, DRAWS).set_index(["network", "threshold", "row"])
    # IoU of the best labels: 40 → 0.25, 30 → 0.176, 20 → 0.111, 16 → 0.087, 12 → 0.064,
    # 10 → 0.053, 9 → 0.047, 8 → 0.042, 6 → 0.031.
    expected = {
        ("net", "0.04", BRODEN): (3, 2),  # sky, sky, snow
        ("net", "0.04", ACTIONS): (4, 2),
        ("net", "0.04", BOTH): (4, 2),  # sky, jump, jump, jump
        ("net", "0.04", SHUFFLED): (4, 3),  # sky, sky, run, jump
        ("random-net", "0.04", BOTH): (2, 2),
        ("net", "0.08", BRODEN): (2, 1),
        ("net", "0.08", BOTH): (4, 2),
        ("net", "0.08", SHUFFLED): (2, 1),
        ("random-net", "0.08", BOTH): (0, 0),
        ("net", "5% by chance", BRODEN): (2, 1),  # at 0.06
        ("net", "5% by chance", BOTH): (4, 2),
        ("net", "5% by chance", SHUFFLED): (2, 1),  # at 0.09
        ("random-net", "5% by chance", BOTH): (0, 0),  # at 0.06, of the trained one
    }
    for key, (units, concepts) in expected.items():
        row = table.loc[key]
        assert (row["units"], row["concepts"]) == (units, concepts), key
        # All groups are alike, so no draw differs from the images as they are.
        assert row["units low"] == row["units high"] == units
        assert row["concepts low"] == row["concepts high"] == concepts
        assert row["held out"] == units
        assert row["total"] == 5
        assert pd.isna(row["verdict"])
        nominal = {"net": {BRODEN: 0.06, BOTH: 0.06, SHUFFLED: 0.09}, "random-net": {BOTH: 0.06}}
        by_chance = nominal[key[0]].get(key[2], 0.06)
        assert row["IoU"] == (by_chance if key[1] == "5% by chance" else float(key[1]))
    assert table.index.is_unique
    # A label has 100 of 20,000 pixels, as many as a unit fires at: it can be met exactly.
    assert table.loc[("net", "0.04", BOTH), "within reach"] == 4
    assert table.loc[("net", "0.04", BRODEN), "within reach"] == 2


def test_differences_are_of_the_set_with_actions_minus_the_others(found):
    table = table1(found, DRAWS).set_index(["threshold", "row"])
    minus = f"{BOTH} minus "
    for at, less, units, concepts, says in [
        ("0.04", BRODEN, 1, 0, "confirmed"),
        ("0.04", SHUFFLED, 0, -1, "undecided"),
        ("0.04", f"{BOTH}, random weights", 2, 0, "confirmed"),
        ("0.08", BRODEN, 2, 1, "confirmed"),
        ("0.08", SHUFFLED, 2, 1, "confirmed"),
        ("0.08", f"{BOTH}, random weights", 4, 2, "confirmed"),
    ]:
        row = table.loc[(at, minus + less)]
        assert (row["units"], row["concepts"], row["verdict"]) == (units, concepts, says)
        assert row["network"] == "net"
        assert pd.isna(row["IoU"])
    turned = {
        ("net", "combined"): found["net", "broden"], ("net", "broden"): found["net", "combined"],
    }  # fmt: skip
    rows = table1(turned, DRAWS).set_index(["threshold", "row"])
    assert rows.loc[("0.08", minus + BRODEN), "verdict"] == "refuted"
    assert len(rows) == 3 * 3  # what was not dissected has no rows, and no differences


def literal_draws(one, at, resamples, seed):
    """Units and concepts of each resample, drawn as `resampled` says, one unit and label a time."""
    rng, counts = np.random.default_rng(seed), one.counts
    units, concepts = [], []
    for _ in range(resamples):
        drawn = rng.integers(len(counts.pixels), size=len(counts.pixels))
        named = []
        for u in range(one.units):
            best, name = 0, None
            for c in range(1, len(one.names)):
                both = sum(counts.both[g, u, c] for g in drawn)
                fired = sum(counts.fired[g, u, one.category[c]] for g in drawn)
                truth = sum(counts.truth[g, c] for g in drawn)
                if both / (fired + truth - both) > best:
                    best, name = both / (fired + truth - both), c
            if best >= at:
                named.append(name)
        units.append(len(named))
        concepts.append(len(set(named)))
    return np.array(units), np.array(concepts)


def varied(seed, actions=True):
    labels = 4 if actions else 2
    both = np.random.default_rng(seed).integers(0, 18, (6, 7, labels))
    return a_dissection(both, actions=actions)


def test_intervals_are_those_of_literal_draws_and_differences_are_paired():
    first, second = varied(0), varied(1, actions=False)
    table = table1({("net", "combined"): first, ("net", "broden"): second}, Draws(60, 0.9, 3))
    table = table.set_index(["threshold", "row"])
    drawn = [literal_draws(one, 0.08, 60, 3) for one in (first, second)]
    for what, k in (("units", 0), ("concepts", 1)):
        for row, values in (
            (BOTH, drawn[0][k]),
            (BRODEN, drawn[1][k]),
            (f"{BOTH} minus {BRODEN}", drawn[0][k] - drawn[1][k]),  # of the same draw
        ):
            value, *ends = table.loc[("0.08", row), [what, f"{what} low", f"{what} high"]].tolist()
            moved = values + value - np.median(values)
            assert ends == pytest.approx(np.quantile(moved, [0.05, 0.95]).tolist()), (what, row)
    assert drawn[0][0].std() > 0


def test_a_dissection_does_not_differ_from_itself_in_any_draw():
    one = varied(4)
    table = table1({("net", "combined"): one, ("net", "broden"): one}, DRAWS)
    rows = table[table["row"].str.contains("minus")]
    assert (rows[["units", "units low", "units high"]] == 0).all(axis=None)
    assert (rows["verdict"] == "undecided").all()
    single = table[table["row"] == BOTH]
    assert (single["units low"] < single["units high"]).any()  # though it varies itself


def test_images_of_one_group_tell_no_interval():
    one, two = a_dissection([[[40, 0, 30, 0]]], groups=1), a_dissection([[[0, 0]]], groups=1)
    found = {("net", "combined"): one, ("net", "broden"): replace(two, names=one.names[:3])}
    table = table1(found, DRAWS).set_index(["threshold", "row"])
    row = table.loc[("0.04", f"{BOTH} minus {BRODEN}")]
    assert row["units"] == 1
    assert np.isnan([row["units low"], row["units high"]]).all()
    assert row["verdict"] == "undecided"
    assert blocks({("net", "block4", "combined"): one}, DRAWS, threshold=0.04)["units"].sum() == 2


def test_an_overlap_with_nothing_reaches_no_threshold():
    nothing = a_dissection([[[0, 0, 0, 0]] * 3], null=0)
    table = table1({("net", "combined"): nothing}, DRAWS).set_index("threshold")
    assert table.loc["5% by chance", "IoU"] == 0
    assert (table[["units", "concepts", "held out"]] == 0).all(axis=None)
    assert blocks({("net", "b", "s"): nothing}, DRAWS, threshold=0.04)["units"].sum() == 0


def test_held_out_counts_a_label_chosen_on_one_half_where_it_holds_on_the_other():
    even = [[30, 0, 0, 0], [30, 0, 0, 0], [0, 30, 0, 0], [8, 0, 0, 0]]
    odd = [[30, 0, 0, 0], [0, 0, 30, 0], [0, 6, 0, 0], [8, 0, 0, 0]]
    one = a_dissection([even, odd, even, odd])
    # Unit 1 both ways; 2 neither (sky on even images, jump on odd); 3 from odd to even alone; the
    # label of 4 stays, below the threshold.
    assert held_out(one, 0.08) == 1.5
    assert held_out(one, score(8)) == 2.5
    # A unit that fires nowhere in a half has no label to hold.
    assert held_out(a_dissection([[[0, 0]], [[30, 0]]], actions=False), 0.08) == 0


def test_blocks_by_hand(found):
    given = {
        ("net", "block3", "combined"): found["random-net", "combined"],
        ("net", "block4", "combined"): found["net", "combined"],
        ("net", "block4", "shuffled"): found["net", "shuffled"],
    }
    table = blocks(given, DRAWS, threshold=0.05)
    counted = table.set_index(["layer", "set", "threshold", "category"])["units"]
    for key, expected in {
        ("block3", "combined", "0.05"): (1, 0, 0),
        ("block3", "combined", "5% by chance"): (1, 1, 0),  # at 0.03
        ("block4", "combined", "0.05"): (1, 0, 3),
        ("block4", "shuffled", "0.05"): (2, 0, 1),  # unit 3 sees its run at 0.047
        ("block4", "shuffled", "5% by chance"): (2, 0, 0),  # at 0.09
    }.items():
        assert tuple(counted[(*key, category)] for category in CATEGORIES) == expected, key
    assert (table["units low"] == table["units"]).all()
    assert (table["total"] == 5).all()
    at = table.set_index(["layer", "set", "threshold"])["IoU"]
    assert at[("block4", "shuffled", "5% by chance")].unique() == [0.09]


def test_emergence_is_the_share_of_the_last_layer_minus_that_before(found):
    given = {("net", "block4", "combined"): found["net", "combined"],
             ("net", "block3", "combined"): found["net", "shuffled"],
             ("net", "block2", "combined"): found["random-net", "combined"]}  # fmt: skip
    table = emergence(given, DRAWS, last="block4", threshold=0.04)
    rows = table[table["threshold"] == "0.04"].set_index("layer")
    # With actions 3 of 5 units jump; dealt anew 2 do something; the dark ones see sky and snow.
    assert rows["share last"].tolist() == [0.6, 0.6]
    assert rows["share"].to_dict() == {"block3": 0.4, "block2": 0}
    assert rows["difference"].to_dict() == {"block3": pytest.approx(0.2), "block2": 0.6}
    assert (rows["difference low"] == rows["difference"]).all()  # all groups are alike
    assert (rows["verdict"] == "confirmed").all()
    assert (table["category"] == "action").all()
    assert emergence({("net", "block4", "combined"): found["net", "combined"]}, DRAWS,
                     last="block4", threshold=0.04).empty  # fmt: skip


def test_blocks_have_intervals_of_literal_draws():
    one = varied(2)
    table = blocks({("n", "b", "s"): one}, Draws(40, 0.8, 1), threshold=0.08)
    rng, drawn = np.random.default_rng(1), []
    for _ in range(40):
        g = rng.integers(6, size=6)
        scores = [
            [one.counts.both[g, u, c].sum() / (1200 - one.counts.both[g, u, c].sum())
             for c in range(1, 5)] for u in range(7)
        ]  # fmt: skip
        named = [CATEGORY[1 + int(np.argmax(row))] for row in scores if max(row) >= 0.08]
        drawn.append([named.count(k) for k in range(3)])
    rows = table[table["threshold"] == "0.08"]
    ends = rows[["units low", "units high"]].to_numpy().T
    moved = np.array(drawn) - np.median(drawn, axis=0) + rows["units"].to_numpy()
    np.testing.assert_allclose(ends, np.quantile(moved, [0.1, 0.9], axis=0))


def test_equal_labels_count_as_one_name_everywhere():
    """Sky comes after jumping by number, but its category is the first."""
    numbers = {"names": ["", "jump", "sky"], "category": np.array([-1, 2, 0])}
    one = a_dissection([[[30, 30]], [[20, 20]]], null=0)
    counts = replace(one.counts, fired=np.full((2, 1, 3), 100))
    one = replace(one, **numbers, categories=CATEGORIES, counts=counts, null=np.zeros((1, 1, 3)))
    assert names_of(one, 0.04) == {0: ("sky", "object", pytest.approx(50 / 350))}
    table = blocks({("n", "b", "s"): one}, DRAWS, threshold=0.04)
    table = table[table["threshold"] == "0.04"].set_index("category")
    columns = ["units", "units low", "units high"]
    assert table.loc["object", columns].tolist() == [1, 1, 1]
    assert table.loc["action", columns].tolist() == [0, 0, 0]


def test_names_are_those_that_reach_the_threshold(found):
    assert names_of(found["net", "shuffled"], score(9)) == {
        0: ("sky", "object", pytest.approx(score(40))),
        1: ("sky", "object", pytest.approx(score(20))),
        2: ("run", "action", pytest.approx(score(9))),
        3: ("jump", "action", pytest.approx(score(12))),
    }


def test_relabelled_by_hand(found):
    three = [found["net", name] for name in ("broden", "combined", "shuffled")]
    table = relabelled(*three, threshold=0.04)
    # Unit 1 keeps sky, 5 has no name. Gains: unit 3 0.145, unit 2 0.065, unit 4 0.045.
    expected = pd.DataFrame(
        [
            (3, "sky", "object", score(6), "jump", "action", score(30), score(6), score(9)),
            (2, "sky", "object", score(20), "jump", "action", score(30), score(20), score(8)),
            (4, "snow-s", "scene", score(8), "jump", "action", score(16), score(8), score(12)),
        ],
        columns=["unit", "label", "category", "IoU", "label after", "category after", "IoU after",
                 "IoU of the old label after", "best shuffled action"],
    )  # fmt: skip
    pd.testing.assert_frame_equal(table, expected)
    assert relabelled(*three, threshold=0.1)["unit"].tolist() == [3, 2]
    none = relabelled(*three, threshold=0.5)
    assert none.empty
    assert list(none) == list(expected)


def test_what_cannot_be_relabelled_is_refused(found):
    before, after, shuffled = (found["net", name] for name in ("broden", "combined", "shuffled"))
    with pytest.raises(InputError, match="no category 'action', only object, scene"):
        relabelled(before, before, shuffled, threshold=0.04)
    with pytest.raises(InputError, match="no category 'action', only object, scene"):
        relabelled(before, after, before, threshold=0.04)
    with pytest.raises(InputError, match="no label 'sky', which the set without them has"):
        other = replace(after, names=["", "earth", "snow-s", "jump", "run"])
        relabelled(before, other, shuffled, threshold=0.04)
    fewer = replace(before, thresholds=before.thresholds[:3])
    with pytest.raises(InputError, match="of one layer; these differ in units"):
        relabelled(fewer, after, shuffled, threshold=0.04)


def test_a_dissection_without_a_null_is_refused(found):
    one = replace(found["net", "combined"], null=np.zeros((0, 5, 3)))
    with pytest.raises(InputError, match=r"set dissection\.nulls to 1 or more"):
        table1({("net", "combined"): one}, DRAWS)


TABLES = (
    "table1", "blocks", "emergence", "relabelled", "concepts", "units", "compositions", "formulas",
)  # fmt: skip


def searched(units):
    """A formula `sky or jump` for each unit that gains 0.02 on the other half."""
    shape = 2, 2, units
    whole = {name: np.full(shape, k) for name, k in
             (("label", 1), ("operator", 1), ("first", 1), ("second", 3), ("part", 1))}  # fmt: skip
    shares = {f"{name}_iou": np.full((2, 2, 2, units), value)
              for name, value in (("label", 0.1), ("formula", 0.12), ("part", 0.1))}  # fmt: skip
    return Compositions(**whole, **shares, searched=np.array([1, 2, 3, 4]))


def written(found, folder):
    given = {(network, "block4", name): one for (network, name), one in found.items()}
    given["net", "block3", "combined"] = found["random-net", "combined"]
    files = [folder / f"{k}.h5" for k in range(len(given))]
    for path, one in zip(files, given.values(), strict=True):
        write_dissection(path, one)
    outputs = {name: folder / f"{name}.csv" for name in TABLES}
    evaluation = {"resamples": 30, "confidence": 0.9, "seed": 1}
    write_tables(outputs, files, list(given), last="block4", threshold=0.05, evaluation=evaluation)
    return {name: pd.read_csv(path) for name, path in outputs.items()}


def test_tables_are_written(found, tmp_path):
    formulas = replace(found["net", "combined"], compositions=searched(5))
    tables = written(found | {("net", "combined"): formulas}, tmp_path)
    assert (tables["table1"]["total"].dropna() == 5).all()
    expected = table1(found, Draws(30, 0.9, 1))
    pd.testing.assert_frame_equal(tables["table1"], expected, check_dtype=False, rtol=1e-3)
    assert set(tables["blocks"]["layer"]) == {"block3", "block4"}
    assert set(tables["blocks"]["set"]) == {"combined", "shuffled"}  # all with actions
    assert tables["relabelled"][["network", "unit"]].to_numpy().tolist() == [
        ["net", 3], ["net", 2], ["net", 4],
    ]  # fmt: skip
    every = tables["concepts"].set_index("label")
    assert (every["network"] == "net").all()
    assert every["units"].to_dict() == {"sky": 1, "snow-s": 0, "run": 0, "jump": 3}
    assert every.loc["jump", ["best unit", "best IoU"]].tolist() == [
        2,
        pytest.approx(30 / 170, 1e-3),
    ]
    assert every["share"].unique().tolist() == [0.005]
    assert every["ceiling"].tolist() == [1, 1, 1, 1]
    assert (tables["units"]["network"] == "net").all()
    assert tables["units"]["unit"].tolist() == [1, 2, 3, 4, 5]
    assert tables["compositions"]["gain"].tolist() == [0.02, 0.02, 0]
    assert tables["formulas"]["formula"].unique().tolist() == ["sky or jump"]
    assert not list(tmp_path.glob(".*"))


def test_without_formulas_their_tables_are_empty(found, tmp_path):
    tables = written(found, tmp_path)
    assert tables["compositions"].empty
    assert tables["formulas"].empty
    assert list(tables["formulas"]) == ["network"]
