# Functions that every script uses: messages on stderr (stdout is a script's result), the cache folder, commands of the
# docs. Sourced.

# The project's address and its license, as an SPDX id.
readonly SOURCE=https://github.com/secrets-bridge/secrets-bridge LICENSE=Apache-2.0

# Prints a message.
log() { printf '%s\n' "$*" >&2; }

# Prints a heading.
step() { printf '\n== %s\n' "$*" >&2; }

# Prints one line with the problem and its remedy, and exits with 1.
die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# Prints one line about wrong usage, and exits with 64 (EX_USAGE of sysexits(3)).
usage_error() {
    printf 'error: %s\n' "$*" >&2
    exit 64
}

# run_logged LOG TITLE COMMAND...: runs the command with its output in LOG and prints its progress every 30 s. On failure,
# prints the last lines of LOG. Ends the command when interrupted.
run_logged() {
    local log=$1 title=$2 start=$SECONDS next=30 pid code=0
    shift 2
    log "   $title"
    "$@" >>"$log" 2>&1 </dev/null &
    pid=$!
    # shellcheck disable=SC2064 # $pid expands now
    trap "kill $pid 2>/dev/null; exit 130" INT TERM
    while kill -0 "$pid" 2>/dev/null; do
        sleep 0.5
        if [ $((SECONDS - start)) -ge "$next" ]; then
            log "   ... $((SECONDS - start)) s"
            next=$((next + 30))
        fi
    done
    wait "$pid" || code=$?
    trap - INT TERM
    if [ "$code" -ne 0 ]; then
        log "   failed after $((SECONDS - start)) s (exit code $code). The end of $log:"
        tail -n 20 "$log" | sed 's/^/   | /' >&2
        return "$code"
    fi
    log "   done in $((SECONDS - start)) s"
}

# Prints the cache folder of this user, and creates it if it is missing.
cache_dir() {
    local base=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
    [ -n "$base" ] || die "neither XDG_CACHE_HOME nor HOME is set: set XDG_CACHE_HOME to a folder for downloads and builds"
    mkdir -p "$base/secrets-bridge" || die "cannot create $base/secrets-bridge: set XDG_CACHE_HOME to a folder you may write to"
    (cd "$base/secrets-bridge" && pwd)
}

# Locks the cache until this shell exits (file descriptor 9); waits for another run that holds the lock.
lock_cache() {
    exec 9>"$1/lock"
    flock -n 9 && return
    log "   waiting for another run that writes $1"
    flock 9
}

# commands_of PAGE SECTION...: prints the shell blocks below the headings "## SECTION. ..." and "### SECTION", so that
# scripts run what the page shows.
commands_of() {
    local page=$1
    shift
    awk -v sections=" $* " '
        /^##+ / { word = $2; sub(/\.$/, "", word); wanted = index(sections, " " word " ") }
        /^```/ { inside = !inside && wanted && $0 == "```sh"; next }
        inside
    ' "$page"
}
