"""Action regions against sets of pixels, cases worked out by hand, and people who make no error."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seewhy.dissection.annotations import check_boxes, check_sizes, check_votes, read_boxes
from seewhy.dissection.annotators import quality_by_rounds, score_regions, simulate_annotators
from seewhy.dissection.regions import (
    build_region_files,
    build_regions,
    image_masks,
    propose_regions,
    read_regions,
    region_mask,
)
from seewhy.errors import InputError

BOX = ["x", "y", "width", "height"]
W, H = 12, 9


def boxes_table(rows, image="a.jpg", action="run"):
    """Rows of round and box; None for a skipped image."""
    return pd.DataFrame(
        [(image, action, number, "ann", *(box or [None] * 4)) for number, box in rows],
        columns=["image", "action", "round", "annotator", *BOX],
    )


def votes_table(rows, image="a.jpg", action="run"):
    """Rows of stage, round, annotator, yes and perhaps region."""
    rows = [(image, action, *row, *[None] * (5 - len(row))) for row in rows]
    columns = ["image", "action", "stage", "round", "annotator", "yes", "region"]
    return pd.DataFrame(rows, columns=columns)


SIZES = pd.DataFrame({"image": ["a.jpg"], "width": [W], "height": [H]})
SEEN = votes_table([("visible", 1, "ann", 1), ("visible", 2, "bob", "yes")])
GOOD = pd.concat([SEEN, votes_table([("region", 1, "ann", "Yes")])])
TWO = boxes_table([(1, (1, 1, 4, 4)), (2, (2, 2, 5, 5))])


def truth_table(rows):
    """Rows of image, action and box; None for an action that is not visible."""
    columns = ["image", "action", *BOX, "image_width", "image_height"]
    rows = [(image, action, *(box or [None] * 4), W, H) for image, action, box in rows]
    return pd.DataFrame(rows, columns=columns)


def literal_parts(rounds, at_least, min_share):
    """The parts of the overlap as sets of pixels (row, column), pixel by pixel."""
    inside = set()
    for i in range(H):
        for j in range(W):
            times = 0
            for boxes in rounds:
                for x, y, width, height in boxes:
                    if x <= j + 0.5 < x + width and y <= i + 0.5 < y + height:
                        times += 1
                        break
            if times >= at_least:
                inside.add((i, j))
    parts = []
    while inside:
        part, edge = set(), [min(inside)]
        while edge:
            i, j = edge.pop()
            if (i, j) in inside:
                inside.remove((i, j))
                part.add((i, j))
                edge += [(i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)]
        if len(part) >= min_share * W * H:
            parts.append(part)
    return parts


@st.composite
def drawn_boxes(draw):
    """A box of at least a pixel's side, in quarters of a pixel, within the image."""
    width = draw(st.integers(4, 4 * W))
    height = draw(st.integers(4, 4 * H))
    x = draw(st.integers(0, 4 * W - width))
    y = draw(st.integers(0, 4 * H - height))
    return (x / 4, y / 4, width / 4, height / 4)


ROUNDS = st.lists(st.lists(drawn_boxes(), max_size=3), min_size=1, max_size=4)


def quick(examples):
    """The same examples in every run, and no complaint of a slow machine."""
    every = list(HealthCheck)
    return settings(
        max_examples=examples, deadline=None, derandomize=True, suppress_health_check=every
    )


def table_of(rounds):
    rows = [(r, box) for r, boxes in enumerate(rounds, 1) for box in boxes or [None]]
    return boxes_table(rows)


def pixels_of(regions):
    """Each region's mask as a set, read from its rectangles, which must not overlap."""
    found = []
    for text in regions["boxes"]:
        pixels = []
        for x, y, width, height in (map(int, box.split()) for box in text.split(";")):
            pixels += [(i, j) for i in range(y, y + height) for j in range(x, x + width)]
        assert len(pixels) == len(set(pixels))
        found.append(set(pixels))
    return found


