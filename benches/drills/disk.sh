#!/usr/bin/env bash
# Write failures: a disk that fills up, a folder that cannot be written to, and every single fsync, fdatasync and
# rename of a run failing in turn: benches/drills/disk.sh [every]. After each the store must be readable, and
# the same command must bring it to what an undisturbed run leaves. With `every` = 5 only every fifth
# call fails. Needs root for the small disk and strace for the failing calls; what it lacks it skips, and says so.
source "$(dirname "$0")/common.sh"
every=${1:-1}

cat >"$work/drill.toml" <<'TOML'
tasks = ["reach"]
algorithms = ["sac"]
seeds = 0
[set]
steps = 900
eval_every = 300
eval_episodes = 1
checkpoint_every = 200
agent.seed_steps = 300
agent.sac = { hidden = [16, 16], batch = 16 }
TOML
cells=1
undisturbed

sweep() { "$prefbench" sweep "$work/drill.toml" --out "$1" >"$work/log" 2>&1; }
readable() {
  "$prefbench" status "$1" >"$work/status"
  "$prefbench" table "$1" >"$work/table" 2>&1 || grep -q "holds no runs" "$work/table" || { cat "$work/table" >&2; return 1; }
}
# Fails unless the last command's output names a file and what to do.
told() { grep -q "$1" "$work/log" || { echo "not told of: $1" >&2; cat "$work/log" >&2; return 1; }; }

if mkdir "$work/small" && mount -t tmpfs -o size=2m none "$work/small" 2>/dev/null; then
  trap 'umount "$work/small"; rm -rf "$work"' EXIT
  full=0
  # Room for less and less of a run, by a ballast beside it.
  for ballast in 1950 1800 1600 1400 1200; do
    rm -rf "$work/small"/*
    head -c ${ballast}k /dev/zero >"$work/small/ballast"
    if ! sweep "$work/small/runs"; then
      full=$((full + 1))
      told "No space left"
      told "free some space"
      test ! -e "$work/small/runs" || readable "$work/small/runs"
    fi
    rm "$work/small/ballast"
    sweep "$work/small/runs"
    verify "$work/small/runs"
  done
  test $full -ge 2
  echo "a full disk: $full times, nothing lost"

  rm -rf "$work/small"/*
  mount -o remount,ro "$work/small"
  if sweep "$work/small/runs"; then echo "wrote to a read-only disk" >&2; exit 1; fi
  told "Read-only file system"
  mount -o remount,rw "$work/small"
  "$prefbench" sweep "$work/drill.toml" --plan --out "$work/small/runs" >/dev/null
  mount -o remount,ro "$work/small"
  readable "$work/small/runs"
  if sweep "$work/small/runs"; then echo "wrote to a read-only disk" >&2; exit 1; fi
  told "Read-only file system"
  mount -o remount,rw "$work/small"
  echo "a read-only folder: told, nothing lost"
else
  echo "a small disk cannot be mounted here: skipped"
fi

if strace -o /dev/null true 2>/dev/null; then
  for call in fsync fdatasync rename; do
    failed=0
    for ((n = 1; ; n += every)); do
      out="$work/$call-$n"
      "$prefbench" sweep "$work/drill.toml" --plan --out "$out" >/dev/null
      if strace -f -o "$work/trace" -e trace=$call -e inject=$call:error=EIO:when=$n \
        "$prefbench" cell "$out" 0 >"$work/log" 2>&1; then
        # The run makes fewer calls than this.
        grep -q INJECTED "$work/trace" || break
        # A cell tries again after an error that may pass.
        if grep -q "Input/output error.*trying again" "$work/log"; then failed=$((failed + 1)); fi
      else
        told "Input/output error"
        failed=$((failed + 1))
      fi
      readable "$out"
      sweep "$out"
      verify "$out"
      rm -rf "$out"
    done
    test $failed -gt 0
    echo "$call failing: $failed runs told of it, nothing lost"
  done
else
  echo "strace is not here, or may not trace: failing calls were skipped"
fi
