"""What all rules share: checked settings, and how a rule names its settings and its code.

Nothing here runs a computation. Imports stay light: this file is read at every start.
"""

import json
import os
import sys

from snakemake.exceptions import WorkflowError

# Snakemake hands the parse-time path on to every script, on a cluster and under conda too.
sys.path.insert(0, os.path.join(workflow.basedir, "workflow", "src"))

from seewhy.corpora.sources import SOURCES, source_files
from seewhy.errors import InputError
from seewhy.imports import package_digest
from seewhy.settings import check_settings

try:
    check_settings(
        config,
        os.path.join(workflow.basedir, "workflow", "schemas", "params.schema.yaml"),
        where="params.yaml",
    )
except InputError as error:
    raise WorkflowError(str(error)) from None

SPLITS = ["train", "val", "test"]


wildcard_constraints:
    split="|".join(SPLITS),
    seed=r"\d+",
    model=r"[A-Za-z][A-Za-z0-9.-]*",


def section(name):
    """A section of params.yaml as the value of a rule's param; sorted, so that order is nothing."""
    return json.dumps(config[name], sort_keys=True)


def code(script):
    """Digest of the package files that a script depends on, as a param of its rule.

    An edit of the package then reruns what it can have changed. Their time stamps mean nothing,
    so a fresh clone reruns nothing.
    """
    return json.dumps(package_digest(os.path.join(workflow.basedir, "workflow", "scripts", script)))