@quick(30)
@given(ROUNDS, st.integers(1, 4), st.sampled_from([0, 0.03, 0.1]))
def test_regions_are_those_of_sets_of_pixels(rounds, at_least, min_share):
    n, k = len(rounds), min(at_least, len(rounds))
    found = propose_regions(
        table_of(rounds), SEEN, SIZES, rounds=n, at_least=k, min_share=min_share
    ).regions
    expected = literal_parts(rounds, k, min_share)
    assert pixels_of(found) == expected
    assert found["region"].tolist() == list(range(1, len(expected) + 1))
    assert found["pixels"].tolist() == [len(part) for part in expected]
    for crop, part in zip(found.itertuples(), expected, strict=True):
        top, left = np.min(list(part), axis=0)
        bottom, right = np.max(list(part), axis=0)
        size = (right - left + 1, bottom - top + 1)
        assert (crop.x, crop.y, crop.width, crop.height) == (left, top, *size)


@quick(10)
@given(ROUNDS)
def test_more_rounds_never_enlarge_the_overlap_and_never_shrink_that_of_as_many(rounds):
    boxes = table_of(rounds)

    def overlap(n, k):
        proposed = propose_regions(boxes, SEEN, SIZES, rounds=n, at_least=k, min_share=0)
        return set().union(*pixels_of(proposed.regions))

    for n in range(1, len(rounds)):
        assert overlap(n + 1, n + 1) <= overlap(n, n)
        assert overlap(n, 1) <= overlap(n + 1, 1)
        assert overlap(n + 1, n + 1) <= overlap(n + 1, n)


def test_the_overlap_of_two_rounds_by_hand():
    built = build_regions(TWO, GOOD, SIZES)
    expected = np.zeros((H, W), bool)
    expected[2:5, 2:5] = True
    np.testing.assert_array_equal(region_mask(built.regions, "a.jpg", "run"), expected)
    assert built.regions["boxes"].tolist() == ["2 2 3 3"]
    union = build_regions(TWO, GOOD, SIZES, at_least=1).regions
    assert union["pixels"].tolist() == [16 + 25 - 9]
    assert union["boxes"].tolist() == ["1 1 4 1; 1 2 6 3; 2 5 5 2"]
    [(image, masks)] = image_masks(union)
    assert (image, list(masks), masks["run"].sum()) == ("a.jpg", ["run"], 32)
    with pytest.raises(InputError, match=r"image 'a.jpg' has none of the action 'jump'"):
        region_mask(union, "a.jpg", "jump")


def test_boxes_are_half_open_at_the_centres_of_pixels():
    half = boxes_table([(1, (0.5, 1.5, 2, 2)), (2, (0.51, 1.51, 2, 2))])
    # columns 0 and 1 hold 0.5 <= j + 0.5 < 2.5, columns 1 and 2 hold 0.51 <= j + 0.5 < 2.51
    assert build_regions(half, GOOD, SIZES, min_share=0).regions["boxes"].tolist() == ["1 2 1 1"]
    touching = boxes_table([(1, (0, 0, 4, 4)), (2, (4, 0, 4, 4))])
    assert propose_regions(touching, SEEN, SIZES).regions.empty


def test_parts_that_touch_at_a_corner_are_two_and_small_ones_are_dropped():
    both = [(0, 0, 3, 3), (3, 3, 4, 4)]
    boxes = boxes_table([(r, box) for r in (1, 2) for box in both])
    assert propose_regions(boxes, SEEN, SIZES).regions["pixels"].tolist() == [9, 16]
    assert len(propose_regions(boxes, SEEN, SIZES, min_share=9 / (W * H)).regions) == 2
    large = propose_regions(boxes, SEEN, SIZES, min_share=10 / (W * H)).regions
    assert large[["region", "pixels"]].to_numpy().tolist() == [[1, 16]]


def test_crops_are_kept_by_a_majority_of_their_own_votes():
    boxes = boxes_table([(r, box) for r in (1, 2) for box in [(0, 0, 3, 3), (6, 0, 3, 3)]])
    own = [("region", 1, "a", 1, 1), ("region", 1, "b", 0, 1), ("region", 1, "c", 1, 1)]
    other = [("region", 1, "a", 1, 2), ("region", 1, "b", "no", 2)]  # a tie is a no
    votes = pd.concat([SEEN, votes_table(own + other)])
    assert build_regions(boxes, votes, SIZES).regions["region"].tolist() == [1]
    of_both = pd.concat([votes, votes_table([("region", 2, "a", 1)])])  # on every crop
    assert build_regions(boxes, of_both, SIZES).regions["region"].tolist() == [1, 2]
    none = pd.concat([SEEN, votes_table([("region", 1, "a", 0)])])
    assert build_regions(boxes, none, SIZES).regions.empty


