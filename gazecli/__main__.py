"""`python -m gazecli` is `gaze`."""

from gazecli.cli.main import main

main()
