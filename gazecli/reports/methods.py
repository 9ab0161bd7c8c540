"""The methods paragraph of a paper: what was done to find heads and to steer them, in whole sentences.

It is worked out from a report's document alone, so that every format says the same.
"""

from __future__ import annotations

from gazecli.errors import UsageError
from gazecli.heads.questions import panel_prompts
from gazecli.pictures.ordinals import count_word
from gazecli.reports.documents.evaluation import ConditionPart, EvaluationPart, ScoreChoicePart
from gazecli.reports.documents.results import ReportDocument

_PAPER = "Gandikota and Bau 2026 (arXiv 2606.14703)"
_SCORES = {
    "raw": "the attention of the last prompt token on the panel asked about",
    "selectivity": "the same attention as a share of what falls on all panels",
    "image": "attention on the picture as a z-score within the layer",
    "localization": "how little a head's map of the picture is scattered (spatial entropy)",
}
_TASKS = {
    "static": "The model was asked about one region",
    "vqa": "The model was asked about the whole picture",
    "dynamic": "The model narrated while the target changed",
}
_SHOWN = 12  # digits of a digest; the JSON has all of them


def methods_text(document: ReportDocument) -> str:
    """The paragraph, on one line."""
    sentences = [*_found(document), *_trusted(document), _chosen(document)]
    for evaluation in document.evaluations:
        sentences += _evaluated(evaluation)
    versions = ", ".join(f"{name} {version}" for name, version in document.versions.items())
    sentences.append(f"Software: gaze {document.gaze}, {versions}. Head set {short(document.headset)}.")
    return " ".join(" ".join(sentences).split())


def short(digest: str) -> str:
    """The beginning of a digest, as a paper prints it."""
    name, colon, digits = digest.rpartition(":")
    return f"{name}{colon}{digits[:_SHOWN]}"


def _found(document: ReportDocument) -> list[str]:
    model, comics, settings = document.model, document.comics, document.settings
    at = f" at revision {model.revision}" if model.revision else ""
    size = f"{model.layers} layers of {model.heads} attention heads"
    # Of heads that were not found here nobody knows it.
    dtype = "" if model.dtype == "unknown" else f"{model.dtype}, "
    checkpoint = f"{model.id}{at} ({size}, {dtype}weights {short(model.digest)})"
    if document.imported is not None:
        ranking = f"a published ranking of {document.imported.heads} heads"
        return [
            f"Heads of {checkpoint} were taken from {ranking} (SHA-256 {document.imported.sha256[:_SHOWN]})."
        ]
    if document.kind == "listed":
        return [f"Heads of {checkpoint} were listed by hand."]
    if document.kind == "text":
        return [
            f"Attention heads of {checkpoint} were scored on {comics.strips} lists of {comics.panels} "
            f"numbered texts without any picture ({short(comics.digest)}), after {_PAPER}.",
            f"About each text the model was asked \u201c{_question(settings.prompt, comics.panels)}\u201d"
            " (here of the first), and the attention of the last prompt token on each text's tokens was"
            " averaged over the lists.",
        ]
    bound = f", shown in {_bounded(settings.image_tokens)}" if settings.image_tokens is not None else ""
    left_out = f" ({len(comics.skipped)} more could not be read)" if comics.skipped else ""
    strips = f"{comics.strips} strips of {comics.panels} panels{left_out}, {short(comics.digest)}"
    return [
        f"Attention heads of {checkpoint} were scored on {strips}{bound}, after {_PAPER}.",
        f"About each panel the model was asked \u201c{_question(settings.prompt, comics.panels)}\u201d"
        " (here of the first panel), and the attention of the last prompt token on each panel's image tokens"
        " was averaged over the strips.",
    ]


def _bounded(image_tokens: int) -> str:
    return f"at most {image_tokens} image tokens a picture"


def _question(template: str, panels: int) -> str:
    try:
        return panel_prompts(template, panels)[0]
    except UsageError:  # of a head set that somebody else wrote
        return template


def _trusted(document: ReportDocument) -> list[str]:
    honesty = document.honesty
    if honesty is None:
        return []
    draws = f"With the labels shuffled {honesty.shuffles} times"
    null = f"{draws}, 95 % of the best scores stay below {honesty.null_95:.3f}"
    if honesty.split_half_overlap is None or honesty.split_half_r is None:
        return [f"{null}."]
    halves = f"two halves of the strips share {honesty.split_half_overlap} of their best heads"
    return [f"{null}; {halves} (r = {honesty.split_half_r:.3f})."]


def _chosen(document: ReportDocument) -> str:
    suggested = document.suggested
    many = suggested.top > 1
    heads = f"The {suggested.top} best heads" if many else "The best head"
    if document.kind == "listed":
        return f"{heads}, in the order listed, {'were' if many else 'was'} taken."
    meaning = _SCORES[suggested.score] if document.imported is None else "as published"
    strength = "" if suggested.strength is None else f" at strength {suggested.strength:g}"
    verb = "are" if many else "is"
    return f"{heads} by {suggested.score} score ({meaning}) {verb} suggested{strength}: {suggested.why}."


