"""Which judge an evaluation has, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gazecli.cache.store import Cache
    from gazecli.evaluation.judges.judge import Judge
    from gazecli.evaluation.wanted import JudgeName
    from gazecli.models.vlm import VLM


def judge_without_model(name: JudgeName | None, cache: Cache, forced: bool = False) -> Judge | None:
    """The judge, as far as it needs no model: None for `none`, and for `likelihood` until there is one.

    `forced`: an endpoint has to choose a region.
    """
    if name == "endpoint":
        from gazecli.evaluation.judges.endpoint import Address, EndpointJudge

        return EndpointJudge(Address.of_environment(), cache, forced)
    from gazecli.evaluation.judges.lexical import LexicalJudge

    return LexicalJudge() if name in (None, "lexical") else None


def likelihood_judge(vlm: VLM, task: str, prompt: str, cache: Cache, anew: bool = False) -> Judge:
    """The model itself, asked the same question; of a narration, what happens in a panel.

    Its verdicts are kept in the cache; with `anew` none is taken from there.
    """
    from gazecli.evaluation.judges.likelihood import LikelihoodJudge
    from gazecli.steering.settings import STATIC_PROMPT

    return LikelihoodJudge(vlm, STATIC_PROMPT if task == "dynamic" else prompt, cache, anew)


def judged_by(name: JudgeName | None, judge: Judge | None) -> dict[str, object]:
    """Which judge a request names."""
    address = getattr(judge, "address", None)
    asked = {"model": address.model, "endpoint": address.shown} if address is not None else {}
    return {"name": name or "lexical", **asked}
