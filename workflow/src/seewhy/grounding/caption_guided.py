"""Caption-guided saliency, the baseline of Table 5: the captioner is run again on each place alone.

    maps = caption_guided_saliency(captioner, frames, words, position)
    when = caption_guided_timing(captioner, frames, words, position)

Ramanishka et al. ask how much is lost of what the captioner knows about its word y_t if, of all the
descriptors that it reads, it is given the i-th only. With p its distribution over the vocabulary
for all descriptors and q_i that for descriptor i alone, both after the true words before t,

    Loss(t, i) = KL(p(y_t) || q_i(y_t)),

and with p taken to be one-hot on the word w that was said, as they do,

    Loss(t, i) = -log q_i(y_t = w),   saliency(t, i) = scale(-Loss(t, i)),

where `scale` brings the values of a word linearly to 0 … 1, here over the clip (their code, over
time and again over each frame, for its pictures).

Their descriptors are the cells of the last convolution, which their LSTM reads one by one. Where
linear layers of fixed size stand between the convolution and the LSTM, as in VGG, a cell has to be
brought through them: all other cells of the layer are set to zero, the layers above are run, and
the decoder reads the fc7 that comes out in place of the mean over the frames. This takes a run of
them for each of the h w T cells, where excitation backprop takes one pass back. (One such run
serves all words of a caption; excitation backprop has a pass back for each.)

Reference:
    V. Ramanishka, A. Das, J. Zhang, K. Saenko, Top-down Visual Saliency Guided by Captions,
    CVPR 2017.
"""

from __future__ import annotations

import torch
from torch import Tensor

from seewhy.errors import require_whole
from seewhy.grounding.chain import Chain
from seewhy.grounding.maps import (
    asked_layer,
    look,
    readable_frames,
    readable_words,
    require_encoding,
    require_network,
)
from seewhy.grounding.networks import MeanPoolCaptioner
from seewhy.modes import explaining


def caption_guided_saliency(
    captioner: MeanPoolCaptioner,
    frames: Tensor,
    words: Tensor,
    position: Tensor,
    *,
    layer: str | None = None,
    batch: int = 64,
) -> Tensor:
    """Where and when a captioner sees what a word names.

    Args:
        captioner: it is left as it was found.
        frames: ``[clips, T, 3, h, w]``; an image is a clip of one frame.
        words: ``[clips, L]``, the captions, each beginning with the start word.
        position: ``[clips]``, place in `words` of the word that is asked for, at least 1.
        layer: a convolution or pool whose cells are the descriptors; None: the last convolution.
        batch: frames, and cells, that pass the CNN at once.

    Returns:
        ``[clips, T, h', w']``, of the layer's size; in each clip from 0 to 1, or all 0 where no
        place differs from another.

    Raises:
        InputError: an unknown layer, a position outside of the words, or a CNN that is no chain.
    """
    require_whole(1, batch=batch)
    captioner = require_network(captioner, MeanPoolCaptioner)
    with explaining(captioner):
        frames = readable_frames(captioner, frames)
        words, position = readable_words(captioner, frames, words, position)
        chain = Chain(captioner.cnn)
        place = asked_layer(chain, layer)
        seen = look(chain, frames, place, batch=batch)
        require_encoding(captioner, frames, seen.features, batch=batch)
        activations = seen.at_layer
        loss = [
            _loss_of_cells(captioner, chain, place, *clip, batch=batch)
            for clip in zip(activations, words, position.tolist(), strict=True)
        ]
        return _scaled(-torch.stack(loss))


def caption_guided_timing(
    captioner: MeanPoolCaptioner,
    frames: Tensor,
    words: Tensor,
    position: Tensor,
    *,
    batch: int = 64,
) -> Tensor:
    """When a captioner sees what a word names: the descriptors are whole frames.

    Args:
        captioner: see `caption_guided_saliency`.
        frames: see there.
        words: see there.
        position: see there.
        batch: frames that pass the CNN at once.

    Returns:
        ``[clips, T]``, in each clip from 0 to 1.

    Raises:
        InputError: see `caption_guided_saliency`.
    """
    require_whole(1, batch=batch)
    captioner = require_network(captioner, MeanPoolCaptioner)
    with explaining(captioner):
        frames = readable_frames(captioner, frames)
        words, position = readable_words(captioner, frames, words, position)
        features = look(Chain(captioner.cnn), frames, None, batch=batch).features
        require_encoding(captioner, frames, features, batch=batch)
        loss = [
            _loss(captioner, *clip) for clip in zip(features, words, position.tolist(), strict=True)
        ]
        return _scaled(-torch.stack(loss))


def _loss_of_cells(
    captioner: MeanPoolCaptioner,
    chain: Chain,
    place: int,
    activations: Tensor,
    words: Tensor,
    position: int,
    *,
    batch: int,
) -> Tensor:
    """Loss(t, i) of one clip's cells, ``[T, channels, h, w]`` to ``[T, h, w]``."""
    steps, channels, height, width = activations.shape
    loss = []
    for i in torch.arange(steps * height * width, device=activations.device).split(batch):
        t, y, x = i // (height * width), i // width % height, i % width
        alone = activations.new_zeros(len(i), channels, height, width)
        alone[torch.arange(len(i)), :, y, x] = activations[t, :, y, x]
        features = chain.part(alone, start=place + 1)
        loss.append(_loss(captioner, features, words, position))
    return torch.cat(loss).reshape(steps, height, width)


def _loss(captioner: MeanPoolCaptioner, features: Tensor, words: Tensor, position: int) -> Tensor:
    """-log q_i(y_t = w) for fc7 ``[b, D]`` of one descriptor each, ``[b]``."""
    before = words[:position].expand(len(features), -1)
    states = captioner.lstm2(captioner.lstm1(captioner.read(before, features))[0])[0]
    return -captioner.classifier(states[:, -1]).log_softmax(dim=1)[:, words[position]]


def _scaled(saliency: Tensor) -> Tensor:
    """Each clip linearly to 0 … 1; one that is the same everywhere to 0."""
    values = saliency.flatten(1)
    low, high = values.amin(1), values.amax(1)
    spread = torch.where(high > low, high - low, 1)
    each = (-1,) + (1,) * (saliency.ndim - 1)
    return (saliency - low.view(each)) / spread.view(each)
