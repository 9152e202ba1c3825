#!/bin/sh
# A shell test of what a training logs: exit code 1 and the differing lines where it is not what history.txt says.
#
# usage: test_history.sh [--update]     --update writes history.txt anew
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

sh "$here/train.sh" "$work/mlruns" "${LEARNING_RATE:-0.1}"
mlark export "$work/mlruns" -o "$work/history.zip" --quiet
mlark verify "$work/history.zip" --quiet
mlark scan "$work/history.zip" --quiet  # Nobody logged a secret.
mlark snapshot "$work/history.zip" --redact ids,times,hosts,users >"$work/history.txt"
if [ "${1:-}" = --update ]; then
    cp "$work/history.txt" "$here/history.txt"
fi
diff -u "$here/history.txt" "$work/history.txt"
