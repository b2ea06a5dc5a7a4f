r"""What a network makes of the images of a split: pooled activations, logits, feature maps.

    read_activations(network, "birds.h5", "train.h5", layer="layer4", linear="fc", rows=train,
                     prepare=scaling, device="auto")
    found = load_activations("train.h5")          # found.phi [m, n], found.logits [m, o]
    blocks = feature_maps(network, "birds.h5", layer="layer4", prepare=scaling, rows=(3, 5))
    rows, maps = next(blocks)                     # places [b], and [b, n, h, w]

All of `seewhy.summaries` is about networks that end with global average pooling :math:`\phi` and
one linear layer,

.. math:: y = W \phi(f(x)) + b,

so every batch is held against just that, and a network of another form is refused: an explanation
of it by its filters would be of something else.

Letters and shapes: m images, n filters, o classes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor, nn

from seewhy.device import choose_device
from seewhy.dissection.hooks import linear_layer, require_maps
from seewhy.dissection.layers import LayerReader
from seewhy.errors import InputError
from seewhy.files import create_hdf5, open_hdf5, whole_file
from seewhy.hdf5_files import explained_form
from seewhy.modes import HALVES, placed
from seewhy.progress import progress
from seewhy.running import apart, as_tensor, require_weights, tolerance

Array = np.ndarray
Prepare = Callable[[Array], Tensor]

FORMAT = "seewhy activations 1"
IMAGES = "image"
"""The data set of an images file."""
TOLERANCE = tolerance(torch.float32)
"""How far W phi + b may lie from the logits, by the largest of them."""
_NEEDS = ("phi", "logits", "weight", "bias", "rows", "classes")


@dataclass(frozen=True)
class Activations:
    """What `read_activations` wrote.

    Attributes:
        phi: pooled activations, ``[m, n]`` float32.
        logits: ``[m, o]`` float32.
        weight: W ``[o, n]`` float32.
        bias: ``[o]`` float32; 0 where the layer has none.
        rows: places of the images in their file, int64 ``[m]``.
        classes: names, o, or none.
        layer, linear: names of the layers.
        network: digest of the network's weights.
    """

    phi: Array
    logits: Array
    weight: Array
    bias: Array
    rows: Array
    classes: tuple[str, ...]
    layer: str
    linear: str
    network: str

    @property
    def decided(self) -> Array:
        """The class with the highest logit, int64 ``[m]``."""
        return self.logits.argmax(axis=1)


def read_activations(
    network: nn.Module,
    images: str | Path,
    output: str | Path,
    *,
    layer: str,
    linear: str,
    prepare: Prepare,
    rows: Sequence[int] | Array | None = None,
    classes: Sequence[str] = (),
    maps: str | None = None,
    name: str = IMAGES,
    batch: int = 64,
    device: str = "cpu",
) -> None:
    """Run the images of a split once and write what the network made of them, an HDF5 file.

    Args:
        network: left as it was, on the device where it was.
        images: HDF5 file with the images, uint8 ``[N, h, w, 3]``.
        output: the file to write.
        layer: name of the last layer of maps.
        linear: name of the linear layer.
        prepare: makes a batch the network's input, as `seewhy.dissection.networks.Scaling` does.
        rows: places of the split's images in the file; None: all.
        classes: names, o.
        maps: ``float16`` or ``float32``: keep the feature maps, ``maps`` ``[m, n, h, w]``, too; a
            file of as many bytes. None: `feature_maps` makes them again for the images that need
            them.
        name: of the data set of images.
        batch: images at once.
        device: ``cpu``, ``cuda`` or ``auto``.

    Raises:
        InputError: no such layer, a network of another form, images of another form, no such row,
            activations that are not finite.
    """
    if maps not in (None, "float16", "float32"):
        raise InputError(f"maps {maps!r} is not one of float16, float32, None")
    require_weights(network)
    last = linear_layer(network, linear)
    if classes and len(classes) != last.out_features:
        raise InputError(
            f"{len(classes)} names of classes for {last.out_features} outputs; give one each"
        )
    places = _places(images, name, rows)
    with whole_file(output) as temporary, create_hdf5(temporary) as file:
        file.attrs["format"] = FORMAT
        file.attrs["about"] = json.dumps(
            {"layer": layer, "linear": linear, "network": network_digest(network)}, sort_keys=True
        )
        file.create_dataset("rows", data=places)
        file.create_dataset("classes", data=list(classes), dtype=h5py.string_dtype())
        weight = last.weight.detach().float().cpu()
        bias = torch.zeros(len(weight)) if last.bias is None else last.bias.detach().float().cpu()
        file.create_dataset("weight", data=weight.numpy())
        file.create_dataset("bias", data=bias.numpy())
        kept = {
            "phi": file.create_dataset("phi", (len(places), weight.shape[1]), "f4"),
            "logits": file.create_dataset("logits", (len(places), len(weight)), "f4"),
        }
        done = 0
        passes = _passes(
            network, images, places, (layer, linear), prepare, name=name, batch=batch, device=device
        )
        with progress(what="reading activations", total=len(places), unit="image") as bar:
            for found, answer in passes:
                some = slice(done, done + len(found[layer]))
                done = some.stop
                held = require_maps(found[layer], layer).float()  # [b, n, h, w]
                phi = held.mean(dim=(2, 3)).cpu()
                _require_form(phi, weight, bias, found[linear], answer, layer, linear)
                kept["phi"][some], kept["logits"][some] = phi.numpy(), answer.float().cpu().numpy()
                if maps:
                    if "maps" not in kept:
                        shape = tuple(held.shape[1:])
                        kept["maps"] = file.create_dataset(
                            "maps", (len(places), *shape), maps, chunks=(1, *shape)
                        )
                    kept["maps"][some] = held.cpu().numpy().astype(maps)
                bar.update(len(phi))


def load_activations(path: str | Path, *, network: str = "") -> Activations:
    """What `read_activations` wrote, without the maps.

    Args:
        path: the file.
        network: digest of the network that they must be of; empty: any.

    Raises:
        InputError: missing, cut short, something else, or of another network.
    """
    with open_hdf5(path, needs=_NEEDS) as file, explained_form(path, "activations"):
        if file.attrs.get("format") != FORMAT:
            raise InputError(f"{path}: not activations of this version; make it again")
        about = json.loads(file.attrs["about"])
        found = Activations(
            **{key: file[key][:] for key in ("phi", "logits", "weight", "bias", "rows")},
            classes=tuple(file["classes"].asstr()[:]),
            **about,
        )
    if network and network != found.network:
        raise InputError(
            f"{path} is of network {found.network}, not {network}; read the activations again"
        )
    return found


def load_maps(path: str | Path, rows: Sequence[int] | slice) -> Array:
    """Feature maps that `read_activations` kept: ``[len(rows), n, h, w]`` float32.

    Args:
        path: the file.
        rows: places among the images of the file `path`, in rising order.

    Raises:
        InputError: no maps were kept.
    """
    with open_hdf5(path, needs=_NEEDS) as file:
        if "maps" not in file:
            raise InputError(f"{path}: keeps no maps; read the activations with maps='float16'")
        return file["maps"][rows].astype(np.float32)


def feature_maps(
    network: nn.Module,
    images: str | Path,
    *,
    layer: str,
    prepare: Prepare,
    rows: Sequence[int] | Array | None = None,
    name: str = IMAGES,
    batch: int = 64,
    device: str = "cpu",
) -> Iterator[tuple[Array, Array]]:
    """The maps of some images, a batch at a time; what stands above the layer does not run.

    Args:
        network, images, prepare, rows, name, batch, device: as `read_activations`.
        layer: its maps.

    Yields:
        Places of the images in their file ``[b]``, and the maps ``[b, n, h, w]`` float32.

    Raises:
        InputError: as `read_activations`.
    """
    places, done = _places(images, name, rows), 0
    passes = _passes(
        network, images, places, (layer,), prepare, name=name, batch=batch, device=device, stop=True
    )
    for found, _ in passes:
        maps = require_maps(found[layer], layer).float().cpu().numpy()
        yield places[done : done + len(maps)], maps
        done += len(maps)


def network_digest(network: nn.Module) -> str:
    """Twelve hexadecimal digits of the SHA-256 of the weights and buffers, names and shapes."""
    digest = hashlib.sha256()
    for key, value in sorted(network.state_dict().items()):
        value = value.detach().cpu().contiguous()
        digest.update(f"{key} {value.dtype} {list(value.shape)}".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:12]


def _passes(
    network: nn.Module,
    images: str | Path,
    places: Array,
    layers: Sequence[str],
    prepare: Prepare,
    *,
    name: str,
    batch: int,
    device: str,
    stop: bool = False,
) -> Iterator[tuple[dict[str, Tensor], object]]:
    """What layers gave for each batch, and the answer, None where `stop` ended the pass."""
    where = choose_device(device)
    if batch < 1:
        raise InputError(f"batch is {batch}; give at least 1")
    read = LayerReader(network, layers, stop=stop)
    with placed(network, where):
        for first in range(0, len(places), batch):
            with open_hdf5(images, needs=(name,)) as file:
                pixels = _rows_of(file[name], places[first : first + batch])
            given = as_tensor(prepare(pixels), "what prepare gives")
            if len(given) != len(pixels):
                raise InputError(
                    f"prepare gives {len(given)} inputs for {len(pixels)} images; give one each"
                )
            # Modes and hooks have ended before what was found is handed out: who reads may stop.
            yield read(given)


def _rows_of(images: h5py.Dataset, places: Array) -> Array:
    """Images at places in any order, some more than once: HDF5 itself wants rising ones."""
    rising, back = np.unique(places, return_inverse=True)
    return images[rising][back]


def _places(images: str | Path, name: str, rows: Sequence[int] | Array | None) -> Array:
    with open_hdf5(images, needs=(name,)) as file:
        shape, kind = file[name].shape, file[name].dtype
    if len(shape) != 4 or shape[3] != 3 or kind != np.uint8:
        raise InputError(
            f"{images}: {name} is {list(shape)} of {kind}, not images [N, h, w, 3] of uint8"
        )
    places = np.arange(shape[0]) if rows is None else np.asarray(rows, np.int64)
    if not places.size:
        raise InputError(f"{images}: no image to read; give rows, or a file with images")
    wrong = places[(places < 0) | (places >= shape[0])]
    if wrong.size:
        raise InputError(f"{images}: row {wrong[0]} is not one of 0 … {shape[0] - 1}")
    return places


def _require_form(
    phi: Tensor, weight: Tensor, bias: Tensor, linear: Tensor, answer: Tensor, layer: str, name: str
) -> None:
    """Refuse a network whose answer is not W phi + b."""
    if not torch.isfinite(phi).all():
        raise InputError(
            f"layer {layer!r} gives values that are not finite; mend the network or its input"
        )
    if phi.shape[1] != weight.shape[1]:
        raise InputError(
            f"layer {layer!r} gives {phi.shape[1]} filters, {name!r} reads {weight.shape[1]} "
            "values; give the layer whose spatial means it reads"
        )
    close = tolerance(linear.dtype) if linear.dtype in HALVES else TOLERANCE
    linear = linear.flatten(1).float().cpu()
    off = apart(phi @ weight.T + bias, linear)
    if not off <= close:
        raise InputError(
            f"layer {name!r} lies up to {off:.3g} of its largest value from W phi + b with phi the "
            f"spatial means of {layer!r}; summaries need global average pooling and one plain "
            "linear layer above the maps"
        )
    if not isinstance(answer, Tensor) or not apart(answer.float().cpu(), linear) <= close:
        raise InputError(
            f"the network does not answer what its layer {name!r} gives; summaries need the "
            "logits of one linear layer at the end (no softmax after it)"
        )
