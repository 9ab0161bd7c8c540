"""`python -m gazecli` is `gaze`."""

from gazecli.cli.start import main

main()
