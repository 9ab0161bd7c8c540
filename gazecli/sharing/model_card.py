"""The model card of a head set on the Hub: its metadata, and the evidence in words, tables and a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gazecli.heads.hub import DOCUMENT, FILE, SCHEME
from gazecli.heads.hub_listing import TAG, weights_tag
from gazecli.models.attention.modes import STRENGTH
from gazecli.models.catalogue import resolve_alias
from gazecli.reports.documents.results import ReportDocument
from gazecli.reports.markdown import escaped, facts_drawn, titled
from gazecli.reports.tables import (
    Table,
    evaluation_facts,
    evaluation_tables,
    evaluation_title,
    heads_table,
    repeat_facts,
    report_facts,
)
from gazecli.sharing.evidence import Finding

LIBRARY = "gazecli"
FIGURES = {
    "redirection": "Accuracy by condition, with 95 % intervals over pictures",
    "scores": "Score of every head; the suggested ones are framed",
}
RANKING = "gaze_head_ranking.json"
_SHOWN = 20
_TASKS = {
    "static": "one region described",
    "vqa": "the whole picture asked about",
    "dynamic": "a narration whose target changes",
}


def model_card(
    document: ReportDocument,
    findings: Sequence[Finding],
    repository: str,
    datasets: Sequence[str] = (),
    sources: Mapping[str, str] | None = None,
    figures: Sequence[str] = (),
) -> str:
    """The README.md of a repository: metadata, then what the head set is and how it was shown to steer.

    datasets: names of data sets on the Hub. sources: the same by digests of comics. figures: names of those
    that lie beside it as PNG.
    """
    metadata = _metadata(document, findings, repository, datasets, sources or {})
    model = escaped(document.model.id)
    shown = {name: f"![{FIGURES[name]}]({name}.png)" for name in figures}
    parts = [
        f"# Gaze heads of {model}",
        f"Attention heads through which {model} looks at what it describes. Point them at a region of a "
        "picture, and the model describes that region: no training, no change of weights. Found and checked "
        "with gaze (`pip install gazecli`), after Gandikota and Bau 2026 (arXiv 2606.14703).",
        *_warning(findings),
        "## Use",
        _use(document, findings, repository),
        "## Evidence",
        *_evidence(findings, shown),
        "## The head set",
        facts_drawn(
            {**report_facts(document), "checkpoint": f"{document.model.id}, {document.model.digest}"}
        ),
        *([shown["scores"]] if "scores" in shown else []),
        *titled(heads_table(document, _SHOWN), "###"),
        "## Files",
        _files(figures),
        "## Methods",
        escaped(document.methods),
        "## To repeat this",
        facts_drawn(repeat_facts(document)),
    ]
    return f"---\n{metadata}\n---\n\n" + "\n\n".join(parts) + "\n"


def _metadata(
    document: ReportDocument,
    findings: Sequence[Finding],
    repository: str,
    datasets: Sequence[str],
    sources: Mapping[str, str],
) -> str:
    from huggingface_hub import ModelCardData

    model = document.model.id
    on_hub = "/" in model and resolve_alias(model) == model
    results = [_result(document, each, sources) for each in findings if each.gaze is not None]
    data = ModelCardData(
        base_model=model if on_hub else None,
        library_name=LIBRARY,
        tags=[TAG, weights_tag(document.model.digest), "interpretability", "attention-steering"],
        datasets=list(dict.fromkeys([*datasets, *sources.values()])) or None,
        model_name=repository.rpartition("/")[2] if results else None,
        eval_results=results or None,
    )
    if on_hub:  # without it the Hub takes the repository for a finetuned model
        data["base_model_relation"] = "adapter"
    return str(data.to_yaml())


def _result(document: ReportDocument, finding: Finding, sources: Mapping[str, str]) -> Any:
    from huggingface_hub import EvalResult

    evaluation, gaze = finding.evaluation, finding.gaze
    assert gaze is not None
    comics, settings = evaluation.comics, evaluation.settings
    return EvalResult(
        task_type="image-text-to-text",
        task_name=f"redirection, {evaluation.task}",
        dataset_type=sources.get(comics.digest, "comics"),
        dataset_name=f"{evaluation.strips} pictures of {comics.panels} panels",
        # One place in the index for each evaluation: the Hub tells them apart by data set and revision.
        dataset_config=f"{evaluation.judge}-top{settings.top}-{settings.strength:g}",
        dataset_revision=comics.digest,
        metric_type="accuracy",
        metric_name="redirection accuracy",
        metric_value=gaze.accuracy,
        metric_args={
            "ci95": list(gaze.ci95),
            "controls": finding.controls,
            "chance": evaluation.chance,
            "judge": evaluation.judge,
            "pictures": evaluation.strips,
            "heads": settings.top,
            "strength": settings.strength,
            "on_discovery_strips": bool(evaluation.on_discovery_strips),
            "headset": document.headset,
        },
    )


def _warning(findings: Sequence[Finding]) -> list[str]:
    proven = [finding.evaluation for finding in findings if finding.supports]
    if proven and all(evaluation.on_discovery_strips for evaluation in proven):
        alone = all(evaluation.discovery_strips in (None, evaluation.strips) for evaluation in proven)
        which = "on the strips in which they were found, no others"
        if not alone:
            which = "on strips in which they were found and on others, and the figures are of both together"
        return [f"> **Careful.** The heads were evaluated {which}."]
    if proven:
        return []
    why = "it has not been evaluated" if not findings else "; ".join(findings[0].against)
    return [f"> **Unproven.** No evaluation shows that these heads steer the model: {escaped(why)}."]


def _use(document: ReportDocument, findings: Sequence[Finding], repository: str) -> str:
    suggested, name = document.suggested, f"{SCHEME}{repository}"
    strength = suggested.strength
    if strength is None:
        proven = [finding.evaluation.settings.strength for finding in findings if finding.supports]
        strength = proven[0] if proven else STRENGTH
    heads = ", ".join(f"{each.layer}.{each.head}" for each in document.heads[: suggested.top])
    count = "best head" if suggested.top == 1 else f"{suggested.top} best heads"
    shell = f"gaze steer PICTURE --region 3 --heads {name} --strength {strength:g}"
    python = f'import gazecli as gaze\nheadset = gaze.pull("{repository}")'
    return (
        f"Suggested: the {count} by {suggested.score} score, strength {strength:g}. "
        "Layers and heads count from 0.\n\n"
        f"```text\n{heads}\n```\n\n```python\n{python}\n```\n\n```console\n$ {shell}\n```\n\n"
        f"`{name}@COMMIT` names one version for good. The heads fit the checkpoint with the digest below; "
        "`gaze` refuses any other."
    )


def _evidence(findings: Sequence[Finding], shown: dict[str, str]) -> list[str]:
    if not findings:
        return ["None: no evaluation of this head set was kept where it was pushed."]
    parts = [
        "Redirection accuracy is the share of answers that describe the region meant. Controls are as many "
        "other heads, from the same layers as far as they go, a draw each.",
        _drawn_summary(findings),
        *([shown["redirection"]] if "redirection" in shown else []),
    ]
    for finding in findings:
        evaluation = finding.evaluation
        parts.append(f"### {escaped(evaluation_title(evaluation))}")
        if not finding.supports:
            parts.append(f"This is no evidence for the heads: {escaped('; '.join(finding.against))}.")
        parts.append(facts_drawn(evaluation_facts(evaluation)))
        for table in evaluation_tables(evaluation, panels=False):
            if not table.folded:
                parts += titled(table, "####")
    return parts


def _drawn_summary(findings: Sequence[Finding]) -> str:
    columns = ["task", "judge", ">pictures", ">K", ">accuracy", ">95 % interval", ">controls", ">chance"]
    rows = []
    for finding in findings:
        evaluation, gaze, controls = finding.evaluation, finding.gaze, finding.controls
        rows.append(
            (
                f"{evaluation.task}: {_TASKS[evaluation.task]}",
                evaluation.judge,
                evaluation.strips,
                evaluation.settings.top,
                gaze.accuracy if gaze is not None else None,
                gaze.ci95 if gaze is not None else None,
                (controls[0], controls[-1]) if controls else None,
                evaluation.chance,
            )
        )
    return titled(Table("Accuracy", columns, rows), "###")[1]


def _files(figures: Sequence[str]) -> str:
    listed = {
        FILE: "the head set: every head's scores and matrices, under the digest of its content",
        DOCUMENT: "the same as JSON, as `gaze discover` prints it (`gaze schema headset`)",
        RANKING: "layer, head and score of every head, best first",
        **{f"{name}.png": FIGURES[name] for name in figures},
    }
    return "\n".join(f"- `{name}`: {what}" for name, what in listed.items())
