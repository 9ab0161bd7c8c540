"""docs/sharing-head-sets.md runs as it stands, against a Hub on the loopback address; so does `hf gaze`."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from datetime import datetime
from pathlib import Path

import pytest
from huggingface_hub.cli.extensions import ExtensionManifest

from gazecli import errors
from gazecli.cache import Cache
from gazecli.heads.headset import HeadSet
from gazecli.heads.headset_store import find_headset, note_headset
from tests.cli.conftest import checked, gaze_here
from tests.fixtures.hub_server import Hub
from tests.sharing.conftest import TOKEN, Place
from tests.sharing.evidence import evaluation, keep_evaluation

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "sharing-head-sets.md").read_text(encoding="utf-8")
CALLS = re.findall(r"^\$ gaze (.*)$", PAGE, re.MULTILINE)
(PYTHON,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
REPOSITORY = "you/tiny-gaze-heads"

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
def tiny(own_cache: Path) -> HeadSet:
    """What `gaze discover` and `gaze evaluate` would leave of `tiny`, without their minutes."""
    cache = Cache(own_cache)
    headset = find_headset("tiny", cache)
    note_headset(cache, headset, "tiny")
    keep_evaluation(cache, headset, evaluation())
    return headset


def test_the_page_runs_as_it_stands(
    tiny: HeadSet,
    place: Place,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    place.hub.tokens[TOKEN] = {"you"}
    shutil.copy(ROOT / "examples" / "strip.png", tmp_path)
    monkeypatch.chdir(tmp_path)
    assert CALLS[0].startswith("evaluate ")
    for call in CALLS[1:]:
        commit = place.repository(REPOSITORY).commit if "@COMMIT" in call else ""
        ran = gaze_here(capfd, *shlex.split(call.replace("COMMIT", commit)), "--json")
        assert ran.code == 0, (call, ran.err)
    assert {path.name for path in (tmp_path / "pushed").iterdir()} >= {"README.md", "headset.safetensors"}
    names: dict[str, object] = {}
    exec(PYTHON.replace("COMMIT", place.repository(REPOSITORY).commit), names)
    again, answer = names["again"], names["answer"]
    assert isinstance(again, HeadSet)
    assert again.digest == tiny.digest
    assert "cake in the snow" in answer.text  # type: ignore[attr-defined]


def test_the_page_names_codes_that_there_are() -> None:
    source = "".join(path.read_text("utf-8") for path in Path(errors.__file__).parent.rglob("*.py"))
    listed = re.findall(r"`((?:hub|push)\.\w+)`", PAGE)
    assert len(listed) > 10
    assert [code for code in listed if f'"{code}"' not in source] == []


@pytest.mark.skipif(sys.platform == "win32", reason="the script is written for a POSIX shell")
def test_hf_runs_gaze_as_its_extension(tiny: HeadSet, hub: Hub, tmp_path: Path) -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    module, function = scripts["hf-gaze"].split(":")
    folder = tmp_path / ".local" / "share" / "hf" / "extensions" / "hf-gaze"
    executable = folder / "venv" / "bin" / "hf-gaze"
    executable.parent.mkdir(parents=True)
    # As pip writes a console script, in the place where `hf extensions install` has it written.
    executable.write_text(f"#!{sys.executable}\nfrom {module} import {function}\n{function}()\n")
    executable.chmod(0o755)
    ExtensionManifest(
        owner="somebody",
        repo="hf-gaze",
        repo_id="somebody/hf-gaze",
        short_name="gaze",
        executable_path=str(executable),
        type="python",
        installed_at=datetime.now().astimezone(),
    ).save(folder)
    place = {
        **os.environ,
        **hub.environment(tmp_path / "hf"),
        "HOME": str(tmp_path),
        "PYTHONPATH": str(ROOT),
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    }
    hf = Path(sys.executable).with_name("hf")
    done = subprocess.run(
        [str(hf), "gaze", "pull", "tiny", "--json"],
        env=place,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert checked(done.stdout, "pull")["here"] == [tiny.digest]
