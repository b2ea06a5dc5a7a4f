"""The benchmark of grounding, on networks so small that its numbers mean nothing."""

import pytest
import torch

from seewhy.bench import grounding
from seewhy.bench.grounding import bench_actions, bench_words, folded, forward
from seewhy.bench.timing import in_turn
from seewhy.grounding.networks import VGG, VGGShape, vgg_action_network

SHAPE = VGGShape(groups=((8,), (8, 8)), linear=(16,), size=16)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return vgg_action_network(SHAPE, "abc", hidden=16, lags=(1,)).eval()


def test_the_floors_are_the_networks_own_forward_pass(network):
    frames = torch.randn(2, 5, 3, 16, 16)
    with torch.no_grad():
        expected = network(frames)
    torch.testing.assert_close(forward(network, frames, batch=3), expected)
    torch.testing.assert_close(folded(network, frames, batch=3), expected)


def test_every_way_has_its_numbers(network):
    found = bench_actions(network, clips=2, steps=4, layer="conv1", batches=(8, 4), repeats=1)
    for way in ("cEB-R", "BP-R", "zennit", "folded", "one call"):
        assert found[way]["ratio"] > 0
    assert found["forward_is"] in ("forward, 8 at once", "forward, 4 at once")
    found = bench_words(VGG(SHAPE), size=16, clips=1, layer="conv2", repeats=1, steps=2)
    assert found["cells"] == 2 * 8 * 8
    assert found["times_faster"] == found["caption-guided"]["ratio"]


def test_other_maps_than_zennits_are_an_error(network, monkeypatch):
    theirs = lambda *_: lambda: torch.ones(2, 4, 8, 8)  # noqa: E731
    monkeypatch.setattr(grounding, "zennit_maps", theirs)
    with pytest.raises(RuntimeError, match="zennit's maps are not ours"):
        bench_actions(network, clips=2, steps=4, layer="conv2", batches=(8,), repeats=1)


def test_ratios_are_to_the_first():
    numbers = torch.randn(200, 200)

    def work(times):
        return lambda: [numbers @ numbers for _ in range(times)]

    found = in_turn({"floor": work(10), "more": work(80)}, repeats=3)
    assert list(found["floor"]) == ["seconds"]
    assert 3 < found["more"]["ratio"] < 20
    assert found["more"]["ratio_lowest"] <= found["more"]["ratio"] <= found["more"]["ratio_highest"]
