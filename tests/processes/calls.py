"""Several calls of `gaze` in one process, so that a launch imports everything once: `calls.py JSON`."""

from __future__ import annotations

import json
import sys

from gazecli.cli.app import run

if __name__ == "__main__":
    for arguments in json.loads(sys.argv[1]):
        if code := run(arguments):
            sys.exit(code)
