# Messages for people, on stderr, so that stdout stays what a script prints as its answer.
# Sourced.

say() { printf '%s\n' "$*" >&2; }

# A heading.
step() { printf '\n== %s\n' "$*" >&2; }

# One line that says what is wrong and what to do; ends the script.
die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# One line that says what is wrong with the command line; ends the script with the exit code of wrong usage (sysexits(3)).
misuse() {
    printf 'error: %s\n' "$*" >&2
    exit 64
}

# run_logged LOG WHAT COMMAND...: runs the command with its output in LOG, says every 30 s that it is still at
# it, and how long it took. If it fails, shows the end of LOG and names it. Ends the command when interrupted.
run_logged() {
    local log=$1 what=$2 start=$SECONDS next=30 pid code=0
    shift 2
    say "   $what"
    "$@" >>"$log" 2>&1 </dev/null &
    pid=$!
    # shellcheck disable=SC2064 # the pid of now is meant
    trap "kill $pid 2>/dev/null; exit 130" INT TERM
    while kill -0 "$pid" 2>/dev/null; do
        sleep 0.5
        if [ $((SECONDS - start)) -ge "$next" ]; then
            say "   ... $((SECONDS - start)) s"
            next=$((next + 30))
        fi
    done
    wait "$pid" || code=$?
    trap - INT TERM
    if [ "$code" -ne 0 ]; then
        say "   failed after $((SECONDS - start)) s (exit code $code). The end of $log:"
        tail -n 20 "$log" | sed 's/^/   | /' >&2
        return "$code"
    fi
    say "   done in $((SECONDS - start)) s"
}