def test_the_summary_says_at_which_step_each_pair_dropped_out():
    fates = {
        "kept": [(1, (0, 0, 6, 6)), (2, (1, 1, 6, 6))],
        "unseen": [],
        "skipped": [(1, (0, 0, 6, 6)), (2, None)],
        "apart": [(1, (0, 0, 3, 3)), (2, (5, 5, 3, 3))],
        "tiny": [(1, (0, 0, 3, 3)), (2, (2, 2, 3, 3))],
        "rejected": [(1, (0, 0, 6, 6)), (2, (0, 0, 6, 6))],
    }
    boxes = pd.concat([boxes_table(rows, action=fate) for fate, rows in fates.items() if rows])
    votes = pd.concat(
        [votes_table([("visible", 1, "a", 1), ("visible", 2, "a", 1)], action=f) for f in fates
         if f != "unseen"]
        + [votes_table([("visible", 1, "a", 0)], action="unseen")]
        + [votes_table([("region", 1, "a", f != "rejected")], action=f) for f in fates]
    )  # fmt: skip
    built = build_regions(boxes, votes, SIZES, min_share=2 / (W * H))
    table = built.summary.set_index("step")
    assert table["pairs"].tolist() == [6, 5, 4, 3, 2, 1]
    assert table["dropped"].tolist() == [0, 1, 1, 1, 1, 1]
    assert table["actions"].tolist() == table["pairs"].tolist()
    assert table["images"].tolist() == [1] * 6
    assert table["regions"].dropna().tolist() == [2, 1]
    assert built.regions["action"].tolist() == ["kept"]
    lenient = build_regions(boxes, votes, SIZES, at_least=1).regions
    assert lenient["action"].unique().tolist() == ["apart", "kept", "skipped", "tiny"]


def test_visible_is_a_majority_in_every_round_that_was_held():
    boxes = boxes_table([(1, (0, 0, 6, 6)), (2, (0, 0, 6, 6))])
    votes = [("visible", r, a, a != "c") for r in (1, 2) for a in "abc"]
    for further, visible in [([], 1), ([("visible", 3, "a", 0)], 0), ([("visible", 2, "d", 0)], 0)]:
        table = votes_table(votes + further)
        assert propose_regions(boxes, table, SIZES).summary["pairs"][1] == visible


def test_nobody_and_nothing_visible_give_empty_tables():
    unseen = votes_table([("visible", 1, "a", 0)])
    for votes, offered in [(unseen, 1), (unseen.iloc[:0], 0)]:
        built = build_regions(TWO.iloc[:0], votes, SIZES)
        assert built.regions.empty
        assert built.summary["pairs"].tolist() == [offered, 0, 0, 0, 0, 0]
        assert dict(image_masks(built.regions)) == {}


TRUTH = truth_table(
    [
        ("a", "run", (1.3, 0.6, 5.2, 4)),
        ("a", "jump", (0, 0, 12, 9)),
        ("b", "run", (0, 0, 3, 3)),
        ("b", "run", (6, 4, 4, 3)),
        ("b", "jump", None),
        ("c", "run", None),
        ("d", "jump", (2, 2, 6, 6)),
    ]
)


@pytest.mark.parametrize("rounds", [1, 3])
def test_people_without_error_give_the_true_boxes_by_the_rule_of_centres(rounds):
    answers = simulate_annotators(TRUTH, seed=0, rounds=rounds, min_share=0)
    built = build_regions(*answers, rounds=rounds, min_share=0)
    pairs = TRUTH.dropna().groupby(["image", "action"])
    assert set(map(tuple, built.regions[["image", "action"]].to_numpy())) == set(pairs.groups)
    for (image, action), rows in pairs:
        expected = set().union(*literal_parts([rows[BOX].to_numpy()], 1, 0))
        mask = region_mask(built.regions, image, action)
        assert {(int(i), int(j)) for i, j in np.argwhere(mask)} == expected
    scores = score_regions(built.regions, TRUTH)
    assert (scores["offered"], scores["kept"]) == (6, 4)
    measures = ["precision", "recall", "IoU", "IoU low", "coverage", "purity"]
    assert [scores[name] for name in measures] == [1] * 6


