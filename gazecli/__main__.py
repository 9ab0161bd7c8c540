"""`python -m gazecli` is `gaze`."""

from gazecli.cli.app import main

main()
