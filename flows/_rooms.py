"""Finding a file that hides a package of this project, as the packages have common names.

Python searches the current folder before installed packages when it is started as `python -m`, and
the folders of PYTHONPATH always. So a `tasks.py` there would be imported in place of ours.
"""

import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent
ROOMS = ("flows", "tasks", "blocks", "clients", "domain", "words")


def leave_current_folder() -> None:
    """Under `python -m`: do not import from the current folder, unless it is the project's."""
    if not sys.flags.safe_path and Path(sys.path[0]).resolve() != HOME:
        del sys.path[0]


def find_obstacle() -> str:
    """Describe the first file that hides one of our packages; an empty text if none does."""
    for room in ROOMS:
        place = _place(find_spec(room))
        if place.resolve() != HOME / room:
            what = place if place.name else "nothing"
            return (
                f"{what} is found in place of the package {room!r} of kubernetes-on-qingcloud; "
                "rename it, or leave its folder out of PYTHONPATH"
            )
    return ""


def _place(spec: ModuleSpec | None) -> Path:
    """The folder of a package, or the file of a module; empty if there is neither."""
    if spec and spec.origin:
        file = Path(spec.origin)
        return file.parent if file.name == "__init__.py" else file
    return Path(next(iter(spec.submodule_search_locations or ()), "")) if spec else Path()