@quick(8)
@given(st.lists(drawn_boxes(), min_size=1, max_size=3), st.integers(1, 3))
def test_any_true_boxes_come_back_where_nobody_errs(boxes, rounds):
    truth = truth_table([("a", "run", box) for box in boxes] + [("b", "run", None)])
    answers = simulate_annotators(truth, seed=1, rounds=rounds, min_share=0)
    built = build_regions(*answers, rounds=rounds, min_share=0)
    assert pixels_of(built.regions) == literal_parts([boxes], 1, 0)


def test_the_order_of_rows_does_not_matter():
    answers = simulate_annotators(TRUTH, seed=3, jitter=0.2, wrong_object=0.2, flip=0.1)
    expected = build_regions(*answers)
    assert len(expected.regions) > 0
    shuffled = (table.sample(frac=1, random_state=1) for table in answers)
    found = build_regions(*shuffled)
    pd.testing.assert_frame_equal(found.regions, expected.regions)
    pd.testing.assert_frame_equal(found.summary, expected.summary)


@pytest.fixture(scope="module")
def crowd():
    """Four hundred images, a quarter of them without the action, each with a distractor."""
    rng = np.random.default_rng(0)
    side = rng.uniform(10, 30, (400, 2, 2))
    place = rng.uniform(size=(400, 2, 2)) * (60 - side)
    images = [f"{number:03d}" for number in range(400)]
    truth = pd.DataFrame(np.hstack([place[:, 0], side[:, 0]]), columns=BOX)
    truth.loc[::4, BOX] = np.nan
    truth = truth.assign(image=images, action="run", image_width=60, image_height=60)
    other = pd.DataFrame(np.hstack([place[:, 1], side[:, 1]]), columns=BOX).assign(image=images)
    return truth, other


def test_simulated_people_err_as_often_and_as_far_as_they_are_told(crowd):
    truth, other = crowd
    errors = dict(miss=0.3, wrong_object=0.2, flip=0.1, annotators=1, visible_rounds=1)
    boxes, votes, _ = simulate_annotators(truth, seed=0, distractors=other, **errors)
    seen = truth.set_index("image")["x"].notna()
    votes = votes[votes["stage"] == "visible"].set_index("image")["yes"]
    assert (votes != seen).mean() == pytest.approx(0.1, abs=0.04)
    assert set(boxes["image"]) == set(votes.index[votes == 1])
    boxes = boxes[boxes["image"].map(seen)]
    assert boxes["x"].isna().mean() == pytest.approx(0.3, abs=0.06)
    drawn = boxes.dropna(subset=BOX)
    true, distractor = (t.set_index("image").loc[drawn["image"], BOX] for t in (truth, other))
    as_true = (drawn[BOX].to_numpy() == true.to_numpy()).all(axis=1)
    as_other = (drawn[BOX].to_numpy() == distractor.to_numpy()).all(axis=1)
    assert (as_true | as_other).all()
    assert as_other.mean() == pytest.approx(0.2, abs=0.05)

    inner = truth[(truth[["x", "y"]] > 15).all(axis=1)]  # far from the border that cuts boxes
    inner = inner[(inner["x"] + inner["width"] < 45) & (inner["y"] + inner["height"] < 45)]
    many = pd.concat([inner.assign(image=inner["image"] + str(i)) for i in range(40)])
    drawn = simulate_annotators(many, seed=1, rounds=1, jitter=0.05, scale=1.4).boxes
    drawn, true = drawn.set_index("image"), many.set_index("image").loc[drawn["image"]]
    for start, side in (("x", "width"), ("y", "height")):
        near = (drawn[start] - true[start]) / true[side]
        far = (drawn[start] + drawn[side] - true[start]) / true[side]
        assert [near.mean(), far.mean()] == pytest.approx([-0.2, 1.2], abs=0.01)
        assert [near.std(), far.std()] == pytest.approx([0.05, 0.05], abs=0.01)
        assert abs(np.corrcoef(near, far)[0, 1]) < 0.2


