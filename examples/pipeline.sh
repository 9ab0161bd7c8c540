#!/bin/sh
# The commands as parts of a pipeline: JSON on stdout, notes on stderr.
# Usage: sh examples/pipeline.sh   (with `gaze` on the PATH, or GAZE=/path/to/gaze)
set -eu
GAZE=${GAZE:-gaze}
HERE=$(dirname "$0")

# Find the heads (or take the stored head set) and keep its digest.
digest=$($GAZE discover tiny "$HERE/comics" --quiet --json | jq -r .digest)

# The three best heads, a line each.
$GAZE report "$digest" --format json |
    jq -r '.heads[:3][] | "layer \(.layer) head \(.head)  raw \(.raw)"'

# A picture from standard input; the answer alone.
$GAZE steer - --heads "$digest" --region 2 --quiet --json < "$HERE/strip.png" | jq -r '.answers[0].text'

# Every panel of a strip, as a table.
$GAZE steer "$HERE/strip.png" --heads "$digest" --all-regions --quiet --json |
    jq -r '.answers[] | [.region, .attention_on_region.steered, .text] | @tsv'
