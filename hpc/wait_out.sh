# For restart and in_job.sh, to be sourced.

set +o posix # in which bash tells an exit status once only

# Waits until the process $1 has ended, however many traps run meanwhile; its exit status in $status.
#
# A trap ends wait with 128 and the signal's number; at times a trap that ran just before does so too, or leaves the status
# of its own last command.  What is true of a process that is gone is told twice.
wait_out() {
    local again='' gone=''
    status=''
    until [ -n "$gone" ] && [ "$status" = "$again" ]; do
        again=${gone:+$status} status=0
        if ! kill -0 "$1" 2>/dev/null; then gone=yes; fi
        wait "$1" || status=$?
    done
    # bash forgets the status of what ends just as a signal comes, and says -1.  The same command again tells what it was.
    if [ "$status" -lt 0 ]; then status=75; fi
}
