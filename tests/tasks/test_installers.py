"""The files of the installers: complete, or refused before a machine exists."""

import shutil
from pathlib import Path

import pytest

from domain.kernel.errors import BadRequest
from tasks.installers import ADDONS, FILES, INSTALLERS, demo_manifest, installer_files


def test_every_file_of_the_folder_is_uploaded() -> None:
    there = {
        file.relative_to(INSTALLERS).as_posix() for file in INSTALLERS.rglob("*") if file.is_file()
    }
    assert there == {*FILES, *ADDONS}
    assert [file.path for file in installer_files()] == list(FILES)


def test_scripts_are_executable_and_manifests_are_not() -> None:
    modes = {Path(file.path).suffix: file.mode for file in installer_files()}
    assert modes == {"": 0o755, ".sh": 0o755, ".yaml": 0o644}


def test_the_demo_is_one_of_the_manifests() -> None:
    assert "kind: ReplicationController" in demo_manifest()


@pytest.mark.parametrize("name", [*FILES, *ADDONS])
def test_a_folder_without_one_of_the_files_is_refused(tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(INSTALLERS, tmp_path / "installers"))
    (folder / name).unlink()
    with pytest.raises(BadRequest, match=rf"installers/{name} \(No such file or directory\)"):
        installer_files(folder)


def test_an_empty_folder_and_an_empty_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="the installation of kubernetes-on-qingcloud is incompl"):
        installer_files(tmp_path)
    folder = Path(shutil.copytree(INSTALLERS, tmp_path / "installers"))
    (folder / "lib" / "base.sh").write_text("\n")
    with pytest.raises(BadRequest, match=r"lib/base\.sh \(it is empty\)"):
        installer_files(folder)
