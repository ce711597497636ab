"""Gather the pages and build the site: `python -m docs.site.build [FOLDER]`.

The pages are those in docs/, the README and its like, and the reference that is made from the
code; they are put together in a folder of their own, because MkDocs builds what one folder holds.
"""

import subprocess
import sys
from pathlib import Path
from shutil import copy, rmtree
from tempfile import TemporaryDirectory

from blocks.settings import environment_with
from docs.site.markdown import ROOT_PAGES, on_site, page_of, with_anchors
from docs.site.reference import pages

ROOT = Path(__file__).resolve().parents[2]
PICTURES = (".png", ".svg", ".json")


def gather(folder: Path) -> None:
    """Write all pages of the site into a folder."""
    made = pages()
    known = {file.name for file in (ROOT / "docs").iterdir() if file.is_file()} | made.keys()
    sources = [*(ROOT / "docs").glob("*.md"), *(ROOT / name for name in ROOT_PAGES)]
    sources += [ROOT / "README.zh-CN.md"]
    for source in sources:
        path = source.relative_to(ROOT).as_posix()
        page = page_of(path)
        assert page is not None
        name = page.replace(".md", ".zh.md") if ".zh-CN" in path else page
        text = source.read_text(encoding="utf-8")
        if name != page:
            english = ROOT / path.replace(".zh-CN", "")
            text = with_anchors(text, english.read_text(encoding="utf-8"))
        text = on_site(text, path, known.__contains__)
        (folder / name).write_text(text, encoding="utf-8")
    for name, text in made.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    for file in (ROOT / "docs").iterdir():
        if file.suffix in PICTURES:
            copy(file, folder)


def build(target: Path) -> int:
    """Build the site into a folder, with every warning an error. Returns: MkDocs' exit code.

    Its output is shown where it fails.
    """
    with TemporaryDirectory() as name:
        gathered = Path(name) / "docs"
        gathered.mkdir()
        gather(gathered)
        settings = Path(name) / "mkdocs.yml"
        copy(ROOT / "docs/site/mkdocs.yml", settings)
        copy(ROOT / "docs/site/site.css", gathered)
        rmtree(target, ignore_errors=True)
        words = ["--config-file", str(settings), "--site-dir", str(target)]
        done = subprocess.run(
            [sys.executable, "-m", "mkdocs", "build", "--strict", *words],
            env=environment_with({"NO_MKDOCS_2_WARNING": "1"}),  # says the same at each build
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    if done.returncode:
        sys.stderr.write(done.stdout)
    return done.returncode


if __name__ == "__main__":
    where = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build/site").resolve()
    if code := build(where):
        sys.exit(code)
    sys.stderr.write(f"{where}: look at it with: python -m http.server --directory {where}\n")