def test_who_overlooks_one_of_two_boxes_draws_the_other_and_who_overlooks_both_skips_once():
    places = [(0, 0, 3, 3), (6, 4, 4, 3)]
    images = [f"{number:02d}" for number in range(60)]
    truth = truth_table([(image, "run", box) for image in images for box in places])
    boxes = simulate_annotators(truth, seed=0, rounds=1, miss=0.5).boxes
    drawn = boxes.groupby("image")["x"].agg(lambda x: tuple(x.fillna(-1)))
    assert drawn.index.tolist() == images
    shares = drawn.value_counts(normalize=True)
    assert set(shares.index) == {(0, 6), (0,), (6,), (-1,)}
    assert shares.tolist() == pytest.approx([0.25] * 4, abs=0.15)


def test_those_who_do_not_skip_draw_on_a_distractor_and_crops_are_voted_down_in_truth(crowd):
    truth, other = (table[:40] for table in crowd)
    contrary = dict(distractors=other, flip=1)  # pairs pass only where nothing is visible
    skipping = simulate_annotators(truth, seed=2, skip=1, **contrary)
    drawing = simulate_annotators(truth, seed=2, skip=0, **contrary)
    unseen = set(truth.loc[truth["x"].isna(), "image"])
    assert set(skipping.boxes["image"]) == set(drawing.boxes["image"]) == unseen
    assert skipping.boxes["x"].isna().all()
    expected = other.set_index("image").loc[drawing.boxes["image"], BOX]
    np.testing.assert_array_equal(drawing.boxes[BOX], expected)
    votes = drawing.votes[drawing.votes["stage"] == "region"]
    assert len(votes) == 3 * len(unseen)
    assert votes["yes"].all()  # the contrary of the truth


@pytest.mark.parametrize(("height", "yes"), [(2, True), (1, False)])
def test_a_crop_is_recognised_if_it_holds_half_of_a_true_box(height, yes):
    truth = truth_table([("a", "run", (0, 0, 4, 4)), ("a", "run", (0, 0, 12, 9))])
    other = truth[["image", *BOX]][:1].assign(height=height)
    answers = simulate_annotators(truth, seed=0, distractors=other, wrong_object=1, annotators=1)
    votes = answers.votes[answers.votes["stage"] == "region"]
    assert votes["yes"].tolist() == [yes]
    assert build_regions(*answers).regions["boxes"].tolist() == [f"0 0 4 {height}"] * yes


def test_scores_by_hand():
    truth = truth_table(
        [("a", "run", (0, 0, 4, 4)), ("a", "sit", None), ("b", "run", (0, 0, 6, 4)),
         ("c", "run", (0, 0, 6, 4)), ("d", "run", None)]
    )  # fmt: skip
    seen = []
    for image, action, box in [("a", "run", (2, 0, 4, 4)), ("a", "sit", (0, 0, 9, 9)),
                               ("b", "run", (0, 0, 6, 8))]:  # fmt: skip
        votes = votes_table([("visible", 1, "a", 1), ("region", 1, "a", 1)], image, action)
        seen.append((boxes_table([(1, box)], image, action), votes))
    boxes, votes = (pd.concat(tables) for tables in zip(*seen, strict=True))
    sizes = pd.concat([SIZES.assign(image=image) for image in "abcd"])
    regions = build_regions(boxes, votes, sizes, visible_rounds=1, rounds=1).regions
    found = score_regions(regions, truth, resamples=50)
    assert (found["offered"], found["kept"]) == (5, 3)
    assert found["precision"] == pytest.approx(2 / 3)
    assert found["recall"] == pytest.approx(2 / 3)
    assert found["IoU"] == pytest.approx((8 / 24 + 24 / 48) / 2)
    assert found["coverage"] == pytest.approx((0.5 + 1) / 2)
    assert found["purity"] == pytest.approx(0.5)
    assert found["IoU low"] == pytest.approx(1 / 3)
    assert found["IoU high"] == pytest.approx(1 / 2)
    nothing = score_regions(regions.iloc[:0], truth, resamples=50)
    assert (nothing["kept"], nothing["recall"]) == (0, 0)
    assert np.isnan([nothing["precision"], nothing["IoU"], nothing["IoU low"]]).all()
    with pytest.raises(InputError, match="truth: has no row of image 'b', action 'run'"):
        score_regions(regions, truth[truth["image"] != "b"])


