"""The step by which a run finds the project: where it is installed on the worker's machine.

The path of the machine that has deployed is not used, as workers may be elsewhere, or in an image.
"""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def enter_project() -> dict[str, str]:
    """Make the folder of the project the working directory. Returns: it, as Prefect's own step."""
    os.chdir(ROOT)
    return {"directory": str(ROOT)}
