"""A benchmark of lmms-eval, its model steered: every question is answered with the gaze heads on one region.

Usage: python examples/lmms_eval_gaze.py MODEL HEADSET TASK [LIMIT]
       python examples/lmms_eval_gaze.py qwen2-vl-7b qwen2-vl-7b mme 50

Needs lmms-eval (pip install lmms-eval). As a model of its command line, import this file first; `--model gaze
--model_args pretrained=qwen2-vl-7b,headset=qwen2-vl-7b,region=centre` then names it. A region is a text as of
`gaze steer --region`; without one the model is left as it is, to compare with.
"""

import sys

from lmms_eval.api.model import lmms
from lmms_eval.api.registry import register_model

import gazecli as gaze


@register_model("gaze")
class SteeredModel(lmms):
    """A model that answers with its gaze heads on `region` of the first picture of each question.

    pretrained: what `gaze.load` takes. headset: a head set's digest or file, or `random`. vlm: a model that
    is loaded or attached already, instead of `pretrained`.
    """

    def __init__(
        self,
        pretrained: str = "tiny",
        headset: str | None = None,
        region: str | None = None,
        strength: float | str = "auto",
        batch_size: int = 1,
        device: str | None = None,
        vlm: gaze.VLM | None = None,
        **_: object,
    ) -> None:
        super().__init__()
        self.vlm = vlm or gaze.load(pretrained, device=device)
        random = headset == "random"
        self.heads = "random" if random else gaze.HeadSet.load(headset or pretrained)
        self.region = region
        self.strength = strength
        self.batch_size = batch_size

    def generate_until(self, requests: list) -> list[str]:
        return [self._answer(*request.args) for request in requests]

    def _answer(self, question, settings, doc_to_visual, doc_id, task, split) -> str:
        images = doc_to_visual(self.task_dict[task][split][doc_id])
        pictures = [gaze.Picture.of(image) for image in images]
        vlm = self.vlm
        inputs, layout = vlm.prepare(pictures, question.replace("<image>", "").strip())
        options = {"max_new_tokens": settings.get("max_new_tokens", 64), "do_sample": False}
        if self.region is None:
            tokens = vlm.model.generate(**inputs, **options)
        else:
            with vlm.steered(self.heads, layout, self.region, strength=self.strength):
                tokens = vlm.model.generate(**inputs, **options)
        text = vlm.decode(tokens[0, layout.length :].tolist())
        for end in settings.get("until", []):
            text = text.split(end)[0]
        return text.strip()

    def loglikelihood(self, requests: list) -> list[tuple[float, bool]]:
        raise NotImplementedError("choose a task that generates")

    def generate_until_multi_round(self, requests: list) -> list[str]:
        raise NotImplementedError("choose a task of one round")


def main(model: str, headset: str, task: str, limit: int | None) -> None:
    from lmms_eval.evaluator import simple_evaluate

    vlm = gaze.load(model)
    for region in (None, "centre"):
        steered = SteeredModel(vlm=vlm, pretrained=model, headset=headset, region=region)
        found = simple_evaluate(model=steered, tasks=[task], limit=limit, batch_size=1)
        print(f"region {region}: {found['results']}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]) if len(sys.argv) > 4 else None)
