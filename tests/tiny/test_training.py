"""Training teaches the stock model: its shortcuts equal the stock forward, its schedule repeats."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gazecli.models.vlm import VLM
from gazecli.pictures.picture import Picture
from gazecli.tiny.panel import draw_panel
from gazecli.tiny.scenes import SUBJECTS, Scene, draw_scene
from gazecli.tiny.training.architecture import VOCABULARY, Sizes, build_model
from gazecli.tiny.training.batches import (
    ATTRIBUTES,
    IGNORED,
    MEAN,
    PLACED_STEPS,
    STD,
    BatchSource,
    Branch,
    Pool,
    attributes_of,
    curriculum,
    fade,
    naming_batches,
    strip_patches,
)
from gazecli.tiny.training.forward import answer_states, encode_pictures, tree_mask
from gazecli.tiny.training.losses import AttributeHeads, FirstWords, answer_loss, panel_means
from gazecli.tiny.training.train import Log, MuonAdamW, Schedule, main, train_answers, train_vision


@pytest.fixture(scope="module")
def pool() -> Pool:
    rng = random.Random(3)
    scenes = [draw_scene(rng) for _ in range(12)]
    return Pool(np.stack([np.asarray(draw_panel(scene, rng, 112, 2)) for scene in scenes]), scenes)


class Calm(random.Random):
    """Never draws a gap, a margin or a stretch."""

    def random(self) -> float:
        return 0.99


def test_a_batch_is_tokenised_and_patched_as_the_processor_does(
    vlm_of: Callable[[str], VLM], pool: Pool
) -> None:
    vlm = vlm_of("tiny")
    source = BatchSource(pool, vlm.tokenizer, 1)
    patches = strip_patches(pool, range(6), (56, 336), Calm(1))
    picture = Picture.from_image(Image.fromarray(np.concatenate(list(pool.pixels[:6]), 1)), panels=6)
    question = "What is happening in the third panel from the left? Answer briefly."
    inputs, layout = vlm.prepare(picture, question)
    stock = inputs["pixel_values"].numpy().reshape(-1, 3, 2, 14, 14)[:, :, 0].reshape(-1, 588)
    np.testing.assert_allclose(stock, patches, atol=1e-6)
    tree = source._tree([Branch(question, pool.scenes[2].caption, 0)], 2, 12)
    assert tree[0, : layout.length].tolist() == inputs["input_ids"][0].tolist()
    positions, _ = vlm.model.model.get_rope_index(
        inputs["input_ids"],
        mm_token_type_ids=inputs["mm_token_type_ids"],
        image_grid_thw=inputs["image_grid_thw"],
    )
    assert tree[1:4, : layout.length].tolist() == positions[:, 0].tolist()


def test_many_pictures_in_one_batch_equal_the_stock_tower(vlm_of: Callable[[str], VLM], pool: Pool) -> None:
    vlm = vlm_of("tiny")
    patches = torch.from_numpy(
        np.stack([strip_patches(pool, range(start, start + 6), (56, 336), Calm(1)) for start in (0, 3)])
    )
    frames = patches.view(2 * 96, 3, 1, 196).expand(-1, -1, 2, -1).reshape(2 * 96, -1)
    with torch.no_grad():
        fast = encode_pictures(vlm.model, patches, (4, 24))
        stock = vlm.model.model.visual(frames, torch.tensor([[1, 4, 24]] * 2)).pooler_output
    torch.testing.assert_close(fast.flatten(0, 1), stock, atol=1e-4, rtol=0)


def test_branches_see_the_picture_and_themselves_alone() -> None:
    mask = tree_mask(torch.tensor([[0, 0, 1, 1, 2, 2, -1]]))[0, 0]
    assert mask[3].tolist() == [True, True, True, True, False, False, False]
    assert mask[5].tolist() == [True, True, False, False, True, True, False]


def test_a_branch_gets_the_logits_it_would_get_alone(vlm_of: Callable[[str], VLM], pool: Pool) -> None:
    vlm = vlm_of("tiny")
    source = BatchSource(pool, vlm.tokenizer, 1)
    batch = source.batch(1, 6, small=False, long=False)
    number = 2
    kept = (batch.branch == 0) | (batch.branch == number)
    with torch.no_grad():
        states, _ = answer_states(vlm.model, batch)
        labelled = (batch.labels != IGNORED)[0]
        together = states[(batch.branch[0] == number)[labelled]]
        alone = vlm.model.model.language_model(
            inputs_embeds=_embedded(vlm, batch)[:, kept[0]],
            position_ids=batch.positions[:, :, kept[0]],
            use_cache=False,
        ).last_hidden_state[0]
    torch.testing.assert_close(together, alone[labelled[kept[0]]], atol=1e-3, rtol=0)


def _embedded(vlm: VLM, batch: object) -> torch.Tensor:
    embedded = vlm.model.model.language_model.embed_tokens(batch.tokens)  # type: ignore[attr-defined]
    pictures = encode_pictures(vlm.model, batch.patches, batch.grid)  # type: ignore[attr-defined]
    is_picture = batch.tokens == vlm.model.config.image_token_id  # type: ignore[attr-defined]
    return embedded.masked_scatter(is_picture[..., None], pictures)


def test_a_resumed_run_gets_the_same_batches(vlm_of: Callable[[str], VLM], pool: Pool) -> None:
    tokenizer = vlm_of("tiny").tokenizer
    first = PLACED_STEPS - 3
    whole = list(curriculum(BatchSource(pool, tokenizer, 1), first, first + 6, 2))
    resumed = list(curriculum(BatchSource(pool, tokenizer, 1), first + 3, first + 6, 2))
    for one, other in zip(whole[3:], resumed, strict=True):
        assert torch.equal(one.tokens, other.tokens)
        assert torch.equal(one.patches, other.patches)


def test_no_question_leaves_its_panel_open_until_the_look_for_places_is_there(
    vlm_of: Callable[[str], VLM], pool: Pool
) -> None:
    source = BatchSource(pool, vlm_of("tiny").tokenizer, 1)

    def kinds(start: int, stop: int) -> set[int]:
        batches = curriculum(source, start, stop, 2)
        return {int(kind) for batch in batches for kind in batch.kinds[batch.labels != IGNORED]}

    assert kinds(0, 12) == {0, 2}
    assert kinds(PLACED_STEPS - 6, PLACED_STEPS) == {0, 2}
    assert kinds(PLACED_STEPS, PLACED_STEPS + 12) == {0, 1, 2, 3, 4}


def test_a_grid_is_patched_as_the_processor_does(vlm_of: Callable[[str], VLM], pool: Pool) -> None:
    vlm = vlm_of("tiny")
    patches = strip_patches(pool, range(6), (112, 168), Calm(1), rows=2)
    lines = [np.concatenate(list(pool.pixels[start : start + 3]), 1) for start in (0, 3)]
    grid = Image.fromarray(np.concatenate(lines)).resize((168, 112), Image.Resampling.BICUBIC)
    inputs, _ = vlm.prepare(Picture.from_image(grid, panels="2x3"), "What is happening here?")
    stock = inputs["pixel_values"].numpy().reshape(-1, 3, 2, 14, 14)[:, :, 0].reshape(-1, 588)
    np.testing.assert_allclose(stock, patches, atol=1e-6)


def test_fading_takes_the_colour_and_leaves_the_brightness(pool: Pool) -> None:
    patches = strip_patches(pool, range(6), (56, 336), Calm(1))
    told = set()
    for seed in range(20):
        faded, coloured = fade(patches, random.Random(seed))
        before, after = (each.reshape(-1, 3, 196) * STD[:, None] + MEAN[:, None] for each in (patches, faded))
        luma = np.array([0.299, 0.587, 0.114])[:, None]
        np.testing.assert_allclose((after * luma).sum(1), (before * luma).sum(1), atol=1e-5)
        spread, whole = np.ptp(after, axis=1).max(), np.ptp(before, axis=1).max()
        assert spread <= whole + 1e-5
        assert coloured == (spread > 0.5 * whole)
        told.add(coloured)
    assert told == {True, False}


def test_the_tower_is_asked_for_all_that_a_strip_still_shows(
    vlm_of: Callable[[str], VLM], pool: Pool
) -> None:
    source = BatchSource(pool, vlm_of("tiny").tokenizer, 1)
    scenes = {tuple(attributes_of(scene)) for scene in pool.scenes}
    faded = 0
    for batch in naming_batches(source, 0, 8, 8):
        rows, columns = batch.grid
        assert batch.patches.shape[1] == rows * columns
        assert batch.attributes[0, :, 5].tolist() == list(range(batch.attributes.shape[1]))
        for strip in batch.attributes:
            if (strip[:, 0] == IGNORED).all():
                faded += 1
                assert (strip[:, 4] == IGNORED).all()
                assert {tuple(panel[1:4]) for panel in strip.tolist()} <= {scene[1:4] for scene in scenes}
            else:
                assert {tuple(panel[:5]) for panel in strip.tolist()} <= scenes
    assert 10 < faded < 54
    resumed = next(naming_batches(source, 7, 8, 8))
    assert torch.equal(resumed.patches, batch.patches)


def test_what_cannot_be_told_costs_the_tower_nothing() -> None:
    naming = AttributeHeads(8, panels=2)
    pictures = torch.randn(2, 8, 8, requires_grad=True)
    attributes = torch.zeros(2, 2, len(ATTRIBUTES) + 1, dtype=torch.long)
    attributes[1, :, :] = IGNORED
    loss, right = naming(pictures, attributes)
    loss.backward()
    assert pictures.grad is not None
    assert pictures.grad[0].abs().sum() > 0
    assert pictures.grad[1].abs().sum() == 0
    assert len(right) == 6


def test_a_panel_is_the_mean_of_its_square_of_tokens() -> None:
    rows = torch.arange(2 * 6).view(1, 2, 6, 1).float()  # three panels of 2 x 2 tokens
    means = panel_means(rows.view(1, 12, 1), 3)
    assert means.flatten().tolist() == [(0 + 1 + 6 + 7) / 4, (2 + 3 + 8 + 9) / 4, (4 + 5 + 10 + 11) / 4]


def test_a_held_out_combination_is_neither_learned_nor_unlearned(vlm_of: Callable[[str], VLM]) -> None:
    tokenizer = vlm_of("tiny").tokenizer
    held_out = next(scene for scene in map(Scene._make, itertools.product(*ATTRIBUTES)) if scene.held_out)
    near = next(
        scene for scene in (held_out._replace(subject=subject) for subject in SUBJECTS) if not scene.held_out
    )
    text = f"Panel 1: {near.caption} Panel 2: {near.caption}"
    wanted = torch.tensor(tokenizer.encode(text))
    logits = torch.zeros(len(wanted), VOCABULARY, requires_grad=True)
    answer_loss(logits, wanted, FirstWords(tokenizer)).backward()
    assert logits.grad is not None
    (absent,) = tokenizer.encode(f" {held_out.subject}")
    (present,) = tokenizer.encode(f" {near.subject}")
    rows = (wanted == present).nonzero()[:, 0]
    assert len(rows) == 2
    for row in range(len(wanted)):
        assert (logits.grad[row, absent] == 0) == (row in rows), row
    assert (logits.grad[rows, present] < 0).all()


def test_the_tower_too_is_told_nothing_of_held_out_combinations() -> None:
    held_out = next(scene for scene in map(Scene._make, itertools.product(*ATTRIBUTES)) if scene.held_out)
    near = next(
        scene for scene in (held_out._replace(subject=subject) for subject in SUBJECTS) if not scene.held_out
    )
    naming = AttributeHeads(8)
    attributes = torch.tensor([[attributes_of(near)]])
    for spare in (False, True):
        naming.zero_grad()
        naming(torch.ones(1, 4, 8), attributes, spare=spare)[0].backward()
        pulled = naming.heads[1].bias.grad[SUBJECTS.index(held_out.subject)]
        assert (pulled == 0) == spare


SMALL = Sizes(hidden=64, intermediate=96, layers=1, heads=4, vision=32, vision_layers=1, rotary=(2, 2, 4))


@pytest.fixture
def train(
    vlm_of: Callable[[str], VLM], pool: Pool, tmp_path: Path
) -> Iterator[Callable[..., dict[str, torch.Tensor]]]:
    tokenizer = vlm_of("tiny").tokenizer
    threads = torch.get_num_threads()
    torch.set_num_threads(1)

    def trained(steps: int, *, resume: bool = False) -> dict[str, torch.Tensor]:
        torch.manual_seed(5)
        model = build_model(tokenizer, 5, SMALL)
        naming = AttributeHeads(SMALL.hidden, 6)
        source = BatchSource(pool, tokenizer, 5)
        log, state = Log(tmp_path / "log.jsonl"), tmp_path / "state.pt"
        if not resume:
            lessons, plan = naming_batches(source, 0, 3, 2), Schedule(3, 3, 2, 2e-3)
            train_vision(model, naming, lessons, MuonAdamW(model, naming, 1.0), plan, log)
        # The rate falls in the step after the last: a run of three steps has the first rates of one of four.
        schedule = Schedule(steps, 1, 2, 1e-3)
        train_answers(model, naming, source, dict, schedule, log, state, resume)
        return {name: weight.clone() for name, weight in model.state_dict().items()}

    yield trained
    torch.set_num_threads(threads)


def test_a_second_run_repeats_the_first_and_moves_every_weight(
    train: Callable[..., dict[str, torch.Tensor]], vlm_of: Callable[[str], VLM]
) -> None:
    first, second = train(3), train(3)
    start = build_model(vlm_of("tiny").tokenizer, 5, SMALL).state_dict()
    for name, weight in first.items():
        assert torch.equal(weight, second[name]), name
        assert not torch.equal(weight, start[name]), name


def test_a_resumed_training_ends_as_one_that_was_never_stopped(
    train: Callable[..., dict[str, torch.Tensor]],
) -> None:
    whole = train(4)
    train(3)
    resumed = train(4, resume=True)
    for name, weight in whole.items():
        assert torch.equal(weight, resumed[name]), name


def test_the_rate_holds_and_falls_at_the_end_only() -> None:
    short, long = Schedule(3000, 500, 24, 1.5e-3), Schedule(4000, 500, 24, 1.5e-3)
    assert [short.rate_at(step) for step in range(2500)] == [long.rate_at(step) for step in range(2500)]
    assert short.rate_at(2999) < 0.03 * short.rate_at(2500)


def test_a_training_that_never_began_is_not_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log.jsonl"
    monkeypatch.setattr("sys.argv", ["train", str(tmp_path / "out"), "--resume", "--log", str(log)])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert f"there is no state to go on from: {tmp_path / 'log.pt'}" in capsys.readouterr().err
    assert not log.exists()
