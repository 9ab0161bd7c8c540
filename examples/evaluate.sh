#!/bin/sh
# The evaluation of the small model in docs/controls.md, from nothing: under ten minutes on two cores.
# GAZE and PYTHON name the programs, OUT the folder for the results, STRIPS how many strips are drawn.
# Called by `make evaluate`.
set -eu

GAZE=${GAZE:-gaze}
PYTHON=${PYTHON:-python3}
OUT=${OUT:-evaluation-output}
STRIPS=${STRIPS:-30}
HERE=$(dirname "$0")
mkdir -p "$OUT"
GAZE_CACHE_DIR=${GAZE_CACHE_DIR:-$OUT/cache}
export GAZE_CACHE_DIR

# Heads are found on other strips than those they are judged on.
for part in found judged; do
    rm -rf "$OUT/$part"
done
$GAZE comics make "$OUT/found" --count "$STRIPS" --seed 900051 --quiet >/dev/null
$GAZE comics make "$OUT/judged" --count "$STRIPS" --seed 900007 --quiet >/dev/null
$GAZE discover tiny "$OUT/found" --quiet >/dev/null

# Before the sweep: after it a head set steers the number of heads that the sweep chose for a single answer.
echo "vqa" >&2
$GAZE evaluate tiny "$OUT/judged" --task vqa -o "$OUT/vqa.json"
echo "dynamic" >&2
$GAZE evaluate tiny "$OUT/judged" --task dynamic --every 20 --samples $(((STRIPS + 1) / 2)) \
    -o "$OUT/dynamic.json"
echo "static: K is chosen on half of the strips; what it chose is tested on the others" >&2
$GAZE evaluate tiny "$OUT/judged" --sweep heads --compare --generations "$OUT/static.jsonl" \
    -o "$OUT/static.json"

$GAZE report tiny -o "$OUT/report.html"
$PYTHON "$HERE/evaluation_tables.py" "$OUT" | tee "$OUT/evaluation.md"
