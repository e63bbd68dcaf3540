# Where downloads and builds are kept for this user. Sourced, after output.sh.

# Prints the cache folder, made if it is missing.
cache_dir() {
    local base=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
    [ -n "$base" ] || die "neither XDG_CACHE_HOME nor HOME is set: set XDG_CACHE_HOME to a folder for downloads and builds"
    mkdir -p "$base/secrets-bridge" || die "cannot make $base/secrets-bridge: set XDG_CACHE_HOME to a folder you may write to"
    (cd "$base/secrets-bridge" && pwd)
}

# Waits until no other run holds the cache, then holds it until this shell ends (file descriptor 9).
lock_cache() {
    exec 9>"$1/lock"
    flock -n 9 && return
    say "   waiting for another run that is filling $1"
    flock 9
}
