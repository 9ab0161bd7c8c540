"""Pictures of one size share batches, and every text is the one that its row writes alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from benchmarks.stopwatch import peak_megabytes
from gazecli.cache import Cache
from gazecli.evaluation.conditions import Choice
from gazecli.evaluation.examples import Example, examples_of
from gazecli.evaluation.tasks.blinding import BlindingTask
from gazecli.evaluation.tasks.dynamic import NarrationTask
from gazecli.evaluation.tasks.static import RedirectionTask
from gazecli.evaluation.tasks.task import Task
from gazecli.evaluation.trials import Response
from gazecli.heads.headset import Head
from gazecli.heads.questions import DISCOVERY_PROMPT, panel_prompts
from gazecli.models.load import load
from gazecli.models.vlm import VLM
from gazecli.pictures.comics.comics import open_comics
from gazecli.steering.settings import SteerSettings
from tests.conftest import write_comics
from tests.fixtures.checkpoints import FAMILIES

# PaliGemma's processor turns tensors into arrays the old way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

PANELS = 2
SHORT = SteerSettings(max_new_tokens=2)
GIVEN = 40  # megabytes
# Their prompts are long, or they compute attention in blocks; or another here has the same parts.
DEAR = frozenset(
    "llava_full llava_pad llava_bunny llava_gpt_oss llava_next llava_onevision internvl idefics3 smolvlm"
    " aya_vision gemma3 gemma3_pan_and_scan gemma4".split()
)


def by_family() -> list[Any]:
    """Every family with a recipe."""
    slow = pytest.mark.slow
    return [pytest.param(each, marks=[slow] if each in DEAR else []) for each in FAMILIES]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two strips of one size, and one that is wider between them."""
    folder = tmp_path_factory.mktemp("batches") / "comics"
    write_comics(folder, 3, PANELS)
    for panel in sorted(sorted(folder.iterdir())[1].glob("*.png")):
        Image.open(panel).resize((96, 48)).save(panel)
    return folder


@pytest.fixture(scope="module")
def strips(folder: Path) -> list[Example]:
    """The strips of `folder`."""
    return examples_of(open_comics(folder, panels=PANELS, height=48), need_captions=False).usable


def choices_of(vlm: VLM) -> list[Choice]:
    """Some heads of every layer, others more strongly, and none."""
    some, others = ([Head(layer, head) for layer in vlm.heads_of] for head in (0, 3))
    return [Choice(tuple(some)), Choice(tuple(others), 50.0), Choice()]


def shared(strips: list[Example]) -> list[Example]:
    """Those of one size."""
    return [strips[0], strips[2]]


def tasks_of(vlm: VLM, examples: Sequence[Example], **more: Any) -> list[Task]:
    """Each task, with texts of a few tokens."""
    return [
        RedirectionTask(vlm, examples, SHORT, **more),
        NarrationTask(vlm, examples, replace(SHORT, scope="answer"), 2, 0, **more),
        BlindingTask(vlm, examples, panel_prompts(DISCOVERY_PROMPT, PANELS), 2, **more),
    ]


def written(task: Task, numbers: Sequence[int], choices: Sequence[Choice]) -> list[list[list[Response]]]:
    """The responses to each picture under each choice."""
    found = dict(task.responses(numbers, choices))
    return [found[number] for number in numbers]


def apart(task: Task, numbers: Sequence[int], choices: Sequence[Choice]) -> list[list[list[Response]]]:
    """The same, a picture and a choice at a time, as one steers by hand."""
    return [[written(task, [number], [choice])[0][0] for choice in choices] for number in numbers]


@pytest.mark.parametrize("family", by_family())
def test_texts_are_those_of_one_picture_and_one_choice_at_a_time(
    vlm_of: Callable[[str], VLM], family: str, strips: list[Example]
) -> None:
    vlm = vlm_of(family)
    some, _, none = choices_of(vlm)
    for task in tasks_of(vlm, shared(strips)):
        assert written(task, [0, 1], [some, none]) == apart(task, [0, 1], [some, none])