def _evaluated(evaluation: EvaluationPart) -> list[str]:
    settings, choice = evaluation.settings, evaluation.choice
    length = f"at most {settings.max_new_tokens} new tokens"
    if settings.image_tokens is not None:
        length += f", {_bounded(settings.image_tokens)}"
    every = f", a new target every {settings.every} tokens" if settings.every else ""
    asked = f"{_TASKS[evaluation.task]} (\u201c{settings.prompt}\u201d; {length}{every})"
    protocol = f", by the {settings.protocol} protocol of {_PAPER}" if settings.protocol is not None else ""
    heads = "1 head" if settings.top == 1 else f"{settings.top} heads"
    bias = f"the pre-softmax scores of {heads} (top by {settings.score} score) were changed by "
    sentences = [
        f"{asked} on {evaluation.strips} pictures ({short(evaluation.comics.digest)}){protocol}, and {bias}"
        f"\u00b1{settings.strength:g} (the strength; mode {settings.mode}, scope {settings.scope}; "
        f"{settings.dtype} on {settings.device}, seed {settings.seed})."
    ]
    if evaluation.on_discovery_strips:
        shared = evaluation.discovery_strips
        which = "These" if shared in (None, evaluation.strips) else f"{shared} of these"
        sentences.append(f"{which} are strips in which the heads were found.")
    if choice is not None:
        what = f"K = {choice.k}" if choice.strength is None else f"Strength {choice.strength:g}"
        sentences.append(
            f"{what} was chosen on {choice.strips} other pictures (accuracy {choice.accuracy:.3f})."
        )
    if evaluation.score_choice is not None:
        sentences.append(_by_score(evaluation.score_choice))
    sentences.append(_controlled(evaluation.conditions))
    if evaluation.judge == "none":
        return [*sentences, "The answers have not been judged."]
    sentences.append(_judged(evaluation))
    return [sentence for sentence in sentences if sentence] + [_results(evaluation)]


def _by_score(choice: ScoreChoicePart) -> str:
    tried = " and ".join(f"{each.accuracy:.3f} by {each.score}" for each in choice.tried)
    return (
        f"The {choice.score} score was chosen by steering (accuracy {tried} on {choice.strips} pictures; the "
        "second would replace the first if it were better on both halves of them by more than one standard "
        "error)."
    )


def _controlled(conditions: list[ConditionPart]) -> str:
    names = [each.name for each in conditions]
    beside = []
    if draws := names.count("control"):
        beside.append(
            f"{_number(draws, 'draw')} of as many other heads, from the same layers as far as they go"
        )
    if draws := names.count("low_control"):
        beside.append(f"{_number(draws, 'draw')} of as many heads from those with the lowest scores")
    if "all" in names:
        beside.append("all heads")
    if "unsteered" in names:
        beside.append("no steering")
    if "blind" in names:
        beside.append("the same heads blinded to the picture while each region was asked about by its place")
    if draws := names.count("blind_control"):
        beside.append(f"{_number(draws, 'control draw')} blinded likewise")
    return f"Controls: {'; '.join(beside)}." if beside else ""


def _judged(evaluation: EvaluationPart) -> str:
    judging = evaluation.judging
    model = f" ({judging.model})" if judging is not None and judging.model else ""
    own = (
        ""
        if judging is None or judging.independent
        else ", the model under test itself and so not independent"
    )
    return (
        f"A {evaluation.judge} judge{model}{own} said which region each answer describes; answers that were "
        "junk, undecided or almost the unsteered one count as misses. Chance is "
        f"{evaluation.chance:.3f}; intervals are 95 % bootstrap over pictures "
        f"({evaluation.settings.resamples} resamples)."
    )


def _results(evaluation: EvaluationPart) -> str:
    told = []
    for name, label in (("gaze", "the chosen heads"), ("all", "all heads"), ("unsteered", "unsteered")):
        for each in evaluation.conditions:
            if each.name == name:
                low, high = each.ci95
                told.append(f"{label} {each.accuracy:.3f} ({low:.3f} to {high:.3f})")
    controls = sorted(each.accuracy for each in evaluation.conditions if each.name == "control")
    if controls:
        told.insert(1, f"controls {controls[0]:.3f} to {controls[-1]:.3f}")
    if not told:
        return ""
    return f"Redirection accuracy: {', '.join(told)}.{_against_controls(evaluation.p_value, len(controls))}"


def _against_controls(p_value: float | None, controls: int) -> str:
    if p_value is None:
        return ""
    rule = "(1 + controls at least as good) / (controls + 1)"
    return f" The add-one p value, {rule} with {_number(controls, 'control')}, is {p_value:.3f}."


def _number(count: int, noun: str) -> str:
    return f"{count_word(count)} {noun}{'' if count == 1 else 's'}"
