"""The library on its own: find the gaze heads of the small model and point them at each panel.

Usage: python examples/look_there.py [COMICS] [PICTURE]
"""

import sys
from pathlib import Path

import gazecli as gaze

HERE = Path(__file__).parent


def main(comics: str, strip: str) -> None:
    vlm = gaze.load("tiny", device="cpu", dtype="float32")
    headset = gaze.discover(vlm, comics)
    heads = headset.top()
    print(f"{len(heads)} gaze heads: {', '.join(f'{head.layer}.{head.head}' for head in heads)}")

    picture = gaze.Picture.open(strip, panels="auto")
    question = "What is happening in this panel of the comic strip?"
    for region in picture.regions:
        answer = gaze.steer(vlm, picture, region=region.number, heads=heads, prompt=question)
        moved = f"{answer.attention_baseline:.2f} -> {answer.attention_steered:.2f}"
        print(f"panel {region.number}  ({moved})  {answer.text}")

    # The same steering around any generate call of transformers.
    inputs, layout = vlm.prepare(picture, question)
    with vlm.steered(heads, layout, picture.regions[2], strength=10.0):
        tokens = vlm.model.generate(**inputs, max_new_tokens=24, do_sample=False)
    print("generate:", vlm.tokenizer.decode(tokens[0, layout.length :], skip_special_tokens=True))


if __name__ == "__main__":
    arguments = sys.argv[1:]
    main(
        arguments[0] if arguments else str(HERE / "comics"),
        arguments[1] if len(arguments) > 1 else str(HERE / "strip.png"),
    )
