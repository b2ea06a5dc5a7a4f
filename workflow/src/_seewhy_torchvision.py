"""Makes ``import torchvision`` work beside a torch for CPUs only.

The wheel of torchvision on PyPI is built for CUDA. Beside a torch for CPUs only, its C++ library
does not load, and the import then fails where its Python code refers to two operators of that
library, ``nms`` and ``qnms``. None of torchvision's networks uses them, so where that happens they
are declared (without a body: calling one still raises torchvision's own error), and the import goes
on. Where torchvision imports by itself, nothing is done.

An installed seewhy, editable or not, has a copy of this file in site-packages, and a ``.pth`` file
that installs the finder at the start of each interpreter: your own lines and modules may import
torchvision first. So this file imports neither torch nor seewhy when it is loaded: that would cost
each start a second, and fix which checkout's package is used.
"""

import sys

OPERATORS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
_library = None


def install():
    """Put the finder before the others; once an interpreter, whichever copy of this file asks."""
    if not any(type(one).__name__ == TorchvisionFinder.__name__ for one in sys.meta_path):
        sys.meta_path.insert(0, TorchvisionFinder())


class TorchvisionFinder:
    """Finds torchvision where the other finders do, and looks after its import."""

    def find_spec(self, name, path=None, target=None):
        """The spec of torchvision; None, as for a finder that knows nothing, of all else."""
        if name != "torchvision":
            return None
        others = (one for one in sys.meta_path if one is not self and hasattr(one, "find_spec"))
        spec = next(filter(None, (one.find_spec(name, path, target) for one in others)), None)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader:
    """Runs the module by its own loader; again, with the operators declared, if they lack."""

    def __init__(self, own):
        self._own = own

    def create_module(self, spec):
        """As its own loader does."""
        return self._own.create_module(spec)

    def exec_module(self, module):
        """Run the module; afterwards nothing shows that this loader was there."""
        module.__spec__.loader = module.__loader__ = self._own
        try:
            self._own.exec_module(module)
        except RuntimeError as error:
            if "torchvision::" not in str(error):
                raise
            _declare_missing()
            self._own.exec_module(module)


def _declare_missing():
    global _library
    import torch

    for name, schema in OPERATORS.items():
        if not hasattr(torch.ops.torchvision, name):
            # The declarations last as long as the library object.
            _library = _library or torch.library.Library("torchvision", "FRAGMENT")
            _library.define(schema)
