"""A plain ``import torchvision`` works, whatever torch is beside it, and costs a start nothing."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SRC = ROOT / "workflow" / "src"


def run(lines: str, *options: str, path: Path | None = None, cwd: Path | None = None) -> str:
    """What an interpreter of its own says."""
    found = subprocess.run(
        [sys.executable, *options, "-c", lines], capture_output=True, text=True, cwd=cwd,
        env={"PYTHONPATH": str(path)} if path else {},
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()


def stand_in(folder: Path, error: str) -> Path:
    """A torchvision whose first import fails as the real one does, or otherwise."""
    for name, text in {
        "torchvision/__init__.py": "from torchvision import _meta, models\nDONE = True\n",
        "torchvision/models.py": "",
        "torchvision/_meta.py": error,
        "torch/__init__.py": "from torch import ops, library\n",
        "torch/ops/__init__.py": "class torchvision: pass\n",
        "torch/library.py": (
            "from torch import ops\n"
            "class Library:\n"
            "    def __init__(self, *about): assert about == ('torchvision', 'FRAGMENT')\n"
            "    def define(self, schema): setattr(ops.torchvision, schema.split('(')[0], schema)\n"
        ),
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


MISSING = (
    "from torch import ops\n"
    "for name in ('nms', 'qnms'):\n"
    "    if not hasattr(ops.torchvision, name):\n"
    "        raise RuntimeError(f'operator torchvision::{name} does not exist')\n"
)


def test_what_an_install_puts_into_site_packages_is_the_finder_and_the_line_that_installs_it():
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    included = build["targets"]["wheel"]["force-include"]
    assert sorted(included.values()) == ["_seewhy_torchvision.py", "seewhy-torchvision.pth"]
    assert all((ROOT / path).is_file() for path in included)
    (line,) = (SRC / "seewhy-torchvision.pth").read_text().splitlines()
    assert line == "import _seewhy_torchvision; _seewhy_torchvision.install()"


def test_the_interpreters_start_imports_no_torch_and_no_seewhy():
    asked = "print([m for m in ('torch', 'numpy', 'seewhy', 'torchvision') if m in sys.modules])"
    said = run(f"import sys, _seewhy_torchvision as v; v.install(); v.install(); {asked};"
               "print(sum(type(f).__name__ == 'TorchvisionFinder' for f in sys.meta_path))",
               path=SRC)  # fmt: skip
    assert said.split("\n") == ["[]", "1"]


def test_torchvision_is_imported_first_of_all_by_a_users_own_lines():
    lines = (
        "import torchvision, sys\n"
        "from torchvision.models import resnet18\n"
        "from torchvision.transforms import v2\n"
        "assert 'seewhy' not in sys.modules\n"
        "print(sum(p.numel() for p in resnet18(num_classes=3).parameters()))"
    )
    # As the line of the .pth file does; a copy that an install has put there is as good.
    assert run("import _seewhy_torchvision as v; v.install()\n" + lines, path=SRC) == "11178051"


def test_operators_are_declared_where_they_lack_alone_and_nothing_of_it_stays(tmp_path):
    first = "import _seewhy_torchvision as v; v.install()\n"
    shown = (
        "import torchvision, sys, torchvision.models\n"
        "from torch import ops\n"
        "print(torchvision.DONE, sorted(n for n in vars(ops.torchvision) if 'nms' in n),"
        " type(torchvision.__spec__.loader).__name__, v._library is None)"
    )
    (tmp_path / "_seewhy_torchvision.py").write_text((SRC / "_seewhy_torchvision.py").read_text())
    lacking = stand_in(tmp_path, MISSING)
    assert run(first + shown, path=lacking) == "True ['nms', 'qnms'] SourceFileLoader False"
    whole = stand_in(tmp_path, "")
    assert run(first + shown, path=whole) == "True [] SourceFileLoader True"


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("raise RuntimeError('no CUDA')", "RuntimeError"), ("import nowhere_to_be_found",
                                                         "ModuleNotFoundError")],
)  # fmt: skip
def test_another_fault_of_the_import_is_told_as_it_is(tmp_path, fault, kind):
    (tmp_path / "_seewhy_torchvision.py").write_text((SRC / "_seewhy_torchvision.py").read_text())
    stand_in(tmp_path, fault)
    said = run(
        "import _seewhy_torchvision as v; v.install()\n"
        "try:\n    import torchvision\nexcept Exception as e: print(type(e).__name__, v._library)",
        path=tmp_path,
    )
    assert said == f"{kind} None"


def test_without_torchvision_the_import_fails_as_always():
    said = run(
        "import _seewhy_torchvision as v, sys; v.install()\n"
        "try:\n    import torchvision\nexcept ModuleNotFoundError as e: print(e)",
        "-S", path=SRC,
    )  # fmt: skip
    assert said == "No module named 'torchvision'"
