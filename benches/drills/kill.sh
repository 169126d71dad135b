#!/usr/bin/env bash
# Kills a running sweep with SIGKILL at random moments, its parent or one of its runs, and begins it
# again at once: benches/drills/kill.sh [kills]. No cell may be lost, none run to its end twice, and the
# logs and checkpoints must be those of an undisturbed sweep.
source "$(dirname "$0")/common.sh"
# Bash would tell of every process killed.
exec 2> >(grep --line-buffered -v " Killed " >&2 || true)
kills=${1:-200}
RANDOM=${SEED:-1}
undisturbed

count=0 parents=0 rounds=0
while ((count < kills)); do
  out="$work/round-$rounds"
  rm -f "$work"/seen-*
  while true; do
    "$prefbench" sweep "$work/drill.toml" --out "$out" >"$work/log" 2>&1 &
    sweep=$!
    alive=true
    while ((count < kills)) && $alive; do
      sleep "0.$(printf %03d $((RANDOM % 700)))"
      kill -0 $sweep 2>/dev/null || break
      # One in three falls on the parent.
      victim=$sweep
      children=$(pgrep -P $sweep || true)
      if ((RANDOM % 3)) && test -n "$children"; then
        victim=$(echo "$children" | shuf -n 1)
      fi
      kill -9 "$victim" 2>/dev/null || continue
      count=$((count + 1))
      if test "$victim" = $sweep; then
        parents=$((parents + 1)) alive=false
      fi
      once "$out"
    done
    code=0
    wait $sweep || code=$?
    once "$out"
    # A run that died three times without coming further is given up; the same command takes it up.
    ((code == 0)) && break
  done
  verify "$out"
  rounds=$((rounds + 1))
done
echo "$count kills ($parents of them of the parent) over $rounds sweeps of $cells cells: none lost, none twice, all equal to the undisturbed one"
