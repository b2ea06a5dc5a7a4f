"""A Slurm that is brought up for these tests, and a table that was made without it."""

import pytest
import slurm
from checkouts import make_checkout, snakemake


@pytest.fixture(scope="session")
def cluster():
    """Two nodes with a pretended GPU each; skipped where none can be brought up."""
    try:
        slurm.up()
    except slurm.NoSlurm as error:
        pytest.skip(str(error))
    yield slurm
    slurm.down()


@pytest.fixture(scope="session")
def local(cluster, tmp_path_factory):
    """A checkout in which Table 2 was made on this machine alone, two threads a job."""
    folder = make_checkout(tmp_path_factory.mktemp("local") / "checkout")
    snakemake(folder, "results/table2.csv")
    return folder
