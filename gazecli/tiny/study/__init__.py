"""Which vision towers let gaze heads grow? Small models, one thing changed at a time; not in the wheel."""
