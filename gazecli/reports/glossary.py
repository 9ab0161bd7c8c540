"""The words of a report and what each means, for whoever points at one."""

from __future__ import annotations

import re

TERMS: dict[str, str] = {
    "95 % interval": "where the value would lie for other pictures of the same kind, 95 times of 100; "
    "from a bootstrap over pictures",
    "K": "how many heads were steered",
    "abstained": "answers in which the judge recognised no region; they count as misses",
    "accuracy": "the share of answers that describe the region the heads were pointed at",
    "best": "the highest score in the layer",
    "condition": "which heads were steered, or what was asked instead",
    "draws lie within": "the lowest and the highest accuracy of the draws; the accuracy is their mean",
    "head": "attention heads count from 0 in each layer",
    "image mass": "the share of the head's attention that falls on the picture",
    "judged": "what the judge made of the answer",
    "junk": "texts without a word, or that circle around one or two words; they count as misses",
    "layer": "layers count from 0",
    "mean": "the mean score in the layer",
    "more accurate by": "the difference in accuracy, over the same pictures",
    "n": "how many answers",
    "raw": "the share of the head's attention on the panel it was asked about",
    "reading order": "the share of segments about the panel whose turn it is when one reads on",
    "repeated": "texts that say a sentence again and again; they are judged by that sentence",
    "schedule": "the share of segments about the panel that was scheduled",
    "selectivity": "of the head's attention on all panels, the share on the panel asked about",
    "target": "the region the heads were pointed at",
    "tokens until attention follows": "median number of tokens from a change of the target until "
    "it has most of the attention, and after how many changes it got there",
    "tokens until text follows": "median number of tokens from a change of the target until the "
    "text is about it, and after how many changes it got there",
    "unchanged": "answers with nearly the words of the unsteered one; they count as misses, because they "
    "show no effect of steering, even where they happen to be right",
    "\u03c1 with reading order": "rank correlation of the panels described with the order of reading",
    "\u03c1 with the schedule": "rank correlation of the panels described with those scheduled",
}
CONDITIONS: dict[str, str] = {
    "gaze heads": "the best heads by their score, pointed at the target",
    "controls": "as many other heads from the same layers, drawn at random",
    "controls of lowest score": "as many heads from those with the lowest scores",
    "all heads": "every head of the model",
    "unsteered": "nothing is steered: what the model says by itself",
    "asked by place": "nothing is steered; the question names the panel by its place",
    "asked, gaze heads blind": "the question names the panel, and the gaze heads cannot see the picture",
    "asked, controls blind": "the question names the panel, and as many other heads cannot see the picture",
}
VERDICTS: dict[str, str] = {
    "right": "the judge found that the answer describes the target",
    "wrong": "the judge found that the answer describes another region; a miss",
    "unchanged": "the answer has nearly the words of the unsteered one. It counts as a miss even where it is "
    "right: it shows no effect of steering",
    "abstained": "the judge recognised no region in the answer; a miss",
    "junk": "a text without a word, or one that circles around one or two words; a miss",
}


def meaning(text: str) -> str | None:
    """What a column or condition means; None for one that explains itself."""
    label = re.sub(r", (draw \d+|\d+ draws)$", "", text)
    return TERMS.get(text) or CONDITIONS.get(label)
