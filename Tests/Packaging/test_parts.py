"""How hack/test runs its parts (hack/lib/parts.sh): one after the other, beside each other, and in the lane."""

import os
import pathlib
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def bash(script, folder):
    """Returns what the script printed; RESULTS precedes the recorded results."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f'. hack/lib/common.sh; . hack/lib/parts.sh; trap stop_parts EXIT\n{script}\n'
         'echo RESULTS "$failed" >&2; printf "%s\\n" "${results[@]}" >&2'],
        cwd=ROOT, env={**os.environ, "TMPDIR": str(folder)}, capture_output=True, text=True, timeout=60, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stderr


def results(text):
    failed, *lines = text.split("RESULTS ")[1].splitlines()
    return failed, [line.split()[:2] for line in lines]


def test_a_failed_part_does_not_stop_the_next_ones(tmp_path):
    text = bash('part a false; part b true; part c bash -c "exit 75"', tmp_path)
    assert results(text) == ("yes", [["a", "FAILED"], ["b", "passed"], ["c", "SKIPPED"]])


def test_parts_beside_each_other_run_at_the_same_time_and_are_printed_one_after_the_other(tmp_path):
    text = bash("""
        hear() { echo a1; until [ -e "$TMPDIR/said" ]; do sleep 0.05; done; echo a2; }
        say() { echo b1 >&2; touch "$TMPDIR/said"; sleep 0.3; echo b2 >&2; }
        start a hear; part b say; finish a""", tmp_path)
    assert results(text) == ("no", [["b", "passed"], ["a", "passed"]])
    assert text.index("b1") < text.index("b2") < text.index("a1\na2")


def test_a_failure_beside_others_is_recorded(tmp_path):
    text = bash("fails() { echo why; return 3; }\nstart a fails; part b true; finish a", tmp_path)
    assert results(text) == ("yes", [["b", "passed"], ["a", "FAILED"]])
    assert "why" in text


def test_the_lane_runs_its_parts_in_order_and_gives_way_from_then_on(tmp_path):
    text = bash("""
        lane one 'sleep 0.3; echo "one $(nice)"; touch "$TMPDIR/one"'
        give_way
        lane two 'test -e "$TMPDIR/one" && echo "in order $(nice)"; exit 3'
        give_way
        lane three 'echo "three $(nice)"'
        start_lane; part a true; await one; collect two; collect one; collect three""", tmp_path)
    assert results(text) == ("yes", [["a", "passed"], ["two", "FAILED"], ["one", "passed"], ["three", "passed"]])
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert f"\none {own}\n" in text and "\nin order 19\n" in text and "\nthree 19\n" in text


def test_a_part_that_the_lane_has_lost_has_failed(tmp_path):
    text = bash("lane one 'sleep 60'; start_lane; sleep 0.5; kill -KILL -- -$lane_pid; collect one", tmp_path)
    assert results(text) == ("yes", [["one", "FAILED"]])


@pytest.mark.parametrize("begin", ["start a waits", "lane a '. \"$TMPDIR/waits\"'; start_lane"])
def test_nothing_runs_on_after_the_end(begin, tmp_path):
    (tmp_path / "waits").write_text('echo $$ >"$TMPDIR/pid.new"; mv "$TMPDIR/pid.new" "$TMPDIR/pid"; sleep 60; true\n')
    bash(f'waits() {{ bash "$TMPDIR/waits"; }}\n{begin}\nuntil [ -e "$TMPDIR/pid" ]; do sleep 0.05; done', tmp_path)
    process = pathlib.Path("/proc", (tmp_path / "pid").read_text().strip(), "stat")
    deadline = time.monotonic() + 5
    while process.exists() and process.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline, "it runs on"
        time.sleep(0.05)
