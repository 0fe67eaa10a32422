# For job scripts in bash, to be sourced: runs restart to its end, and passes signals on to it.
#
#     source "$checkout/hpc/in_job.sh"
#     trap 'pass_on USR1' USR1
#     trap 'pass_on TERM' TERM
#     run_to_end "$checkout/hpc/restart" mpirun ... palimpsest run ...; its exit status in $status
#
# bash heeds signals between commands only: the run goes into the background, and is waited for.  A signal that comes
# before the run heeds it would end it, and is held back until then.

run='' signalled='' status='' held_until=0
early=${early:-} # the last signal that came before there was a run

# Whether the process of the run catches signal $1 (or is gone).  As long as it is still a copy of this script, what it
# catches is the script's.  SigCgt has a bit for each signal, the lowest for signal 1.
heeds() {
    local caught
    if ! kill -0 "$run"; then return 0; fi
    if cmp -s "/proc/$$/cmdline" "/proc/$run/cmdline"; then return 1; fi
    caught=$(sed -n 's/^SigCgt:[[:space:]]*//p' "/proc/$run/status")
    [ $((0x0$caught >> ($(kill -l "$1") - 1) & 1)) = 1 ]
} 2>/dev/null

pass_on() { # pass_on SIGNAL
    signalled=yes
    if [ -z "$run" ]; then early=$1 && return; fi
    while [ "$SECONDS" -lt "$held_until" ] && ! heeds "$1"; do sleep 0.1; done
    kill -"$1" "$run" 2>/dev/null || :
}

run_to_end() {
    held_until=$((SECONDS + 30)) # what catches no signals gets them then at the latest
    "$@" &
    run=$!
    if [ -n "$early" ]; then pass_on "$early"; fi
    signalled=yes
    while [ -n "$signalled" ]; do # a trap ends wait, not the run
        signalled='' status=0
        wait "$run" || status=$?
    done
    # bash forgets the status of what ends just as a signal comes, and says -1.  75: the next run tells again what it was.
    if [ "$status" -lt 0 ]; then status=75; fi
}
