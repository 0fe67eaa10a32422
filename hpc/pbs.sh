#!/bin/bash
# A sweep as a job of PBS Professional, OpenPBS or Torque that submits itself again until the sweep is finished.
# Copy it beside the sweep file, and there: qsub pbs.sh
#PBS -N palimpsest
#PBS -l select=1:ncpus=64:mpiprocs=64
#PBS -l walltime=12:00:00
#PBS -j oe
#PBS -r n
# Torque: instead of select, -l nodes=1:ppn=64

# First of all: a signal that nobody heeds ends the script.
terminated='' SECONDS=0
pass_on() { pending+="$1 "; } # until in_job.sh is read, which keeps it for the run
trap 'pass_on USR1' USR1
trap 'terminated=${terminated:-$SECONDS}; pass_on TERM' TERM
trap 'pass_on TERM' INT

# Edit these three lines.
checkout=$HOME/palimpsest
sweep=sweep.yaml
results=results.h5

script=pbs.sh
most_submits=200
end=120 # seconds before the end of the walltime in which TERM is taken for the end
cd "$PBS_O_WORKDIR" || exit 2
if [ -e "$checkout/hpc/env/site.sh" ]; then source "$checkout/hpc/env/site.sh"; fi
export HDF5_USE_FILE_LOCKING=BEST_EFFORT OPENBLAS_NUM_THREADS=1

say() { printf '%(%F %T)T pbs.sh: %s\n' -1 "$*"; }

if ! source "$checkout/hpc/in_job.sh"; then
    say "checkout=$checkout is not the folder of palimpsest's sources: edit that line"
    exit 2
fi

# What is left of the job, in seconds; "unlimited" where PBS sets it no end; nothing when it does not tell.
ask_left() {
    local clock='^([0-9]+):([0-9]+):([0-9]+)$' told given began
    told=$(timeout 5 qstat -f "$PBS_JOBID" 2>/dev/null)
    given=$(sed -n 's/^ *Walltime\.Remaining = \([0-9]*\)$/\1/p' <<<"$told")
    if [ -n "$given" ]; then printf '%s\n' "$given" && return; fi
    given=$(sed -n 's/^ *Resource_List\.walltime = //p' <<<"$told")
    if [ -n "$told" ] && [ -z "$given" ]; then printf 'unlimited\n'; fi
    if ! [[ $given =~ $clock ]]; then return; fi
    given=$((10#${BASH_REMATCH[1]} * 3600 + 10#${BASH_REMATCH[2]} * 60 + 10#${BASH_REMATCH[3]}))
    began=$(sed -n 's/^ *\(stime\|start_time\) = //p' <<<"$told" | head -n 1)
    if [ -n "$began" ] && began=$(date -d "$began" +%s 2>/dev/null); then
        given=$((given - $(date +%s) + began)) # a prologue may have taken its part
    fi
    printf '%s\n' "$given"
}

# PBS sends TERM at the end of the walltime and for qdel alike.  What tells them apart is how much was left.
cancelled() {
    if [ -z "$terminated" ]; then return 1; fi
    if [ -z "$left" ]; then
        say "PBS sent TERM, and qstat -f did not tell the walltime: taken for its end; if it was qdel, qdel the next job too"
        return 1
    fi
    if [ "$left" = unlimited ]; then
        say "cancelled; what was saved is kept, and qsub $script goes on from it"
        return 0
    fi
    left=$((left + asked - terminated))
    if [ "$left" -le "$end" ]; then return 1; fi
    say "cancelled, with $((left / 60)) min of its walltime left; what was saved is kept, and qsub $script goes on from it"
}

# Users may not requeue a job of PBS, but submit the next one.
submit_again() {
    local before=${PALIMPSEST_SUBMITS:-0} next
    if [ "$before" -ge "$most_submits" ]; then
        say "submitted itself $before times already: not again; qsub starts it anew"
    elif next=$(qsub -v "PALIMPSEST_SUBMITS=$((before + 1))" "$script"); then
        say "stopped in time; job $next goes on"
    else
        say "stopped in time, but qsub $script failed; submit it again by hand"
    fi
}

# Asked now, since after TERM a job may have ten seconds to live.
left=$(ask_left) asked=$SECONDS

: "${PBS_NODEFILE:?is not set: submit it with qsub}"
run_to_end "$checkout/hpc/restart" mpirun -n $(($(wc -l <"$PBS_NODEFILE") + 1)) --oversubscribe \
    "$checkout/build/palimpsest" run "$sweep" -o "$results"

case $status in
0) say "the sweep is finished: $results" ;;
1) say "the sweep is finished, but stages failed: palimpsest status $results lists them" ;;
75) if ! cancelled; then submit_again; fi ;;
*) say "ended with exit status $status; see above" ;;
esac
exit "$status"
