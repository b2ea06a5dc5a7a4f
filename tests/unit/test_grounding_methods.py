"""Names of methods, and the baselines behind them."""

import pytest
import torch

from seewhy.errors import InputError
from seewhy.grounding.maps import ground_action
from seewhy.grounding.methods import Method, scramble
from seewhy.grounding.networks import ActionNetwork, VGGShape, vgg_action_network

SHAPE = VGGShape(groups=((6,), (8,)), linear=(24,), size=16, batch_norm=False)


@pytest.fixture
def networks():
    torch.manual_seed(0)
    lrcn = vgg_action_network(SHAPE, ["a", "b", "c"], hidden=24, lags=(1,)).double().eval()
    head = torch.nn.Linear(24, 3).double()
    return ActionNetwork(lrcn.cnn, head, classes=["a", "b", "c"], size=16), lrcn


@pytest.fixture
def frames():
    generator = torch.Generator().manual_seed(1)
    return torch.rand(2, 5, 3, 16, 16, dtype=torch.float64, generator=generator)


def test_names_are_taken_apart():
    method = Method.parse("cEB-R.all.paper")
    assert (method.how, method.recurrent, method.rule, method.seed) == ("cEB", True, "paper", "all")
    method = Method.parse("EB-R.scrambled-lstm")
    assert (method.scrambled, method.rule, method.shuffled) == ("lstm", "released", False)
    assert Method.parse("Grad-CAM").how == "Grad-CAM"
    assert Method.parse("Grad-CAM-R").recurrent


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("LRP", "method 'LRP' is not one of EB"),
        ("centre-R", "method 'centre-R' is not one of"),
        ("cEB.paper", "'paper' is nothing that cEB knows"),
        ("Grad-CAM-R.all", "'all' is nothing that Grad-CAM-R knows"),
        ("BP-R.paper", "'paper' is nothing that BP-R knows"),
        ("cEB-R.scrambled-head", "'scrambled-head' is nothing that cEB-R knows"),
        ("cEB.scrambled-lstm", "without -R there is no LSTM"),
    ],
)
def test_names_that_there_are_not_are_refused(name, message):
    with pytest.raises(InputError, match=message):
        Method.parse(name)


def test_a_uniform_seed_is_the_mean_over_the_classes(networks, frames):
    cnn, lrcn = networks
    target = torch.tensor([0, 1])
    for network, name in ((cnn, "uniform"), (lrcn, "uniform-R")):
        found = Method.parse(name).maps(network, frames, target, layer="conv1")
        each = [ground_action(network, frames, k, method="EB", layer="conv1") for k in range(3)]
        torch.testing.assert_close(found, torch.stack(each).mean(0))


def test_activations_are_the_layers(networks, frames):
    cnn, _ = networks
    found = Method.parse("activation").maps(cnn, frames, torch.tensor([0, 1]), layer="conv1")
    expected = cnn.cnn.features[:2](frames.flatten(0, 1)).sum(1).unflatten(0, (2, 5))
    torch.testing.assert_close(found, expected)


def test_scrambling_changes_one_part_of_a_copy(networks):
    _, lrcn = networks
    before = {k: v.clone() for k, v in lrcn.state_dict().items()}
    for part in ("classifier", "lstm", "cnn"):
        other = scramble(lrcn, part, seed=0).state_dict()
        for name, value in before.items():
            assert torch.equal(lrcn.state_dict()[name], value)
            torch.testing.assert_close(other[name].sort().values.sum(), value.sort().values.sum())
            if not name.startswith(part):
                assert torch.equal(other[name], value)
        assert any(not torch.equal(other[n], v) for n, v in before.items() if n.startswith(part))


def test_shuffled_frames_are_put_back_in_order(networks, frames):
    cnn, lrcn = networks
    target = torch.tensor([0, 1])
    # Frame by frame the order is nothing.
    plain, shuffled = (Method.parse(f"EB{v}").maps(cnn, frames, target) for v in ("", ".shuffled"))
    torch.testing.assert_close(plain, shuffled)
    plain, shuffled = (
        Method.parse(f"EB-R{v}").maps(lrcn, frames, target) for v in ("", ".shuffled")
    )
    assert (plain - shuffled).abs().max() > 1e-4


def test_occlusion_is_the_fall_of_the_log_probability(networks, frames):
    _, lrcn = networks
    target = torch.tensor([0, 2])
    maps = Method.parse("occlusion-R").maps(lrcn, frames, target)
    assert maps.shape == (2, 5, 4, 4)  # patches of 4 pixels
    hidden = frames.clone()
    hidden[:, 3, :, 4:8, 8:12] = 0
    with torch.no_grad():
        p = [lrcn(x)[:, -1].log_softmax(1)[[0, 1], target] for x in (frames, hidden)]
    torch.testing.assert_close(maps[:, 3, 1, 2], p[0] - p[1])


def test_the_centre_and_noise_know_nothing(networks, frames):
    cnn, _ = networks
    centre = Method.parse("centre").maps(cnn, frames, torch.tensor([0, 1]))
    top = centre[0, 0].flatten().topk(4).indices
    assert sorted(top.tolist()) == [7 * 16 + 7, 7 * 16 + 8, 8 * 16 + 7, 8 * 16 + 8]
    one, two = (Method.parse("random").maps(cnn, frames, torch.tensor([0, 1])) for _ in range(2))
    assert torch.equal(one, two)
    assert one.std() > 0.2
