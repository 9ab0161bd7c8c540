"""Coverage-guided fuzzing of one reader: `python -m tests.fuzz.run TARGET [--seconds 60]`.

Starts from the corpus beside this file; what it finds on the way goes to a folder of its own, what breaks a
reader to `--findings`.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
import warnings
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--findings", default="fuzz-findings", help="where inputs that break a reader go")
    parser.add_argument("--grown", help="where inputs that reach new code go; a temporary folder by default")
    options = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        sys.exit("atheris is not installed: it supports fewer Pythons than gaze (pip install atheris)")
    import atheris

    with atheris.instrument_imports(include=["gazecli", "PIL", "json"]):
        from tests.fuzz.targets import TARGETS
    Path(options.findings).mkdir(parents=True, exist_ok=True)
    # Decoders warn about damaged metadata; that is not what is looked for here.
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as grown:
        arguments = [
            sys.argv[0],
            f"-max_total_time={options.seconds}",
            f"-artifact_prefix={options.findings}/{options.target}-",
            "-max_len=4096",
            "-timeout=10",
            "-rss_limit_mb=4096",
            "-print_final_stats=1",
            options.grown or grown,
            str(CORPUS / options.target),
        ]
        atheris.Setup(arguments, TARGETS[options.target])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
