#!/usr/bin/env bash
# A sweep as a Slurm job array, on a real controller and node daemon of this machine's own, each killed
# with SIGKILL again and again, and cells too, killed or asked to stop: benches/drills/slurm.sh [kills].
# Needs root and Debian's slurmctld, slurmd and slurm-client; without them it skips, and says so.
source "$(dirname "$0")/common.sh"
# Bash would tell of every process killed.
exec 2> >(grep --line-buffered -v " Killed " >&2 || true)
kills=${1:-12}
RANDOM=${SEED:-1}
for need in slurmctld slurmd sbatch; do
  command -v $need >/dev/null || { echo "$need is not installed: skipped"; exit 0; }
done
test "$(id -u)" = 0 || { echo "Slurm's daemons need root here: skipped"; exit 0; }

state="$work/slurm"
mkdir -p "$state"/{state,spool}
export SLURM_CONF="$state/slurm.conf"
cat >"$SLURM_CONF" <<CONF
ClusterName=drill
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=17817
SlurmdPort=17818
AuthType=auth/none
CredType=cred/none
SlurmUser=root
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
StateSaveLocation=$state/state
SlurmdSpoolDir=$state/spool
SlurmctldPidFile=$state/slurmctld.pid
SlurmdPidFile=$state/slurmd.pid
SlurmctldLogFile=$state/slurmctld.log
SlurmdLogFile=$state/slurmd.log
ReturnToService=2
KillWait=5
MessageTimeout=10
SlurmctldTimeout=30
SlurmdTimeout=60
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=1
NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=drill Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF

controller() { slurmctld -D >>"$state/out" 2>&1 & }
daemon() { slurmd -D -N "$(hostname -s)" >>"$state/out" 2>&1 & }
pids() { pgrep -f "$1" || true; }
trap 'pkill -9 -f "^slurmctld -D" || true; pkill -9 -f "^slurmd -D" || true; pkill -9 -f "cell $work" || true; rm -rf "$work"' EXIT
# A controller killed before it has saved its state hands numbers of jobs out twice; it drains the node where
# one of them still runs, and holds the other. What an operator would do then. (Nor does the drill wait the two
# minutes that Slurm lets pass before it starts a task again.)
mend() {
  case $(sinfo -h -o %t 2>/dev/null) in
    drain* | drng*) scontrol update NodeName="$(hostname -s)" State=RESUME || true ;;
  esac
  squeue -h -r -t PD -o '%i %r' 2>/dev/null | while read -r job why; do
    case $why in
      *held*) scontrol release "$job" || true ;;
      BeginTime) scontrol update JobId="$job" StartTime=now || true ;;
    esac
  done || true
}
up() {
  for _ in $(seq 60); do
    mend
    sinfo -h -o %t 2>/dev/null | grep -Eq 'idle|mix|alloc' && return
    sleep 0.5
  done
  echo "Slurm did not come up" >&2
  tail -n 10 "$state"/*.log >&2
  return 1
}
controller
daemon
up
undisturbed

out="$work/swept"
submit() {
  "$prefbench" sweep "$work/drill.toml" --slurm --jobs 2 --out "$out" >"$work/log" 2>&1 ||
    { cat "$work/log" >&2; exit 1; }
}
count=0 submitted=0
while test "$(ls -d "$out"/*/done.json 2>/dev/null | wc -l)" -lt $cells; do
  if test -z "$(squeue -h 2>/dev/null)" && test -z "$(pids "cell $out")"; then
    ((submitted < 50)) || { echo "the sweep does not come to its end" >&2; exit 1; }
    submit
    submitted=$((submitted + 1))
    # What waits or runs is not submitted again.
    ((submitted > 1)) || { submit && grep -q "nothing was submitted" "$work/log"; } ||
      { cat "$work/log" >&2; exit 1; }
    sleep 2
  fi
  sleep "$((RANDOM % 3)).$((RANDOM % 10))"
  once "$out"
  mend
  ((count < kills)) || continue
  case $((count % 4)) in
    0) pkill -9 -f "^slurmctld -D" && sleep 1 && controller ;;
    1) pkill -9 -f "^slurmd -D" && sleep 1 && daemon ;;
    2) victim=$(pids "^$prefbench cell $out" | shuf -n 1)
      test -n "$victim" || continue
      kill -9 "$victim" 2>/dev/null || continue ;;
    3) victim=$(pids "^$prefbench cell $out" | shuf -n 1)
      test -n "$victim" || continue
      kill -TERM "$victim" 2>/dev/null || continue ;;
  esac
  count=$((count + 1))
  up
done
# What Slurm started twice must have noticed by now.
for _ in $(seq 60); do test -n "$(pids "cell $out")" || break; sleep 1; done
once "$out"
verify "$out"
starts=$(cat "$out"/slurm/*.log | grep -cE ': (finished|saved|left|failed)' || true)
echo "$count kills and stops, $submitted submissions, $starts ends of tasks told in the logs: none lost, none twice, all equal to the undisturbed sweep"
