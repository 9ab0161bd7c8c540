"""What is pushed holds its evidence and nothing of this machine; what nothing supports stays here."""

from __future__ import annotations

import getpass
import json
import os
import socket
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from huggingface_hub import ModelCard, constants

import gazecli
from gazecli.cache import Cache
from gazecli.cache.artifact import from_bytes
from gazecli.errors import GazeError, HeadSetError, HubError, UsageError
from gazecli.heads.headset import HeadSet
from gazecli.heads.rankings import parse_ranking
from gazecli.models.vlm import VLM
from gazecli.pictures.comics.dataset import Source
from gazecli.sharing.push import Package, package, send
from tests.cli.conftest import checked, gaze_here
from tests.conftest import write_comics
from tests.sharing.conftest import NAME, TOKEN, Place
from tests.sharing.evidence import evaluation, keep_evaluation

# Of huggingface_hub, which sends large files in a way that its own library for HTTP has given up.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
FILES = {
    "README.md",
    "headset.safetensors",
    "headset.json",
    "gaze_head_ranking.json",
    "redirection.png",
    "scores.png",
}


def card_of(files: dict[str, bytes]) -> ModelCard:
    return ModelCard(files["README.md"].decode())


def test_a_pushed_repository_holds_the_head_set_three_times_over(proven: HeadSet, place: Place) -> None:
    pushed = proven.push(NAME)
    files = place.repository().files
    assert set(files) == FILES | {".gitattributes"}
    assert (pushed.name.revision, pushed.changed, pushed.proven) == (place.repository().commit, True, True)
    artifact, label = from_bytes(files["headset.safetensors"])
    assert artifact.digest == label.digest == proven.digest
    document = checked(files["headset.json"].decode(), "headset")
    assert document["digest"] == proven.digest
    ranking = parse_ranking(files["gaze_head_ranking.json"], "pushed")
    assert [(each.layer, each.head) for each in ranking[:3]] == proven.top(3)
    assert files["redirection.png"].startswith(b"\x89PNG")


def test_the_card_says_in_the_hubs_own_form_what_was_measured(
    proven: HeadSet, place: Place, own_cache: Path
) -> None:
    keep_evaluation(Cache(own_cache), proven, evaluation(0.6, (0.2, 0.9), judge="endpoint"))
    gazecli.push(proven, NAME, datasets=["somebody/strips"])
    card = card_of(place.repository().files)
    data = card.data
    assert (data.library_name, data.datasets) == ("gazecli", ["somebody/strips"])
    assert {"gaze-heads", f"gaze-model-{proven.model['digest'][7:23]}"} <= set(data.tags)
    best, other = data.eval_results
    assert (best.metric_type, best.metric_value, best.metric_args["controls"]) == (
        "accuracy",
        0.9,
        [0.3, 0.4],
    )
    assert (best.metric_args["ci95"], best.metric_args["headset"]) == ([0.8, 0.95], proven.digest)
    assert (other.metric_value, other.metric_args["judge"]) == (0.6, "endpoint")
    assert proven.model["digest"] in card.text
    assert f'headset = gaze.pull("{NAME}")' in card.text
    assert "](redirection.png)" in card.text
    assert "reaches chance" in card.text
    assert "Unproven" not in card.text


def test_a_model_of_the_hub_is_named_as_the_base(proven: HeadSet, own_cache: Path) -> None:
    header = json.loads(json.dumps(proven.header))
    header["model"] |= {"name": "qwen2-vl-7b", "id": "Qwen/Qwen2-VL-7B-Instruct", "revision": "0" * 40}
    cache = Cache(own_cache)
    theirs = HeadSet.of_tensors(header, proven.to_artifact().tensors)
    theirs = HeadSet.load(cache.put(theirs.to_artifact())[0])
    cache.set_source(theirs.header["comics"]["digest"], f"somebody/strips@{'1' * 40}")
    data = card_of(dict(package(theirs, NAME, unproven=True).files)).data
    assert (data.base_model, data.datasets) == ("Qwen/Qwen2-VL-7B-Instruct", ["somebody/strips"])
    assert data.to_dict()["base_model_relation"] == "adapter"


