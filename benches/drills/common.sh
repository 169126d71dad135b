# Shared by the drills: a sweep of small cells, and the proof that a folder holds what it should.
set -Eeuo pipefail
trap 'echo "$0, line $LINENO: failed: $BASH_COMMAND" >&2' ERR
prefbench=${PREFBENCH:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/target/release/prefbench}
test -x "$prefbench" || { echo "no $prefbench; build it, or name it in PREFBENCH" >&2; exit 2; }
work=$(mktemp -d)
# Without jobs kill fails, which must not become the drill's own failure.
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT

# Eight cells of some seconds each; saved often, so that a kill falls into saving too.
cat >"$work/drill.toml" <<'TOML'
tasks = ["reach"]
seeds = "0..2"
[set]
steps = 4000
eval_every = 500
eval_episodes = 2
checkpoint_every = 200
[[cells]]
algorithms = ["random"]
[[cells]]
algorithms = ["sac"]
set.agent.seed_steps = 500
set.agent.sac = { hidden = [16, 16], batch = 16 }
[[cells]]
algorithms = ["pebble"]
teachers = ["oracle", "mistake"]
set.agent.seed_steps = 250
set.agent.unsupervised_steps = 250
set.agent.reset_updates = 5
set.agent.sac = { hidden = [16, 16], batch = 16 }
set.agent.reward = { hidden = [16], epochs = 2 }
set.agent.feedback = { every = 600, budget = 60, per_session = 10 }
TOML
cells=8

# Everything in a folder of runs that must not depend on how often it was interrupted.
digest() {
  (cd "$1" && find . -name config.json -o -name eval.jsonl -o -path '*/checkpoint-*' -type f |
    LC_ALL=C sort | xargs sha256sum)
}

# The undisturbed sweep, as the measure.
undisturbed() {
  "$prefbench" sweep "$work/drill.toml" --out "$work/whole" >"$work/whole.log" 2>&1
  digest "$work/whole" >"$work/whole.sums"
  test "$(ls -d "$work"/whole/*/done.json | wc -l)" = $cells
}

# Fails unless the folder $1 holds every cell, each once, as the undisturbed sweep left it.
verify() {
  test "$(ls -d "$1"/*/done.json | wc -l)" = $cells || { echo "cells are missing in $1" >&2; ls "$1" >&2; return 1; }
  digest "$1" | diff - "$work/whole.sums" || { echo "$1 differs from the undisturbed sweep" >&2; return 1; }
}

# Remembers which cells are done, and fails if one was done again.
once() {
  for done in "$1"/*/done.json; do
    test -e "$done" || continue
    local stamp seen
    stamp=$(stat -c '%i %y' "$done")
    seen="$work/seen-$(basename "$(dirname "$done")")"
    if test -e "$seen"; then
      test "$(cat "$seen")" = "$stamp" || { echo "$done was written twice" >&2; return 1; }
    else
      echo "$stamp" >"$seen"
    fi
  done
}
