"""Boundary errors, insertion and deletion, against literal loops and networks read by hand."""

import numpy as np
import pytest
import torch

from seewhy.errors import InputError
from seewhy.scores.saliency import (
    Curve,
    _blurred,
    boundary_error,
    deletion,
    insertion,
    rank_blocks,
    rank_frames,
)


def made(seed=0, frames=3, h=2, w=4, block=3):
    random = torch.Generator().manual_seed(seed)
    maps = torch.randn(frames, h, w, generator=random)
    clip = torch.rand(frames, 3, h * block, w * block, generator=random)
    weight = torch.randn(clip.shape, generator=random)

    def predict(clips):
        return torch.sigmoid((clips * weight).mean(dim=(1, 2, 3, 4)) * 10)

    return maps, clip, predict


def test_boundary_error_by_hand():
    truth = np.array([[10, 20]] * 4)
    found = np.array([[10, 20], [8, 24], [20, 30], [15, 15]])
    np.testing.assert_array_equal(boundary_error(found, truth), [0, 3, 10, np.nan])
    assert boundary_error(found, truth, missing=32)[3] == 32


def test_ranks_fall_with_saliency_and_ties_are_shuffled():
    maps = torch.tensor([[[0.1, 0.9], [-3, 0.5]], [[4.0, 3.0], [2.0, 1.0]]])
    assert rank_blocks(maps).tolist() == [[[2, 0], [3, 1]], [[0, 1], [2, 3]]]
    assert rank_frames(torch.tensor([0.2, 0.7, -1])).flatten().tolist() == [1, 0, 2]
    constant = torch.zeros(40, 5, 5)
    ranks = rank_blocks(constant)
    assert (ranks.flatten(1).sort(dim=1).values == torch.arange(25)).all()
    assert 8 < ranks[:, 0, 0].float().mean() < 16  # the corner is nothing special
    assert torch.equal(ranks, rank_blocks(constant))
    assert not torch.equal(ranks, rank_blocks(constant, seed=1))


@pytest.mark.parametrize("batch", [1, 3, 100])
@pytest.mark.parametrize("fill", ["mean", "blur", 0.25])
def test_curves_in_space_are_those_of_the_loop(fill, batch):
    maps, clip, predict = made()
    background = {
        "mean": clip.mean(dim=(0, 2, 3)).reshape(1, 3, 1, 1).expand_as(clip),
        "blur": _blurred(clip, 0.05 * 6),
    }.get(fill, torch.full_like(clip, 0.25))
    removed = {"deletion": [], "insertion": []}
    for k in (0, 2, 4, 6, 8):
        deleted, inserted = clip.clone(), background.clone()
        for t in range(3):
            order = sorted(range(8), key=lambda i: -maps[t].flatten()[i])
            for i in order[:k]:
                y, x = divmod(i, 4)
                block = (t, slice(None), slice(3 * y, 3 * y + 3), slice(3 * x, 3 * x + 3))
                deleted[block], inserted[block] = background[block], clip[block]
        removed["deletion"].append(float(predict(deleted[None])))
        removed["insertion"].append(float(predict(inserted[None])))
    given = torch.tensor(0.25) if fill == 0.25 else fill
    for curve in (deletion, insertion):
        found = curve(predict, clip, rank_blocks(maps), fill=given, steps=4, batch=batch)
        np.testing.assert_array_equal(found.shares, [0, 0.25, 0.5, 0.75, 1])
        np.testing.assert_allclose(found.probabilities, removed[curve.__name__], rtol=1e-5)
    start = deletion(predict, clip, rank_blocks(maps), fill=given, steps=4).probabilities
    end = insertion(predict, clip, rank_blocks(maps), fill=given, steps=4).probabilities
    assert start[0] == pytest.approx(end[-1])  # the clip
    assert start[-1] == pytest.approx(end[0])  # the fill