def test_comics_fetched_from_the_hub_are_known_as_its_data_set(
    vlm_of: Callable[[str], VLM], own_cache: Path, tmp_path: Path
) -> None:
    comics = write_comics(tmp_path / "comics", strips=1, panels=2)
    source = Source("somebody/strips", "main", "1" * 40, 2, strips=1)
    (comics / "source.json").write_text(json.dumps(asdict(source)))
    headset = gazecli.discover(vlm_of("qwen2_vl"), comics, panels=2, height=48)
    assert card_of(dict(package(headset, NAME, unproven=True).files)).data.datasets == ["somebody/strips"]
    cache = Cache(own_cache)
    cache.prune(0.0, [headset.digest])
    digest = headset.header["comics"]["digest"]
    assert cache.source_of(digest) == f"somebody/strips@{'1' * 40}"


def test_nothing_that_is_pushed_says_where_it_was_made(proven: HeadSet, tmp_path: Path) -> None:
    files = package(proven, NAME).files
    for name, data in files.items():
        for place in (str(tmp_path), str(Path.home()), getpass.getuser(), socket.gethostname()):
            assert len(place) < 3 or place.encode() not in data, (name, place)


@pytest.mark.parametrize(
    ("part", "why"),
    [
        (None, "none is kept"),
        (evaluation(0.5, (0.4, 0.6)), "is not above chance"),
        (evaluation(0.6, (0.45, 0.7)), "reaches chance"),
        (evaluation(0.9, controls=(0.2, 0.9)), "is not above that of the controls"),
        (evaluation(0.9, controls=()), "no other heads were steered"),
        (evaluation(judge="none", conditions=[]), "not judged"),
    ],
    ids=["none", "at chance", "interval", "inside the controls", "no controls", "not judged"],
)
def test_what_no_evaluation_supports_is_pushed_only_when_the_card_says_so(
    kept: HeadSet, own_cache: Path, part: object, why: str
) -> None:
    if part is not None:
        keep_evaluation(Cache(own_cache), kept, part)  # type: ignore[arg-type]
    with pytest.raises(HeadSetError, match=why) as refused:
        package(kept, NAME)
    assert (refused.value.code, refused.value.exit_code) == ("push.unproven", 2)
    packed = package(kept, NAME, unproven=True)
    assert not packed.proven
    assert "**Unproven.**" in card_of(dict(packed.files)).text


def test_a_figure_from_the_strips_of_discovery_is_called_that(kept: HeadSet, own_cache: Path) -> None:
    keep_evaluation(Cache(own_cache), kept, evaluation(on_discovery_strips=True))
    text = card_of(dict(package(kept, NAME).files)).text
    assert "evaluated on the strips in which they were found, no others" in text
    keep_evaluation(Cache(own_cache), kept, evaluation(on_discovery_strips=True, discovery_strips=1))
    text = card_of(dict(package(kept, NAME).files)).text
    assert "evaluated on strips in which they were found and on others" in text
    keep_evaluation(Cache(own_cache), kept, evaluation(strips=9))
    assert "**Careful.**" not in card_of(dict(package(kept, NAME).files)).text


def test_the_newest_of_equal_evaluations_counts(kept: HeadSet, own_cache: Path) -> None:
    cache = Cache(own_cache)
    good = keep_evaluation(cache, kept, evaluation())
    bad = keep_evaluation(cache, kept, evaluation(0.4, (0.3, 0.5)))
    for digest, age in ((good, 10), (bad, 0)):
        path = cache.path_of(digest)
        assert path is not None
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - age))
    with pytest.raises(HeadSetError, match="not above chance"):
        package(kept, NAME)


def test_the_same_again_makes_no_commit_and_a_request_leaves_main_alone(
    packed: Package, place: Place
) -> None:
    first, again = send(packed), send(packed)
    assert (again.changed, again.name) == (False, first.name)
    place.change("scores.png", None)
    main = place.repository().commit
    place.hub.tokens[TOKEN] = set()
    offered = send(packed, pr=True)
    assert offered.pull_request == f"{place.hub.address}/{NAME}/discussions/1"
    assert place.repository().commit == main
    assert "scores.png" in place.repository().others["refs/pr/1"]


