"""A head set of the Hub is what its digest says, stays what it was, and steers; its card is only quoted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import EvalResult, ModelCardData, constants
from hypothesis import given, settings
from hypothesis import strategies as st

import gazecli
from gazecli.cache import Cache
from gazecli.cache.artifact import Artifact, to_bytes
from gazecli.errors import GazeError, HeadSetError
from gazecli.heads import hub as hub_module
from gazecli.heads import hub_listing
from gazecli.heads.headset import HeadSet
from gazecli.heads.headset_store import model_source
from gazecli.models.vlm import VLM
from gazecli.reports.documents.sharing import PullDocument
from gazecli.sharing.push import Package
from tests.cli.conftest import Ran, gaze_here
from tests.fixtures.hub_server import Repository
from tests.sharing.conftest import NAME, Place
from tests.trust.test_text import EVIL, harmless, renamed

STRIP = Path(__file__).parents[2] / "examples" / "strip.png"


@pytest.fixture
def shared(packed: Package, place: Place) -> HeadSet:
    """A head set that somebody pushed; the cache here is empty, and nobody is logged in."""
    place.log_out()
    place.hub.add(NAME, dict(packed.files))
    return packed.headset


def failure(name: str) -> GazeError:
    with pytest.raises(GazeError) as failed:
        gazecli.pull(name)
    assert failed.value.hint
    return failed.value


def test_what_is_pulled_is_what_was_pushed(
    shared: HeadSet, place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    commit = place.repository().commit
    ran = gaze_here(capfd, "pull", NAME, "--json")
    pulled = ran.document("pull")["pulled"]
    assert commit in ran.err
    assert (pulled["digest"], pulled["commit"], pulled["cached"]) == (shared.digest, commit, False)
    assert pulled["name"] == f"hf:{NAME}@{commit}"
    assert (pulled["claims"][0]["accuracy"], pulled["claims"][0]["ci95"]) == (0.9, [0.8, 0.95])
    assert pulled["weights_here"] is None
    assert gaze_here(capfd, "report").document("report")["headset"] == shared.digest
    human = gaze_here(capfd, "pull", NAME, "--format", "human").out
    assert "its card claims  accuracy 0.900" in human
    assert gaze_here(capfd, "pull", NAME, "-q", "--format", "human").out == f"{shared.digest}\n"


def test_a_commit_is_asked_for_once_and_stays_what_it_was(shared: HeadSet, place: Place) -> None:
    commit = place.repository().commit
    name = f"hf:{NAME}@{commit}"
    assert HeadSet.load(name).digest == shared.digest
    place.change("headset.safetensors", b"something else")
    asked = len(place.hub.asked)
    assert gazecli.pull(name).digest == HeadSet.load(f"{NAME}@{commit}").digest == shared.digest
    assert len(place.hub.asked) == asked


def test_a_head_set_of_the_hub_steers_wherever_one_is_named(
    shared: HeadSet, place: Place, capfd: pytest.CaptureFixture[str], checkpoint: Callable[[str], Path]
) -> None:
    name = f"hf:{NAME}@{place.repository().commit}"
    call = ("steer", STRIP, "--region", 1, "--heads", name, "--model", checkpoint("qwen2_vl"))
    more = ("--top", 2, "--strength", "hard", "--max-new-tokens", 2, "--no-baseline", "--json")
    assert gaze_here(capfd, *call, *more).document("steer")["headset"] == shared.digest
    assert gaze_here(capfd, "report", name).document("report")["headset"] == shared.digest
    assert place.repository().commit in gaze_here(capfd, "report", f"hf:{NAME}", "--json").err


def test_without_a_network_the_last_one_pulled_is_taken_and_said(
    shared: HeadSet, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert gazecli.pull(NAME).digest == shared.digest
    said: list[str] = []
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert gazecli.pull(NAME, note=said.append).digest == shared.digest
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert gazecli.pull(NAME, note=said.append).digest == shared.digest
    assert all(f"hf:{NAME}@{place.repository().commit}" in each for each in said)
    assert len(said) == 2
    assert failure("somebody/other").code == "hub.offline"
    assert failure(f"{NAME}@{'0' * 40}").code == "hub.offline"


def test_a_file_changed_on_the_way_is_noticed_and_a_good_copy_taken_later(
    shared: HeadSet, place: Place
) -> None:
    place.hub.changed.add("headset.safetensors")
    assert failure(NAME).code == "hub.changed"
    place.hub.changed = {"headset.json"}
    assert failure(NAME).code == "hub.changed"
    place.hub.changed = set()
    assert gazecli.pull(NAME).digest == shared.digest


def test_what_a_repository_lacks_or_mixes_up_is_named(
    shared: HeadSet, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert gazecli.pull(f"{NAME}@main").digest == shared.digest
    assert failure("somebody/nothing").code == "hub.repository"
    assert failure(f"{NAME}@{'0' * 40}").code == "hub.revision"
    assert failure("Not a name").code == "hub.name"
    place.hub.add("somebody/model", {"config.json": b"{}"})
    assert failure("somebody/model").code == "hub.no_headset"
    place.hub.add("somebody/secret", {}).private = True
    assert "hf auth login" in str(failure("somebody/secret").hint)
    whole = dict(place.repository().files)
    for path, data in (
        ("headset.safetensors", b"no tensors"),
        ("headset.safetensors", whole["headset.safetensors"][:-1] + b"!"),
        ("headset.json", b'{"digest": "sha256:other"}'),
        ("headset.json", b"[" * 100_000),
        ("headset.safetensors", to_bytes(Artifact("note", {}, {}))),
    ):
        place.hub.repositories["models", NAME] = Repository({**whole, path: data})
        error = failure(NAME)
        assert isinstance(error, HeadSetError), error
        assert error.exit_code == 2
    place.hub.repositories["models", NAME] = Repository({**whole, "more.txt": b""})
    monkeypatch.setitem(hub_module.MAX_BYTES, "headset.safetensors", 100)
    assert "more than any head set needs" in failure(NAME).message
    assert [entry.digest for entry in Cache().entries()] == [shared.digest]


def test_heads_of_other_weights_are_refused_with_the_weights_to_get(found: HeadSet) -> None:
    header = {**found.header, "model": {**found.model, "id": "some/model", "revision": "1" * 40}}
    with pytest.raises(HeadSetError, match="other weights of") as refused:
        HeadSet.of_tensors(header, found.to_artifact().tensors).check_model("sha256:0", "some/model@2")
    assert f"--model some/model@{'1' * 40}" in str(refused.value.hint)


def test_a_copy_of_the_model_with_other_weights_is_said(
    found: HeadSet, place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    header = {**found.header, "model": {**found.model, "id": "tiny", "name": "tiny"}}
    theirs = HeadSet.of_tensors(header, found.to_artifact().tensors)
    place.hub.add(NAME, {"headset.safetensors": to_bytes(theirs.to_artifact())})
    ran = gaze_here(capfd, "pull", NAME, "--json")
    assert ran.document("pull")["pulled"]["weights_here"] is False
    assert "are others than these heads were found in" in ran.err
    (kept,) = gaze_here(capfd, "cache", "ls").document("cache")["artifacts"]
    assert kept["origin"] == f"hf:{NAME}@{place.repository().commit}"
    Cache().prune(0.0, [kept["digest"]])
    assert kept["origin"] in gaze_here(capfd, "cache", "show", kept["digest"], "--format", "human").out


def test_weights_are_fetched_in_the_revision_the_heads_were_found_in(found: HeadSet) -> None:
    for revision, source in (("1" * 40, f"some/model@{'1' * 40}"), ("../../x", "some/model")):
        header = {**found.header, "model": {**found.model, "id": "some/model", "revision": revision}}
        header["model"] |= {"digest": f"sha256:{'0' * 64}"}
        theirs = HeadSet.of_tensors(header, found.to_artifact().tensors)
        assert model_source(Cache(), theirs) == source


def test_a_place_that_cannot_be_written_is_named_and_not_the_network(
    shared: HeadSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(shared.digest.encode())
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "file" / "hub"))
    error = failure(NAME)
    assert error.code == "hub.disk"
    assert str(tmp_path / "file") in str(error.subject)


values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(["ci95", "controls", "chance", "judge", "pictures"])


@settings(max_examples=40)
@given(st.lists(st.tuples(values, values | st.dictionaries(names, values)), max_size=3), values)
def test_claims_are_shares_and_short_texts_whatever_a_card_holds(
    metrics: list[tuple[object, object]], task: object
) -> None:
    results = [
        EvalResult("task", "type", "name", "accuracy", value, task_name=task, metric_args=args)  # type: ignore[arg-type]
        for value, args in metrics
    ]
    card = ModelCardData(eval_results=results, model_name="heads")
    info = SimpleNamespace(id="a/b", sha=None, downloads=None, last_modified=None, card_data=card)
    told = hub_listing.told(info)  # type: ignore[arg-type]
    document = PullDocument.model_validate({"action": "list", "model": "tiny", "on_hub": [told]})
    assert json.loads(document.json_text())["on_hub"][0]["repository"] == "a/b"


def test_the_hubs_head_sets_of_a_model_are_listed_by_downloads(
    shared: HeadSet, place: Place, checkpoint: Callable[[str], Path], capfd: pytest.CaptureFixture[str]
) -> None:
    model = checkpoint("qwen2_vl")
    gazecli.pull(NAME)
    files = place.repository().files
    place.hub.add("other/heads", files).downloads = 7
    document = gaze_here(capfd, "pull", model, "--json").document("pull")
    listed = [(each["repository"], each["downloads"]) for each in document["on_hub"]]
    assert listed == [("other/heads", 7), (NAME, 0)]
    assert document["on_hub"][0]["claims"][0]["controls"] == [0.3, 0.4]
    assert document["here"] == [shared.digest]
    human = gaze_here(capfd, "pull", model, "--format", "human").out
    assert "what the cards claim" in human
    assert shared.digest in human
    card = b"---\ntags: [gaze-heads]\nbase_model: Qwen/Qwen2-VL-7B-Instruct\n---\n"
    place.hub.add("other/qwen-heads", {"README.md": card})
    for name in ("qwen2-vl-7b", "Qwen/Qwen2-VL-7B-Instruct"):
        assert [each.repository for each in gazecli.list_headsets(name)] == ["other/qwen-heads"]
    place.hub.add("some/model", {"config.json": b"{}"})
    assert gaze_here(capfd, "pull", "some/model", "--json").document("pull")["on_hub"] == []
    assert "no head sets" in gaze_here(capfd, "pull", "some/model", "--format", "human").out


EVIL_CARDS = {
    "a keyword of the reader's own": {"ignore_metadata_errors": True},
    "results of another form": {"model-index": [{"name": 1, "results": [{"task": "x", "source": [1]}]}]},
    "figures that are none": {
        "model-index": [
            {
                "name": EVIL,
                "results": [
                    {
                        "task": {"type": EVIL, "name": EVIL},
                        "dataset": {"type": EVIL, "name": EVIL},
                        "metrics": [
                            {"type": "accuracy", "value": value, "args": args}
                            for value, args in (
                                (1e9, None),
                                (True, None),
                                (EVIL, None),
                                (0.5, {"ci95": [EVIL, 2], "controls": EVIL, "chance": -1, "judge": EVIL}),
                            )
                        ],
                    }
                ],
            }
        ]
    },
}


@pytest.mark.parametrize("metadata", EVIL_CARDS.values(), ids=EVIL_CARDS)
@pytest.mark.usefixtures("shared")
def test_a_card_of_any_content_hides_no_other_and_stays_text(
    place: Place, capfd: pytest.CaptureFixture[str], metadata: dict[str, object]
) -> None:
    tags = {"tags": ["gaze-heads"], "base_model": "Qwen/Qwen2-VL-7B-Instruct"}
    evil = f"---\n{json.dumps({**tags, **metadata})}\n---\n".encode()
    good = f"---\n{json.dumps(tags)}\n---\n".encode()
    place.hub.add("evil/heads", {**place.repository().files, "README.md": evil})
    place.hub.add("good/heads", {**place.repository().files, "README.md": good})
    ran: list[Ran] = []
    for form in ("human", "json"):
        ran.append(gaze_here(capfd, "pull", "qwen2-vl-7b", "--format", form))
        ran.append(gaze_here(capfd, "pull", "evil/heads", "--format", form))
    assert all(each.code == 0 and harmless(each.out + each.err) for each in ran), ran
    listed = ran[2].document("pull")["on_hub"]
    assert {each["repository"] for each in listed} == {"evil/heads", "good/heads"}
    claims = [claim for each in listed for claim in each["claims"]]
    assert {claim["accuracy"] for claim in claims} <= {0.5}


def test_a_foreign_head_set_is_shown_and_not_obeyed(
    found: HeadSet,
    place: Place,
    own_cache: Path,
    capfd: pytest.CaptureFixture[str],
    vlm_of: Callable[[str], VLM],
) -> None:
    del own_cache
    evil = renamed(found, EVIL)
    place.hub.add("evil/heads", {"headset.safetensors": to_bytes(evil.to_artifact())})
    for form in ("human", "json"):
        ran = gaze_here(capfd, "pull", "evil/heads", "--format", form)
        assert ran.code == 0, ran.err
        assert harmless(ran.out + ran.err)
    vlm = vlm_of("qwen2_vl")
    gazecli.pull("evil/heads").check_model(vlm.digest, vlm.name)
