"""The raster and its readings agree: colours, masks, boxes, key points, reversals, sizes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from seewhy.errors import InputError
from seewhy.worlds.puppets import draw_clip
from seewhy.worlds.puppets import vocabulary as words
from seewhy.worlds.puppets.cast import body_of, build_figures
from seewhy.worlds.puppets.clip import draw_plan
from seewhy.worlds.puppets.draw import SUB
from seewhy.worlds.puppets.layout import MARGIN_X, MARGIN_Y
from seewhy.worlds.puppets.motion import move
from seewhy.worlds.puppets.plan import Act, Member, Plan
from seewhy.worlds.puppets.sampling import plan_clip
from seewhy.worlds.puppets.scenes import build_scene
from seewhy.worlds.puppets.setting import Setting

SEED = 7


@pytest.fixture(scope="module")
def clips():
    return [draw_clip(SEED, "test", i, captions=False) for i in range(40)]


def _fine(plan: Plan, size: int) -> np.ndarray:
    """The raster of sub-pixels, drawn the slow way: one frame at a time."""
    figures, _ = build_figures(plan)
    backdrop = build_scene(plan.scene, plan.scene_seed)
    scale = size / 64 * SUB
    side = size * SUB
    canvas = Image.new(
        "L", (round((64 + 2 * MARGIN_X) * scale), round((64 + 2 * MARGIN_Y) * scale))
    )
    for code, stuff in enumerate(backdrop.stuff):
        for polygon in stuff.polygons:
            outline = np.rint((np.array(polygon) + [MARGIN_X, MARGIN_Y]) * scale).astype(int)
            ImageDraw.Draw(canvas).polygon(outline.ravel().tolist(), fill=code)
    codes = {}
    for figure in figures:
        for shape in figure.body.shapes:
            codes.setdefault(
                (figure.instance, shape.part, shape.dark), len(codes) + len(backdrop.stuff)
            )
    frames = []
    for t in range(plan.frames):
        x, y = np.rint((plan.view[t] + [MARGIN_X, MARGIN_Y]) * scale).astype(int)
        image = canvas.crop((x, y, x + side, y + side))
        shapes = sorted(
            (
                (figure.body.depth[t], figure.group, shape.layer, figure.instance, order, shape)
                for figure in figures
                for order, shape in enumerate(figure.body.shapes)
                if figure.body.shown[t]
            ),
            key=lambda row: row[:3],
        )
        for *_, instance, _, shape in shapes:
            outline = np.rint((shape.points[t] - plan.view[t]) * scale).astype(int)
            fill = codes[instance, shape.part, shape.dark]
            ImageDraw.Draw(image).polygon(outline.ravel().tolist(), fill=fill)
        frames.append(np.asarray(image))
    return np.stack(frames)


def _plain_clip(clips):
    return next(
        c for c in clips
        if len(c.plan.cast) == 1 and c.plan.actors[0].action != "swim" and c.plan.camera == "still"
    )  # fmt: skip


def test_the_code_of_a_pixel_is_that_of_its_middle_sub_pixel(clips):
    clip = _plain_clip(clips)
    fine = _fine(clip.plan, 64)
    assert (clip.drawing.code == fine[:, 1::3, 1::3]).mean() > 0.999


def test_a_pixel_of_one_element_has_one_of_its_two_colours(clips):
    clip = _textured(clips)
    fine = _fine(clip.plan, 64)
    blocks = fine.reshape(len(fine), 64, SUB, 64, SUB).transpose(0, 1, 3, 2, 4).reshape(-1, SUB**2)
    whole = (blocks == blocks[:, :1]).all(1).reshape(fine.shape[0], 64, 64)
    whole &= clip.drawing.code == fine[:, 1::3, 1::3]
    assert whole.mean() > 0.7
    colours = np.array([e.rgb for e in clip.drawing.elements], np.uint8)  # [codes, 2, 3]
    pair = colours[clip.drawing.code[whole]]
    match = (pair == clip.frames[whole][:, None]).all(-1)
    assert match.any(1).all()
    patterned = (pair[:, 0] != pair[:, 1]).any(-1)
    share = match[patterned][:, 1].mean()
    assert 0.1 < share < 0.7  # the second colour of a pattern covers a fair part of it


def _textured(clips):
    return next(
        c
        for c in clips
        if len(c.plan.cast) == 1
        and c.plan.actors[0].texture != "plain"
        and c.plan.actors[0].action != "swim"
    )


def test_a_pixel_of_several_elements_is_the_mean_of_their_colours():
    plan = replace(plan_clip(SEED, "train", 0), cast=())
    drawing = draw_plan(plan, 64)
    fine = _fine(plan, 64)
    colours = np.array([e.rgb[0] for e in drawing.elements], float)
    plain = np.array([e.texture == "plain" for e in drawing.elements])
    mean = colours[fine].reshape(len(fine), 64, SUB, 64, SUB, 3).mean((2, 4))
    flat = plain[fine].reshape(len(fine), 64, SUB, 64, SUB).all((2, 4))
    assert flat.mean() > 0.3
    assert np.abs(mean - drawing.frames)[flat].max() <= 0.5


def test_boxes_are_the_tight_boxes_of_the_visible_pixels(clips):
    for clip in clips[:12]:
        instance = np.array([e.instance for e in clip.drawing.elements])[clip.drawing.code]
        rows = {(t, i): tuple(box) for t, i, *box in clip.drawing.boxes.tolist()}
        expected = {}
        for t, frame in enumerate(instance):
            for number in set(np.unique(frame).tolist()) - {0}:
                y, x = np.nonzero(frame == number)
                expected[t, number] = (
                    x.min(), y.min(), x.max() - x.min() + 1, y.max() - y.min() + 1,
                )  # fmt: skip
        assert rows == expected


def test_visible_key_points_lie_on_or_beside_their_thing(clips):
    seen = hidden = 0
    for clip in clips:
        instance = np.array([e.instance for e in clip.drawing.elements])[clip.drawing.code]
        padded = np.pad(instance, ((0, 0), (1, 1), (1, 1)))
        for t, number, _, x, y, visible in clip.drawing.points:
            if not visible:
                hidden += 1
                continue
            seen += 1
            column, row = int(x), int(y)
            assert 0 <= x < 64
            assert 0 <= y < 64
            around = padded[int(t), row : row + 3, column : column + 3]
            assert (around == number).any()
    assert seen > 3 * hidden > 0


def test_key_points_hidden_by_another_thing_are_not_visible(clips):
    checked = 0
    for clip in clips:
        instance = np.array([e.instance for e in clip.drawing.elements])[clip.drawing.code]
        for t, number, _, x, y, visible in clip.drawing.points:
            if not (3 <= x < 61 and 3 <= y < 61):
                continue
            around = instance[int(t), int(y) - 2 : int(y) + 3, int(x) - 2 : int(x) + 3]
            if not (around == number).any():
                assert not visible
                checked += 1
    assert checked > 50


def test_frames_differ_in_size_only(clips):
    large = draw_clip(SEED, "test", 3, size=96, captions=False)
    small = clips[3]
    assert large.frames.shape == (32, 96, 96, 3)
    assert [e.part for e in large.drawing.elements] == [e.part for e in small.drawing.elements]
    share = [
        np.bincount(d.code.ravel(), minlength=len(d.elements)) / d.code.size
        for d in (large.drawing, small.drawing)
    ]
    assert np.abs(share[0] - share[1]).max() < 0.02


# --- motion


def _solo(kind, action, start, end, x=32.0, *, front=False, direction=1.0, backing=False):
    view = np.zeros((32, 2))
    one = Act(action, 0, 32, start, end, direction, backing, 1.1, 0.7, 18.0)
    member = Member(
        1,
        kind,
        "actor",
        words.COLOURS_OF[kind][0],
        "plain",
        words.SIZES[kind][0],
        5,
        (16.0, 48.0),
        x,
        54.0,
        front,
        (one,),
    )
    return Plan("field", 11, "still", view, 32, (member,))


@pytest.mark.parametrize(
    ("action", "back"), [("fall", "get up"), ("stop", "start"), ("enter", "leave")]
)
@pytest.mark.parametrize(
    ("kind", "front"), [("man", False), ("girl", True), ("dog", False), ("bird", False)]
)
@pytest.mark.parametrize("backing", [False, True])
def test_pairs_are_each_other_played_backwards(action, back, kind, front, backing):
    assert words.REVERSED[back] == action
    there = draw_plan(_solo(kind, action, 6, 26, front=front, backing=backing), 64)
    again = draw_plan(_solo(kind, back, 6, 26, front=front, backing=backing), 64)
    assert (there.code == again.code[::-1]).all()
    assert (there.frames == again.frames[::-1]).all()
    assert (there.code[0] != there.code[-1]).any()


@pytest.mark.parametrize("action", sorted(words.ALL_ACTIONS))
def test_every_action_moves_within_its_window_for_everyone(action):
    for kind in words.ALL_ACTIONS[action].actors:
        at = Setting(32, 6, 26, (14, 50), 52, np.zeros(32), 30.0, front=False, beat=0.4)
        pose = move(action, kind, words.SIZES[kind][0], at)
        body = body_of(kind, words.SIZES[kind][0], pose)
        points = np.concatenate([s.points for s in body.shapes], 1)
        assert points.shape[0] == 32
        assert np.isfinite(points).all()
        speed = np.abs(np.diff(points, axis=0)).mean((1, 2))
        assert speed[7:23].max() > 0.1, kind


def test_actors_span_at_least_the_smallest_size():
    short, tall = words.SMALLEST
    for kind in (*words.ACTORS, *words.RARE_ACTORS):
        at = Setting(4, 0, 4, (20, 44), 54, np.zeros(4), 32.0)
        body = body_of(kind, words.SIZES[kind][0], move("idle", kind, words.SIZES[kind][0], at))
        points = np.concatenate([s.points for s in body.shapes], 1)
        sides = np.sort((points.max(1) - points.min(1)).min(0))
        assert sides[0] >= short - 0.5, (kind, sides)
        assert sides[1] >= tall, (kind, sides)


def test_actors_roam_the_frame(clips):
    middles = []
    for clip in clips:
        boxes = clip.drawing.boxes[clip.drawing.boxes[:, 1] == 1]
        middles.append((boxes[:, 2] + boxes[:, 4] / 2).mean())
    assert np.std(middles) > 7
    assert np.min(middles) < 22
    assert np.max(middles) > 42


def test_most_actions_are_told_by_motion_only():
    told = [one.by_motion for one in words.ACTIONS.values()]
    assert sum(told) >= len(told) / 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "dev"}, "split 'dev' is not one of"),
        ({"index": -1}, "index -1 must be a whole number"),
        ({"seed": 0.5}, "seed 0.5 must be a whole number"),
        ({"size": 63}, "size 63 must be an even number"),
        ({"frames": 3}, "frames 3 must be a whole number"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    given = {"seed": 1, "split": "train", "index": 0} | arguments
    with pytest.raises(InputError, match=message):
        draw_clip(given.pop("seed"), given.pop("split"), given.pop("index"), **given)