def test_a_repository_can_be_private_and_is_never_published_by_mistake(packed: Package, place: Place) -> None:
    assert send(packed, private=True).private
    assert place.repository().private
    place.hub.add(NAME, {".gitattributes": b""})
    with pytest.raises(UsageError, match="exists already and is public"):
        send(packed, private=True)
    assert set(place.repository().files) == {".gitattributes"}


def test_another_repository_is_not_written_over(packed: Package, place: Place) -> None:
    theirs = {"README.md": b"A model.", "model.safetensors": b"weights"}
    place.hub.add(NAME, theirs)
    with pytest.raises(UsageError, match="something other than a head set"):
        send(packed)
    assert place.repository().files == theirs


def failure(packed: Package) -> GazeError:
    with pytest.raises(GazeError) as failed:
        send(packed)
    assert failed.value.hint
    return failed.value


def test_every_refusal_of_the_hub_says_what_to_do(
    packed: Package, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert failure(replace(packed, repository="else/heads")).code == "hub.rights"
    monkeypatch.setenv("HF_TOKEN", "hf_" + "b" * 34)
    assert failure(packed).code == "hub.token"
    monkeypatch.delenv("HF_TOKEN")
    assert "hf auth login" in str(failure(packed).hint)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    for status, code in ((503, "hub.failed"), (429, "hub.busy")):
        place.hub.failing = status
        assert failure(packed).code == code
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert failure(packed).code == "hub.unreachable"
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    error = failure(packed)
    assert isinstance(error, HubError)
    assert error.code == "hub.offline"
    assert ("models", NAME) not in place.hub.repositories


def test_what_somebody_pushed_meanwhile_is_not_written_over(packed: Package, place: Place) -> None:
    send(packed)
    place.change("scores.png", None)
    place.hub.meanwhile = lambda: place.change("scores.png", b"theirs") and None
    assert failure(packed).code == "hub.conflict"
    assert place.repository().files["scores.png"] == b"theirs"


@pytest.mark.parametrize("name", ["heads", "a b/c", "a/b/c", "../x", "a/b@"])
def test_what_is_no_name_of_a_repository_is_refused_at_once(kept: HeadSet, name: str) -> None:
    with pytest.raises(HeadSetError) as refused:
        package(kept, name, unproven=True)
    assert refused.value.code == "hub.name"


def test_what_would_be_pushed_is_written_without_a_network(
    proven: HeadSet, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "pushed"
    call = ("push", proven.digest, NAME, "--dry-run", "-o", folder)
    document = gaze_here(capfd, *call, "--json").document("push")
    assert (document["commit"], document["proven"], document["folder"]) == (None, True, str(folder))
    assert {path.name for path in folder.iterdir()} == FILES == {each["name"] for each in document["files"]}
    assert document["evidence"][0]["accuracy"] == 0.9
    assert gaze_here(capfd, *call, "--json").code == 0
    (folder / "README.md").write_text("My own words.")
    refused = gaze_here(capfd, *call, "--json")
    assert (refused.code, refused.error()["hint"]) == (2, "add --force to replace it")
    assert (folder / "README.md").read_text() == "My own words."
    assert gaze_here(capfd, *call, "--force", "-q", "--format", "human").out == f"{proven.digest}\n"
    for more in (("--private", "--pr"), ("--force",)):
        refused = gaze_here(capfd, "push", proven.digest, NAME, "--dry-run", *more, "--json")
        assert "has no effect" in refused.error()["message"]


def test_people_see_where_it_went_and_what_supports_it(
    proven: HeadSet, place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    ran = gaze_here(capfd, "push", proven.digest, NAME, "--format", "human")
    assert (ran.code, ran.err) == (0, "")
    assert f"hf:{NAME}@{place.repository().commit}" in ran.out
    assert "0.800 to 0.950" in ran.out
