# For job scripts in bash, to be sourced: runs restart to its end, and passes signals on to it.
#
#     source "$checkout/hpc/in_job.sh"
#     trap 'pass_on USR1' USR1
#     trap 'pass_on TERM' TERM INT
#     run_to_end "$checkout/hpc/restart" mpirun ... palimpsest run ...; its exit status in $status
#
# bash heeds signals between commands only: the run goes into the background (where INT does not reach it), and is waited
# for.  A signal that comes before the run heeds it would end it, and is held back until then.  Before restart may stand
# what becomes it, like env and nice; not timeout, which ends at the signal and leaves the run behind.

source "$(dirname -- "${BASH_SOURCE[0]}")/wait_out.sh" || return

run='' status='' held_until=0 passing=''
pending=${pending:-} # signals to be passed on, a blank behind each

# Whether the process of the run catches signal $1 (or is gone).  As long as it is still a copy of this script, what it
# catches is the script's.  SigCgt has a bit for each signal, the lowest for signal 1.
heeds() {
    local caught
    if ! kill -0 "$run"; then return 0; fi
    if cmp -s "/proc/$$/cmdline" "/proc/$run/cmdline"; then return 1; fi
    caught=$(sed -n 's/^SigCgt:[[:space:]]*//p' "/proc/$run/status")
    [ $((0x0$caught >> ($(kill -l "$1") - 1) & 1)) = 1 ]
} 2>/dev/null

# One at a time: traps interrupt traps, and what is pending then is left to the first of them.
pass_pending() {
    local signal flags=$-
    while [ -n "$run" ] && [ -n "$pending" ] && [ -z "$passing" ]; do
        passing=yes
        set +e # when a trap interrupts a condition, bash may take its outcome for a failure
        signal=${pending%% *} pending=${pending#* }
        while [ "$SECONDS" -lt "$held_until" ]; do
            if heeds "$signal"; then held_until=0; else sleep 0.1; fi
        done
        kill -"$signal" "$run" 2>/dev/null || :
        if [ -n "$pending" ]; then sleep 0.3; fi # two of a kind at the same moment are one
        if [[ $flags = *e* ]]; then set -e; fi
        passing=''
    done
}

pass_on() { # pass_on SIGNAL
    pending+="$1 "
    pass_pending
}

run_to_end() {
    held_until=$((SECONDS + 30)) # what catches no signals gets them then at the latest
    "$@" &
    run=$!
    pass_pending
    wait_out "$run"
}
