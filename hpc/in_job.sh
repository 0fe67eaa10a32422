# For job scripts in bash, to be sourced: runs restart to its end, and passes signals on to it.
#
#     source "$checkout/hpc/in_job.sh"
#     trap pass_on USR1 TERM
#     run_to_end "$checkout/hpc/restart" mpirun ... palimpsest run ...; # its exit status in $status
#
# bash heeds signals between commands only: the run goes into the background, and is waited for.

run='' signalled='' status=''

# Whether the process $1 is restart already, and USR1 does not end it any more.  SigCgt has a bit for each signal that is
# caught, the lowest for signal 1; before restart is there, they are those of this script's copy.
heeds() {
    local words caught
    words=$(tr '\0' '\n' <"/proc/$1/cmdline" | head -n 2)
    if [[ $words != */restart ]]; then return 1; fi
    caught=$(sed -n 's/^SigCgt:[[:space:]]*//p' "/proc/$1/status")
    [ $((0x0$caught >> ($(kill -l USR1) - 1) & 1)) = 1 ]
}

# A trap: passes USR1 on to the run once it heeds it, after five seconds in any case.
pass_on() {
    local tries=50
    signalled=yes
    while [ -n "$run" ] && [ "$tries" -gt 0 ] && kill -0 "$run" && ! heeds "$run"; do
        tries=$((tries - 1))
        sleep 0.1
    done 2>/dev/null
    if [ -n "$run" ]; then kill -USR1 "$run" 2>/dev/null; fi
}

run_to_end() {
    signalled=''
    "$@" &
    run=$!
    if [ -n "$signalled" ]; then pass_on; fi # it came in these three lines
    signalled=yes
    while [ -n "$signalled" ]; do # a trap ends wait, not the run
        signalled=''
        wait "$run"
        status=$?
    done
}
