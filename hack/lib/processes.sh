# Starts and stops servers. Each has DIR/NAME.log and DIR/NAME.pid, which holds the pid and the start time, so that a
# reused pid is never mistaken for the server. Sourced, after common.sh.

# Prints the start time of a process in clock ticks since boot.
start_time() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f 20; }

# spawn DIR NAME COMMAND...: starts a server in a session of its own.
spawn() {
    local dir=$1 name=$2 pid
    shift 2
    setsid "$@" >>"$dir/$name.log" 2>&1 </dev/null 9>&- &
    pid=$!
    printf '%s %s\n' "$pid" "$(start_time "$pid")" >"$dir/$name.pid"
    disown "$pid"
}

# running DIR NAME: prints the server's pid if it runs.
running() {
    local pid started
    [ -f "$1/$2.pid" ] && read -r pid started <"$1/$2.pid" && [ -n "$started" ] \
        && [ "$(start_time "$pid")" = "$started" ] && [ "$(cut -d' ' -f 3 "/proc/$pid/stat" 2>/dev/null)" != Z ] \
        && printf '%s\n' "$pid"
}

# stop DIR NAME [SECONDS]: ends the server with SIGTERM, and with SIGKILL after SECONDS (5).
stop() {
    local pid tries=$((${3:-5} * 20))
    if pid=$(running "$1" "$2"); then
        kill "$pid" 2>/dev/null || true
        while running "$1" "$2" >/dev/null; do
            [ $((tries--)) -gt 0 ] || kill -KILL "$pid" 2>/dev/null || true
            sleep 0.05
        done
    fi
    rm -f "$1/$2.pid"
}

# free_ports COUNT: prints free ports of 127.0.0.1 below the kernel's ephemeral range, so that a server can restart on its
# port.
free_ports() {
    python3 - "$1" <<'PYTHON'
import random, socket, sys

held = []
while len(held) < int(sys.argv[1]):
    listener = socket.socket()
    try:
        listener.bind(("127.0.0.1", random.randrange(20000, 32000)))
        held.append(listener)
    except OSError:
        listener.close()
print(*[listener.getsockname()[1] for listener in held])
PYTHON
}