@pytest.fixture
def passes(vlm_of: Callable[[str], VLM]) -> Iterator[tuple[VLM, list[int]]]:
    """A model, and how many rows each of its forward passes had so far."""
    vlm, rows = vlm_of("qwen2_vl"), []

    def note(_module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        embedded = kwargs.get("inputs_embeds", args[0] if args else None)
        rows.append(int(embedded.shape[0]))

    hook = vlm.decoder.register_forward_pre_hook(note, with_kwargs=True)
    yield vlm, rows
    hook.remove()


def test_pictures_of_one_size_share_a_batch_and_others_wait_for_theirs(
    passes: tuple[VLM, list[int]], strips: list[Example]
) -> None:
    vlm, rows = passes
    choices = choices_of(vlm)
    # The two questions are of unequal length, and do not share a batch.
    of_one = {"RedirectionTask": 1 + 2 * PANELS, "NarrationTask": 3, "BlindingTask": 3}
    for task in tasks_of(vlm, strips):
        rows.clear()
        together = dict(task.responses([0, 1, 2], choices))
        assert list(together) == [0, 2, 1]
        assert max(rows) == 2 * of_one[type(task).__name__]
        assert [together[number] for number in range(3)] == apart(task, [0, 1, 2], choices)


@pytest.mark.parametrize("fit", [1, 4, 9])
def test_where_memory_is_short_fewer_rows_write_the_same(
    passes: tuple[VLM, list[int]], strips: list[Example], fit: int
) -> None:
    vlm, _ = passes
    choices = choices_of(vlm)
    expected = [written(task, [0, 1], choices) for task in tasks_of(vlm, shared(strips))]

    def short(_module: Any, _args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if kwargs["inputs_embeds"].shape[0] > fit:
            raise torch.OutOfMemoryError("CUDA out of memory")

    hook = vlm.decoder.register_forward_pre_hook(short, with_kwargs=True)
    try:
        assert [written(task, [0, 1], choices) for task in tasks_of(vlm, shared(strips))] == expected
    finally:
        hook.remove()
    for size in (1, 5):
        tasks = tasks_of(vlm, shared(strips), batch_size=size)
        assert [written(task, [0, 1], choices) for task in tasks] == expected


def test_what_is_kept_of_one_picture_is_not_written_again_for_two(
    passes: tuple[VLM, list[int]], strips: list[Example], tmp_path: Path
) -> None:
    vlm, rows = passes
    some, others, none = choices_of(vlm)
    cache = Cache(tmp_path)
    for task in tasks_of(vlm, shared(strips)):
        whole = written(task, [0, 1], [some, others, none])
        task = replace(task, cache=cache)
        task.trials([0], [some, none], lambda _by: None)
        task = replace(task)
        assert written(task, [0, 1], [some, others, none]) == whole
        rows.clear()
        assert written(task, [1, 0], [none, some]) == [[whole[1][2], whole[1][0]], [whole[0][2], whole[0][0]]]
        assert rows == []


def test_what_is_kept_counts_first_and_a_batch_counts_as_one_step(
    vlm_of: Callable[[str], VLM], strips: list[Example], tmp_path: Path
) -> None:
    """So the time left can be told from what took time: by batches, and not by what was kept."""
    vlm, cache = vlm_of("qwen2_vl"), Cache(tmp_path)
    task = tasks_of(vlm, [*shared(strips), strips[1]], cache=cache)[0]
    choices, steps = choices_of(vlm), []
    replace(task).trials([2], choices, steps.append)
    assert steps == [0, 1]
    steps.clear()
    replace(task).trials([0, 1, 2], choices, steps.append)
    assert steps == [1, 2]


def peaks_of(folder: Path) -> tuple[float, float]:
    """Megabytes at most, of batches without a bound and of batches within GIVEN."""
    vlm = load("tiny", device="cpu", dtype="float32")
    examples = examples_of(open_comics(folder, panels=PANELS, height=48), need_captions=False).usable
    each = RedirectionTask(vlm, shared(examples), replace(SHORT, max_new_tokens=8))
    choices = [Choice((Head(layer, head),)) for layer, heads in vlm.heads_of.items() for head in range(heads)]
    written(each, [0], choices[:1])

    def peak(memory: int) -> float:
        return peak_megabytes(lambda: written(replace(each, memory=memory), [0, 1], choices))

    return peak(1 << 30), peak(GIVEN << 20)


def test_the_largest_batch_stays_within_the_memory_that_auto_is_given(folder: Path) -> None:
    # What other tests of this process left in its heap would count.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
        free, bounded = fresh.submit(peaks_of, folder).result()
    assert free > GIVEN >= bounded
