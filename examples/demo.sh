#!/bin/sh
# From nothing to steered gaze heads with the model in the box; `make demo` runs it.
# GAZE is the command, OUT the folder for the pictures.
set -eu
GAZE=${GAZE:-gaze}
OUT=${OUT:-demo-output}
HERE=$(dirname "$0")
mkdir -p "$OUT"

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] && [ -z "${NO_COLOR:-}" ] || say() { printf '\n%s\n' "$*"; }

say "1. Which heads look where the model is asked to look?   gaze discover tiny examples/comics"
$GAZE discover tiny "$HERE/comics" --top 8 --format human

say "2. Point them at each panel in turn.   gaze steer examples/strip.png --all-regions"
$GAZE steer "$HERE/strip.png" --model tiny --all-regions --heatmap "$OUT/heatmap.png" --format human

say "3. Change the target while it writes.   gaze switch examples/strip.png --schedule 2,4,3,5,1,6 --on sentence"
$GAZE switch "$HERE/strip.png" --model tiny --schedule 2,4,3,5,1,6 --on sentence \
    --trajectory "$OUT/trajectory.png" --format human

say "4. Steer nothing, and watch.   gaze track examples/strip.png --span 'green rabbit'"
$GAZE track "$HERE/strip.png" --model tiny --span "green rabbit" --heatmap "$OUT/rabbit.png" \
    --trajectory "$OUT/staircase.png" --page "$OUT/track.html" --format human

say "5. What is this head set, and can it be trusted?   gaze report tiny"
$GAZE report tiny --top 5 --format human -o "$OUT/report.txt"
cat "$OUT/report.txt"
$GAZE report tiny --format json -o "$OUT/report.json"

$GAZE report tiny --figures "$OUT/figures" -o "$OUT/report.html"

say "Left in $OUT/: heatmap.png, trajectory.png, rabbit.png, staircase.png, figures/, pages (.html) and reports"

say "To see it live, with nothing to install: open docs/live.html in a browser"
say "To see it live with any model and picture: $GAZE serve $HERE/strip.png --model tiny --open"
