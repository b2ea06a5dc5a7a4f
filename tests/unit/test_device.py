"""How a network is trained where its libraries have faults, and in which precision it runs."""

import pytest
import torch
from torch import nn

from seewhy.device import choose_precision, training_format
from seewhy.dissection.network import ResidualNetwork
from seewhy.errors import InputError


@pytest.mark.parametrize(
    ("layer", "last"),
    [
        (nn.Conv2d(4, 6, 1, 2), False),
        (nn.Conv2d(8, 6, 1, 2), True),
        (nn.Conv2d(4, 6, 1), True),
        (nn.Conv2d(4, 6, 3, 2), True),
    ],
)
def test_narrow_strided_convolutions_are_not_trained_channels_last(layer, last):
    expected = torch.channels_last if last else torch.contiguous_format
    assert training_format(nn.Sequential(nn.ReLU(), layer)) == expected


def test_the_default_networks_are_trained_channels_last():
    for widths in ((32, 64, 96, 192), (24, 48, 96, 192)):
        assert training_format(ResidualNetwork(widths, ["a", "b"])) == torch.channels_last


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("able", "native"), [(True, "bfloat16"), (False, "float32")])
def test_native_is_bfloat16_where_the_processor_multiplies_it(
    monkeypatch, caplog, training, able, native
):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "avx512_bf16": able})
    on = torch.device("cpu")
    assert choose_precision("native", on, training=training) == native
    assert choose_precision("auto", on, training=training) == (native if training else "float32")
    assert choose_precision("float32", on, training=training) == "float32"
    assert caplog.text == ""
    assert choose_precision("bfloat16", on, training=training) == "bfloat16"
    assert ("float32 is several times faster" in caplog.text) == (not able)


def test_a_precision_that_there_is_not_is_named():
    for name, training in (("half", True), ("float16", True), ("float16", False)):
        with pytest.raises(InputError, match=r"precision: .*float32"):
            choose_precision(name, torch.device("cpu"), training=training)
