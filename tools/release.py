"""Build the package as it would be published, and try it where nothing of the repository is at hand.

    python tools/release.py [--repository https://HOST/OWNER/NAME]

The committed tree is built into `dist/`, its metadata checked, the wheel installed into a new environment,
and the demo run there. With an address of the repository, relative links and pictures of the README become
links into it at the tag of this version, since an index shows the README alone; the metadata names it too.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from io import BytesIO
from pathlib import Path

ROOT = Path(__file__).parent.parent
TORCH = os.environ.get("TORCH", "torch==2.13.0")
# What must be in the wheel for the box model, the pages and type checkers, and what must not.
WANTED = (
    "py.typed",
    "cli/skill.md",
    "tiny/checkpoint/model.safetensors",
    "reports/page/page.html",
    "serving/page/",
)
UNWANTED = (
    "tests/",
    "tools/",
    "benchmarks/",
    "gazecli/tiny/training/",
    "gazecli/tiny/live/",
    "gazecli/tiny/study/",
)
_LINK = re.compile(r"(!?\[[^\]]*\]\()(?!https?:|#|mailto:)([^)\s]+)")


def absolute(readme: str, repository: str, tag: str) -> str:
    """`readme` with relative links into `repository` at `tag`; pictures are linked as files to show."""

    def linked(match: re.Match[str]) -> str:
        kind = "raw" if match[1].startswith("!") else "blob"
        return f"{match[1]}{repository}/{kind}/{tag}/{match[2]}"

    return _LINK.sub(linked, readme)


def prepare(tree: Path, repository: str | None) -> None:
    """Put the committed tree into `tree`, its README and metadata ready for an index."""
    packed = subprocess.run(
        ["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True, timeout=60
    ).stdout
    with tarfile.open(fileobj=BytesIO(packed)) as archive:
        archive.extractall(tree, filter="data")
    if repository is None:
        print("no --repository: pictures of the README will not show on an index")
        return
    version = re.search(r'VERSION = "(.+)"', (tree / "gazecli/version.py").read_text("utf-8"))
    assert version is not None
    readme, project = tree / "README.md", tree / "pyproject.toml"
    readme.write_text(absolute(readme.read_text("utf-8"), repository, f"v{version[1]}"), "utf-8")
    urls = f'Repository = "{repository}"\nChangelog = "{repository}/blob/main/CHANGELOG.md"\n'
    text = project.read_text("utf-8")
    assert "[project.urls]\n" in text
    project.write_text(text.replace("[project.urls]\n", f"[project.urls]\n{urls}"), "utf-8")


def check_contents(wheel: Path) -> None:
    """Fail where the wheel lacks what it needs, or carries what is for developers."""
    names = zipfile.ZipFile(wheel).namelist()
    lacking = [part for part in WANTED if not any(part in name for name in names)]
    extra = [name for name in names if any(name.startswith(part) for part in UNWANTED)]
    if lacking or extra:
        sys.exit(f"error: the wheel lacks {lacking} and carries {extra[:5]}: {wheel.name}")
    print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB, {len(names)} files")


def try_out(wheel: Path, folder: Path) -> None:
    """Install `wheel` into a new environment in `folder`, and run the demo from there."""
    binaries = folder / "venv" / "bin"
    run([sys.executable, "-m", "venv", str(folder / "venv")])
    run([str(binaries / "pip"), "install", "--quiet", TORCH])
    run([str(binaries / "pip"), "install", "--quiet", str(wheel)])
    shutil.copytree(ROOT / "examples", folder / "examples")
    own = {"GAZE": str(binaries / "gaze"), "OUT": "out", "GAZE_CACHE_DIR": str(folder / "cache")}
    without = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    run(["sh", "examples/demo.sh"], cwd=folder, env={**without, **own})
    run([str(binaries / "gaze"), "doctor", "tiny", "--format", "human"], cwd=folder, env={**without, **own})


def run(command: list[str], **more: object) -> None:
    """Run `command`; this process ends with its exit code when it fails."""
    ended = subprocess.run(command, check=False, **more)  # type: ignore[call-overload]
    if ended.returncode:
        sys.exit(ended.returncode)


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the package, check it, and try it out alone.")
    parser.add_argument("--repository", help="Where the repository is published, for links of the README.")
    given = parser.parse_args()
    out = ROOT / "dist"
    with tempfile.TemporaryDirectory() as scratch:
        tree, alone = Path(scratch) / "tree", Path(scratch) / "alone"
        alone.mkdir()
        prepare(tree, given.repository.rstrip("/") if given.repository else None)
        shutil.rmtree(out, ignore_errors=True)
        run([sys.executable, "-m", "build", "--outdir", str(out), str(tree)])
        [wheel] = out.glob("*.whl")
        run([sys.executable, "-m", "twine", "check", "--strict", *map(str, sorted(out.iterdir()))])
        check_contents(wheel)
        try_out(wheel, alone)
    print(f"ready: {', '.join(path.name for path in sorted(out.iterdir()))}")


if __name__ == "__main__":
    main()
