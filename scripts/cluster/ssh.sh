#!/usr/bin/env bash
# Machines without a scheduler that share a file system: the I-th of N hosts segments part I/N of the CTs, and this machine
# makes the whole. Starts one `pneumoseg predict` on each host, by ssh without a password, in the same folder as here:
#
#   bash ssh.sh "node1 node2 node3" cts masks --statistics
#
# The same call again goes on where it stopped. Logs: MASKS/logs/part_I_of_N.log.
set -u
read -r -a hosts <<<"$1"
cts=$2 masks=$3
shift 3
mkdir -p "$masks/logs"
words=$(printf '%q ' pneumoseg predict "$cts" -o "$masks" "$@" --resume)
processes=()
for index in "${!hosts[@]}"; do
    part=$((index + 1)) parts=${#hosts[@]}
    # shellcheck disable=SC2029  # both are to be expanded here
    ssh -n "${hosts[$index]}" "cd $(printf '%q' "$PWD") && $words --part $part/$parts" \
        >"$masks/logs/part_${part}_of_$parts.log" 2>&1 &
    processes+=($!)
done
failed=0
for index in "${!processes[@]}"; do
    wait "${processes[$index]}" || { echo "${hosts[$index]}: failed, see its log; run this again" >&2; failed=1; }
done
[ $failed -eq 0 ] || exit 1
pneumoseg predict "$cts" -o "$masks" "$@" --resume
