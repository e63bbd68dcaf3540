# Runs the parts of hack/test and records their results. Sourced, after common.sh.
#
# part runs one in the foreground. start and finish run one beside others; lane and collect run several beside others, one after
# the other (hack/lib/lane). The output of a part is printed as a whole.

results=()
failed=no
declare -A started_at=() started_pid=()
PARTS=$(mktemp -d)
lane_pid=''

# processor_ticks: sets busy_ticks and all_ticks, of all processors since the machine started (proc_stat(5)).
processor_ticks() {
    local user nice system idle iowait irq softirq steal
    read -r _ user nice system idle iowait irq softirq steal _ </proc/stat
    busy_ticks=$((user + nice + system + irq + softirq))
    all_ticks=$((busy_ticks + idle + iowait + steal))
}

# record NAME CODE SECONDS [NOTE]: records a result; 75 (EX_TEMPFAIL of sysexits(3)) means skipped.
record() {
    local verdict=passed
    case $2 in 0) ;; 75) verdict=SKIPPED ;; *) verdict=FAILED failed=yes ;; esac
    results+=("$(printf '%-20s %-7s  %4s s%s' "$1" "$verdict" "$3" "${4:+, $4}")")
}

# part NAME COMMAND...: runs a part, and continues after a failure. Notes how busy the processors were, with all that ran beside
# it: a part that waits is where others can run.
part() {
    local name=$1 start=$SECONDS code=0 busy all
    shift
    step "$name"
    processor_ticks
    busy=$busy_ticks all=$all_ticks
    "$@" || code=$?
    processor_ticks
    record "$name" "$code" "$((SECONDS - start))" "processors $((100 * (busy_ticks - busy) / (all_ticks - all + 1))) % busy"
}

# start NAME COMMAND...: starts a part beside the next ones, until finish.
start() {
    local name=$1
    shift
    started_at[$name]=$SECONDS
    # A process group of its own, which stop_parts ends.
    set -m
    (
        set +m
        code=0
        "$@" || code=$?
        printf '%s %s\n' "$code" "$((SECONDS - ${started_at[$name]}))" >"$PARTS/$name.done"
    ) >"$PARTS/$name.log" 2>&1 </dev/null &
    started_pid[$name]=$!
    set +m
}

# finish NAME: waits for a part that start has started, and prints its output.
finish() {
    wait "${started_pid[$1]}" || true
    unset "started_pid[$1]"
    report "$1"
}

# report NAME: prints the output of a part that has ended, and records its result.
report() {
    local code=1 seconds=0
    step "$1 (beside others)"
    cat "$PARTS/$1.log" >&2 || true
    [ ! -f "$PARTS/$1.done" ] || read -r code seconds <"$PARTS/$1.done"
    record "$1" "$code" "$seconds"
}

# lane NAME COMMAND: adds a part, a command for bash, to the lane.
lane() { printf '%s\t%s\n' "$1" "$2" >>"$PARTS/jobs"; }

# give_way: what is added to the lane from here on has only the processor time that all others leave.
give_way() { printf -- '-\n' >>"$PARTS/jobs"; }

start_lane() {
    [ -s "$PARTS/jobs" ] || return 0
    setsid hack/lib/lane "$PARTS" &
    lane_pid=$!
}

# await NAME: waits for a part of the lane. Succeeds if it has succeeded.
await() {
    while [ ! -f "$PARTS/$1.done" ] && kill -0 "$lane_pid" 2>/dev/null; do sleep 0.2; done
    [ "$(cut -d ' ' -f 1 "$PARTS/$1.done" 2>/dev/null)" = 0 ]
}

# collect NAME: waits for a part of the lane, prints its output and records its result.
collect() {
    await "$1" || true
    report "$1"
}

# stop_parts: ends what still runs.
stop_parts() {
    local pid
    for pid in "${started_pid[@]}" $lane_pid; do kill -- "-$pid" 2>/dev/null || true; done
    rm -rf "$PARTS"
}
