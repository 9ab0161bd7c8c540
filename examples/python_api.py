"""Every task of the command line in Python, on the model in the box: a tour that takes about a minute.

Usage: python examples/python_api.py [OUT]
"""

import sys
from pathlib import Path

import gazecli as gaze

HERE = Path(__file__).parent


def main(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    vlm = gaze.load("tiny", device="cpu", dtype="float32")
    print(vlm)

    headset = gaze.discover(vlm, HERE / "comics", samples=6)
    headset.save(out / "headset.safetensors", overwrite=True)
    headset.save(out / "headset.html", overwrite=True)
    print(headset)

    picture = gaze.Picture.open(HERE / "strip.png")
    picture.save(out / "panels.png")
    print(picture)

    answer = gaze.steer(vlm, picture, 3, heads=headset)
    answer.save(out / "answer.html")
    gaze.heatmap(answer).save(out / "heatmap.png")
    print(answer)

    story = gaze.switch(vlm, picture, [2, 4], heads=headset, every=12)
    story.save(out / "story.csv")
    print(story)

    tracking = gaze.track(vlm, picture, heads=headset, controls=[headset.controls()], max_new_tokens=24)
    tracking.save(out / "tracking.svg")
    print(tracking)

    evaluation = gaze.evaluate(
        headset, HERE / "comics", model=vlm, samples=1, top=3, max_new_tokens=8, controls=1
    )
    print(evaluation)

    report = gaze.report(headset)
    report.save(out / "report.html")
    print(report)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("python-api-out"))