def test_more_rounds_buy_purity_with_coverage_and_two_of_three_beat_both_overlaps(crowd):
    truth, other = (table[:120] for table in crowd)
    errors = dict(distractors=other, jitter=0.1, wrong_object=0.05, miss=0.1, flip=0.05)
    table = quality_by_rounds(truth, seed=0, rounds=(1, 2, 3), resamples=20, **errors)
    table = table.set_index(["rounds", "at_least"])
    assert table.index.tolist() == [(1, 1), (2, 1), (2, 2), (3, 1), (3, 2), (3, 3)]
    overlaps = table.loc[[(1, 1), (2, 2), (3, 3)]]
    assert overlaps["purity"].is_monotonic_increasing
    for name in ("coverage", "recall"):
        assert overlaps[name].is_monotonic_decreasing
    assert table.loc[(3, 2), "IoU"] > max(table.loc[(2, 2), "IoU"], table.loc[(3, 3), "IoU"])
    assert table.loc[(3, 2), "recall"] > table.loc[(2, 2), "recall"]


def test_files_go_in_and_come_out(tmp_path):
    answers = simulate_annotators(TRUTH, seed=0, jitter=0.1)
    for name, table in answers._asdict().items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    inputs = [tmp_path / f"{name}.csv" for name in answers._fields]
    regions_path, summary_path = tmp_path / "out/regions.csv", tmp_path / "out/summary.csv"
    paths = dict(regions_path=regions_path, summary_path=summary_path)
    build_region_files(*inputs, **paths)
    built = build_regions(*answers)
    pd.testing.assert_frame_equal(read_regions(regions_path), built.regions, check_dtype=False)
    assert pd.read_csv(summary_path)["pairs"].tolist() == built.summary["pairs"].tolist()
    build_region_files(*inputs, **paths, verified=False)
    assert len(pd.read_csv(summary_path)) == 5
    for broken in ("1 1 40 1", "1 1 x 1", "1 1 2"):
        built.regions.assign(boxes=broken).to_csv(regions_path, index=False)
        with pytest.raises(InputError, match=rf"regions.csv: column boxes, line 2: .*'{broken}'"):
            read_regions(regions_path)


def changed(table, column, value):
    table = table.reset_index(drop=True).astype(object)
    table.loc[0, column] = value
    return table


