"""Numbers of tables: zero without a sign, all else as the format has it."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seewhy.table_numbers import number_format

PACKAGE = Path(__file__).parents[2] / "workflow/src/seewhy"


@pytest.mark.parametrize(
    ("spec", "number", "text"),
    [
        ("%.4f", -0.00003, "0.0000"),
        ("%.4f", -0.0, "0.0000"),
        ("%.4f", 0.00003, "0.0000"),
        ("%.4f", -0.00005001, "-0.0001"),
        ("%.4f", -12.5, "-12.5000"),
        ("%.4g", -0.0, "0"),
        ("%.4g", -1.25e-9, "-1.25e-09"),
        ("%.6g", -1e-300, "-1e-300"),
        ("%.3f", float("-inf"), "-inf"),
        ("%.3f", float("nan"), "nan"),
    ],
)
def test_zero_has_no_sign(spec, number, text):
    assert number_format(spec)(number) == text


def test_all_other_bytes_of_a_table_stay(tmp_path):
    random = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "row": ["a", "-0.0000", None, "x, y"],
            "value": [*random.normal(size=3), np.nan],
            "count": pd.array([1, 2, None, 4], dtype="Int64"),
            "share": pd.array([0.5, None, 0.25, 1], dtype="Float64"),
            "mixed": [0.1, "x", 3, None],
        }
    )
    for spec in ("%.4f", "%.4g", "%.6g"):
        usual = table.to_csv(index=False, float_format=spec)
        assert table.to_csv(index=False, float_format=number_format(spec)) == usual
    table["value"] = [-0.00001, -0.0, 0.0, -1]
    written = pd.read_csv(
        io.StringIO(table.to_csv(index=False, float_format=number_format("%.4f"))), dtype=str
    )
    assert written["value"].tolist() == ["0.0000", "0.0000", "0.0000", "-1.0000"]
    assert written["row"][1] == "-0.0000"


def test_every_table_is_written_so():
    files = {path.name: path.read_text() for path in PACKAGE.rglob("*.py")}
    formats = [
        (name, part.split("\n")[0])
        for name, text in files.items()
        if name != "table_numbers.py"
        for part in text.split("float_format=")[1:]
    ]
    assert len(formats) > 15
    assert [one for one in formats if not one[1].startswith("number_format(")] == []