def test_curves_in_time_by_hand():
    clip = torch.zeros(4, 3, 2, 2)
    clip[2] = 1  # the one frame that counts
    clip[0] = 0.5

    def predict(clips):
        return clips[:, 2].mean(dim=(1, 2, 3))

    dark = torch.zeros(3, 1, 1)
    good, bad = (
        rank_frames(torch.tensor([1.0, 0, 5, 0])),
        rank_frames(torch.tensor([4.0, 3, -5, 1])),
    )
    found = deletion(predict, clip, good, fill=dark, steps=4)
    assert found.probabilities.tolist() == [1, 0, 0, 0, 0]
    assert found.area == pytest.approx(1 / 8)
    assert deletion(predict, clip, bad, fill=dark, steps=4).area == pytest.approx(7 / 8)
    assert insertion(predict, clip, good, fill=dark, steps=4).area == pytest.approx(7 / 8)
    assert insertion(predict, clip, bad, fill=dark, steps=4).area == pytest.approx(1 / 8)
    assert deletion(predict, clip, good, fill="mean", steps=4).probabilities[1] == pytest.approx(
        0.375
    )


def test_no_more_steps_than_there_are_blocks_and_shares_are_those_replaced():
    maps, clip, predict = made()
    assert len(deletion(predict, clip, rank_blocks(maps), steps=500).shares) == 9
    uneven = deletion(predict, clip, rank_blocks(maps), steps=3).shares
    np.testing.assert_allclose(uneven, [0, 3 / 8, 5 / 8, 1])
    assert Curve(np.array([0, 0.5, 1]), np.array([1.0, 0.5, 0.5])).area == pytest.approx(0.625)


def test_blocks_that_do_not_divide_the_frame_still_cover_it():
    maps, _, _ = made()
    clip = torch.ones(3, 3, 7, 9)
    found = deletion(
        lambda clips: clips.mean(dim=(1, 2, 3, 4)), clip, rank_blocks(maps), fill=torch.tensor(0.0)
    )
    assert found.probabilities[0] == 1
    assert found.probabilities[-1] == 0
    assert (np.diff(found.probabilities) < 0).all()


def test_a_blur_keeps_what_is_flat_and_spreads_a_point_evenly():
    flat = torch.full((1, 3, 9, 9), 0.3)
    torch.testing.assert_close(_blurred(flat, 2.0), flat)
    point = torch.zeros(1, 1, 41, 41, dtype=torch.float64)
    point[0, 0, 20, 20] = 1
    spread = _blurred(point, 2.0)[0, 0]
    assert spread.sum() == pytest.approx(1)
    offset = torch.arange(41) - 20
    assert float((spread.sum(0) * offset**2).sum()) == pytest.approx(4, rel=0.03)


def test_the_network_is_asked_in_batches_without_gradients():
    maps, clip, _ = made()
    sizes, weight = [], torch.ones((), requires_grad=True)

    def predict(clips):
        sizes.append(len(clips))
        found = clips.mean(dim=(1, 2, 3, 4)) * weight
        assert not found.requires_grad
        return found

    deletion(predict, clip, rank_blocks(maps), steps=8, batch=4)
    assert sizes == [4, 4, 1]


def test_errors_say_what_is_wrong():
    maps, clip, predict = made()
    ranks = rank_blocks(maps)
    for call, message in [
        (
            lambda: boundary_error(np.ones((2, 2)), np.ones((3, 2))),
            r"\(2, 2\) and truth of \(3, 2\)",
        ),
        (lambda: boundary_error([[1, 2]], [[3, 3]]), "truth of item 0 does not end"),
        (lambda: rank_blocks(maps[0]), r"shape \(2, 4\); give \[T, h, w\]"),
        (lambda: rank_frames(maps), r"shape \(3, 2, 4\); give \[T\]"),
        (lambda: rank_blocks(maps * float("nan")), "hold NaN"),
        (lambda: deletion(predict, clip[0], ranks), r"shape \(3, 6, 12\)"),
        (lambda: deletion(predict, (clip * 255).byte(), ranks), "type torch.uint8"),
        (
            lambda: deletion(predict, clip, ranks[:2]),
            r"ranks of the shape \(2, 2, 4\) for 3 frames",
        ),
        (lambda: deletion(predict, clip[..., :3], ranks), r"\(2, 4\) is finer .* \(6, 3\)"),
        (lambda: deletion(predict, clip, ranks, fill="black"), "fill is 'black'"),
        (lambda: deletion(predict, clip, ranks, fill=torch.ones(5)), r"fill of the shape \(5,\)"),
        (lambda: deletion(predict, clip, ranks, steps=0), "0 steps in batches of 8"),
        (lambda: deletion(lambda c: c, clip, ranks), "one probability a clip"),
    ]:
        with pytest.raises(InputError, match=message):
            call()