def doubled(table):
    return pd.concat([table, table])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: check_boxes(TWO.drop(columns=["x", "round"])), "boxes: has no column round, x; "),
        (lambda: check_boxes(changed(TWO, "x", "left")), "boxes: column x, line 2: .* 'left' is n"),
        (lambda: check_boxes(changed(TWO, "y", -1)), "column y, line 2: the value '-1' is not a n"),
        (lambda: check_boxes(changed(TWO, "y", "inf")), "'inf' is not a number from 0, in pixels"),
        (lambda: check_boxes(changed(TWO, "y", "nan")), "'nan' is not a number from 0, in pixels"),
        (lambda: check_boxes(changed(TWO, "width", 0)), "width, line 2: .* is not above 0; leave"),
        (lambda: check_boxes(changed(TWO, "height", None)), "height, line 2: .* give the whole bo"),
        (lambda: check_boxes(changed(TWO, "round", 0)), "'0' is not a whole number from 1"),
        (lambda: check_boxes(changed(TWO, "round", 1.5)), "'1.5' is not a whole number from 1"),
        (lambda: check_boxes(changed(TWO, "action", " ")), "column action, line 2: .* is empty"),
        (
            lambda: check_boxes(boxes_table([(1, (0, 0, 1, 1)), (1, None)])),
            "line 3: the value means a skipped image, but the same person",
        ),
        (lambda: check_votes(changed(SEEN, "stage", "crop")), "'crop' is not one of visible, reg"),
        (lambda: check_votes(changed(SEEN, "yes", "maybe")), "'maybe' is not yes, no, 1 or 0"),
        (lambda: check_votes(changed(SEEN, "yes", None)), "votes: column yes, line 2: .*'' is not"),
        (lambda: check_votes(changed(SEEN, "region", "x")), "region, line 2: the value 'x' is not"),
        (lambda: check_votes(doubled(SEEN)), "line 4: the value repeats an earlier row"),
        (lambda: check_sizes(changed(SIZES, "width", 0)), "sizes: column width, line 2: .*'0' is"),
        (lambda: check_sizes(doubled(SIZES)), "sizes: column image, line 3: .* repeats"),
        (
            lambda: build_regions(changed(TWO, "x", 9), GOOD, SIZES),
            r"boxes: column x, line 2: the value '9.0' \+ width = 13 is outside .*width is 12",
        ),
        (
            lambda: build_regions(changed(TWO, "image", "b.jpg"), GOOD, SIZES),
            "boxes: column image, line 2: the value 'b.jpg' is not in sizes; add",
        ),
        (
            lambda: build_regions(TWO, changed(GOOD, "image", "b.jpg"), SIZES),
            "votes: column image, line 2: the value 'b.jpg' is not in sizes",
        ),
        (
            lambda: build_regions(changed(TWO, "action", "sit"), GOOD, SIZES),
            "boxes: column action, line 2: the value 'sit' is of a pair without votes",
        ),
        (
            lambda: build_regions(TWO, changed(GOOD[::-1], "region", 10**9), SIZES),
            "votes: column region, line 2: the value '1000000000' is not among the crops",
        ),
        (
            lambda: check_votes(changed(SEEN, "region", 10**9 + 1)),
            "'1000000001' is not a whole number from 1 to a billion",
        ),
        (
            lambda: build_regions(changed(TWO, "round", 10**9), GOOD, SIZES),
            "boxes: image 'a.jpg', action 'run' has no row of round 1; show it again",
        ),
        (
            lambda: build_regions(TWO, GOOD, SIZES.assign(width=10**9, height=10**9)),
            "sizes: image a.jpg of 1000000000 x 1000000000 pixels: .* correct its size",
        ),
        (
            lambda: build_regions(TWO, GOOD, SIZES, rounds=3),
            "boxes: image 'a.jpg', action 'run' has no row of round 3; show it again",
        ),
        (
            lambda: build_regions(TWO, GOOD, SIZES, visible_rounds=3),
            "votes: image 'a.jpg', action 'run' has votes of 2 rounds .* ask in 1 more",
        ),
        (
            lambda: build_regions(TWO, SEEN, SIZES),
            "votes: region 1 of image 'a.jpg', action 'run' has no vote of the stage region",
        ),
        (
            lambda: build_regions(TWO, changed(GOOD[::-1], "region", 2), SIZES),
            "votes: column region, line 2: the value '2' is not among the crops",
        ),
        (lambda: build_regions(TWO, GOOD, SIZES, rounds=0), "rounds is 0; give 1 or more"),
        (lambda: build_regions(TWO, GOOD, SIZES, at_least=3), "at_least is 3 of 2 rounds"),
        (lambda: build_regions(TWO, GOOD, SIZES, min_share=1), "min_share is 1; give a share"),
        (lambda: simulate_annotators(TRUTH, seed=0, miss=1.2), "miss is 1.2; give a share"),
        (lambda: simulate_annotators(TRUTH, seed=0, scale=0), r"scale \(0\) above 0"),
        (
            lambda: simulate_annotators(changed(TRUTH, "image_width", 13), seed=0),
            "truth: column image_width, line 3: the value '12' differs",
        ),
        (
            lambda: simulate_annotators(changed(TRUTH, "x", 8), seed=0),
            r"truth: column x, line 2: the value '8.0' \+ width = 13.2 is outside",
        ),
        (
            lambda: simulate_annotators(doubled(truth_table([("a", "run", None)])), seed=0),
            "truth: column x, line 2: the value means not visible, but the pair has another row",
        ),
    ],
)
def test_errors_name_the_place_and_the_remedy(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_errors_name_the_file_and_its_line_even_of_votes_of_one_stage(tmp_path):
    path = tmp_path / "people.csv"
    boxes_table([(1, (0, 0, 2, 2)), (2, (0, 0, 99, 2))]).to_csv(path, index=False)
    with pytest.raises(InputError, match=r"people.csv: column x, line 3: .* is outside"):
        build_regions(read_boxes(path), GOOD, SIZES)
    boxes_table([(1, (0, 0, "wide", 2))]).to_csv(path, index=False)
    with pytest.raises(InputError, match=r"people.csv: column width, line 2: the value 'wide'"):
        read_boxes(path)
    votes = changed(GOOD[::-1], "region", 2)  # its only vote on a region is now in line 2
    votes = pd.concat([votes[1:], votes[:1]])
    with pytest.raises(InputError, match="votes: column region, line 4: the value '2' is not amo"):
        build_regions(TWO, votes, SIZES)
