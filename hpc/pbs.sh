#!/bin/bash
# A sweep as a job of PBS Professional, OpenPBS or Torque that submits itself again until the sweep is finished.
# Copy it beside the sweep file, and there: qsub pbs.sh
#PBS -N palimpsest
#PBS -l select=1:ncpus=64:mpiprocs=64
#PBS -l walltime=12:00:00
#PBS -j oe
#PBS -r n
# Torque: instead of select, -l nodes=1:ppn=64

# First of all: a signal that nobody heeds ends the script.  What comes before there is a run is a hint that it does not
# need: it asks PBS itself when the job ends.
run=''
trap 'signalled=yes; if [ -n "$run" ]; then kill -USR1 "$run" 2>/dev/null; fi' USR1 TERM

# Edit these three lines.
checkout=$HOME/palimpsest
sweep=sweep.yaml
results=results.h5

script=pbs.sh
most_submits=200
cd "$PBS_O_WORKDIR" || exit 2
if [ -e "$checkout/hpc/env/site.sh" ]; then source "$checkout/hpc/env/site.sh"; fi
export HDF5_USE_FILE_LOCKING=BEST_EFFORT OPENBLAS_NUM_THREADS=1

say() { printf '%(%F %T)T pbs.sh: %s\n' -1 "$*"; }

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

# bash heeds signals between commands only: the run goes into the background, and is waited for.
"$checkout/hpc/restart" mpirun -n $(($(wc -l <"$PBS_NODEFILE") + 1)) --oversubscribe \
    "$checkout/build/palimpsest" run "$sweep" -o "$results" &
run=$!
signalled=yes
while [ -n "$signalled" ]; do
    signalled=''
    wait "$run"
    status=$?
done

case $status in
0) say "the sweep is finished: $results" ;;
1) say "the sweep is finished, but stages failed: palimpsest status $results lists them" ;;
75) submit_again ;;
*) say "ended with exit status $status; see above" ;;
esac
exit "$status"
