"""Caption-guided saliency: against a literal loop over places, and its promises."""

import numpy as np
import pytest
import torch
from torch import nn

from seewhy.errors import InputError
from seewhy.grounding.caption_guided import caption_guided_saliency, caption_guided_timing
from seewhy.grounding.networks import (
    VGG,
    CaptionerSizes,
    MeanPoolCaptioner,
    VGGShape,
)

WORDS = torch.tensor([[1, 4, 5, 2], [1, 8, 3, 2]])
POSITION = torch.tensor([1, 3])


@pytest.fixture
def captioner():
    torch.manual_seed(0)
    cnn = VGG(VGGShape(groups=((6,), (8,)), linear=(24,), size=16))
    for module in cnn.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    sizes = CaptionerSizes(words=9, embedding=4, hidden=24)
    return MeanPoolCaptioner(cnn, 24, sizes, size=16, scale="-1..1").double()


@pytest.fixture
def frames():
    return torch.rand(
        2, 3, 3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    )


def literal_word(captioner, feature, words, position):
    """log q(y_t = w) after the words before it, a step at a time."""
    first = second = None
    for word in words[:position]:
        x = torch.cat([captioner.embedding.weight[word].relu(), feature])[None, None]
        h, first = captioner.lstm1(x, first)
        h, second = captioner.lstm2(h, second)
    p = captioner.classifier(h[0, 0]).softmax(0)
    return float(p[words[position]].log())


def scaled(values):
    return (values - values.min()) / (values.max() - values.min())


@pytest.mark.parametrize(
    ("layer", "modules", "side"), [(None, 7, 8), ("conv1", 3, 16), ("pool1", 4, 8)]
)
@torch.no_grad()
def test_it_is_the_literal_loop_over_places(captioner, frames, layer, modules, side):
    got = caption_guided_saliency(captioner, frames, WORDS, POSITION, layer=layer, batch=7)
    assert got.shape == (2, 3, side, side)
    captioner.eval()
    lower, upper = captioner.cnn.features[:modules], captioner.cnn.features[modules:]
    for clip in range(2):
        expected = np.zeros((3, side, side))
        for t in range(3):
            a = lower(frames[clip, t][None])
            for y in range(side):
                for x in range(side):
                    alone = torch.zeros_like(a)
                    alone[0, :, y, x] = a[0, :, y, x]
                    feature = captioner.cnn.classifier(upper(alone).flatten(1))[0]
                    expected[t, y, x] = literal_word(
                        captioner, feature, WORDS[clip], int(POSITION[clip])
                    )
        assert np.ptp(expected) > 1e-3
        np.testing.assert_allclose(got[clip].numpy(), scaled(expected), atol=1e-9)


@torch.no_grad()
def test_the_timing_is_the_literal_loop_over_frames(captioner, frames):
    got = caption_guided_timing(captioner, frames, WORDS, POSITION, batch=4)
    captioner.eval()
    for clip in range(2):
        expected = [
            literal_word(captioner, captioner.cnn(x[None])[0], WORDS[clip], int(POSITION[clip]))
            for x in frames[clip]
        ]
        np.testing.assert_allclose(got[clip].numpy(), scaled(np.array(expected)), atol=1e-9)


def test_the_one_place_that_says_the_word_is_found(captioner, frames):
    with torch.no_grad():
        frames[:] = 0
        frames[0, 1, :, 4:6, 8:10] = 1
        for module in captioner.cnn.features:
            if isinstance(module, nn.Conv2d):  # each cell sees itself
                module.weight[:, :, 1, 1] = module.weight.abs().sum((2, 3))
                module.weight[:, :, [0, 0, 0, 1, 1, 2, 2, 2], [0, 1, 2, 0, 2, 0, 1, 2]] = 0
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.zero_()
        # More of anything that is seen makes word 4 likelier.
        for weight in (captioner.cnn.classifier[0].weight, *captioner.lstm1.parameters()):
            weight.abs_()
        for weight in captioner.lstm2.parameters():
            weight.abs_()
        captioner.classifier.weight.zero_()
        captioner.classifier.weight[4] = 1
    got = caption_guided_saliency(captioner, frames[:1], WORDS[:1], POSITION[:1])
    assert np.unravel_index(int(got.argmax()), got.shape) == (0, 1, 2, 4)
    assert float(got.max()) == 1.0
    assert (got > 0).sum() == 1
    assert caption_guided_timing(captioner, frames[:1], WORDS[:1], POSITION[:1]).argmax() == 1


def test_later_words_and_other_clips_change_nothing(captioner, frames):
    together = caption_guided_saliency(captioner, frames, WORDS, POSITION, batch=5)
    changed = WORDS.clone()
    changed[0, 2:] = 7
    alone = caption_guided_saliency(captioner, frames[:1], changed[:1], POSITION[:1])
    torch.testing.assert_close(together[:1], alone, atol=1e-9, rtol=0)
    assert float(together.min()) == 0
    assert together.flatten(1).amax(1).tolist() == [1, 1]


def test_it_leaves_the_captioner_alone_and_blank_clips_blank(captioner, frames):
    captioner.train()
    before = {key: value.clone() for key, value in captioner.state_dict().items()}
    maps = caption_guided_saliency(
        captioner, torch.zeros_like(frames[:1, :1]), WORDS[:1], POSITION[:1], layer="pool2"
    )
    assert captioner.training
    assert all(torch.equal(before[key], value) for key, value in captioner.state_dict().items())
    assert maps.isfinite().all()
    with torch.no_grad():
        captioner.classifier.weight.zero_()  # nothing that is seen matters
    assert (caption_guided_saliency(captioner, frames, WORDS, POSITION) == 0).all()


def test_places_outside_of_the_words_are_refused(captioner, frames):
    for function in (caption_guided_saliency, caption_guided_timing):
        with pytest.raises(InputError, match="positions must be 1 … 3"):
            function(captioner, frames, WORDS, torch.tensor([0, 4]))
    with pytest.raises(InputError, match="layer 'conv9' is not one of"):
        caption_guided_saliency(captioner, frames, WORDS, POSITION, layer="conv9")
