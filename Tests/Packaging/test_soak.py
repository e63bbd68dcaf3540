"""The judgement, the comparison and the plot of hack/soak, without a run."""

import base64
import json
import random
import sys
import types
import xml.etree.ElementTree

import pytest

from conftest import ROOT

sys.path[1:1] = [str(ROOT / "hack/lib/soak"), str(ROOT / "hack/lib/bench"), str(ROOT / "hack/lib/chaos"), str(ROOT / "hack/lib"), str(ROOT / "Tests/Clients")]

import comparison  # noqa: E402
import injection  # noqa: E402
import judgement  # noqa: E402
import merging  # noqa: E402
import plots  # noqa: E402
import results  # noqa: E402
import sampling  # noqa: E402
import workload  # noqa: E402


def process(minutes, memory, replica=1, **fields):
    """Returns samples of one process: `memory` is a function of its seconds."""
    return [
        {"time": age + 100, "age": age, "replica": replica, "process": 1, "memory": memory(age), "descriptors": 20, "threads": 9, **fields}
        for age in range(0, minutes * 60, 5)
    ]


def problems(samples, since=0):
    return list(judgement.growth_problems("it", judgement.growths(samples, since)))


# Writes while nothing changes


def written(number, proved="7", verified="12:00", reason="Synced"):
    """Returns the version of a WrappedSecret, as comparison.versions does."""
    status = {"secret": {"name": "db", "resourceVersion": proved}, "lastVerifiedTime": verified, "conditions": [{"reason": reason}]}
    return {("/objects", "u1"): comparison.Version({"metadata": {"uid": "u1", "resourceVersion": number}, "status": status})}


def test_a_late_record_of_a_proof_is_no_needless_write():
    assert comparison.needless_writes(written("1"), written("1")) == []
    assert comparison.needless_writes(written("1"), written("2", proved="8", verified="12:01")) == []


@pytest.mark.parametrize("later", [written("2"), written("2", verified="12:01"), written("2", proved="8", reason="Failed"), {("/objects", "u2"): written("2")["/objects", "u1"]}])
def test_all_other_writes_are_needless(later):
    assert comparison.needless_writes(written("1"), later) == ["/objects: 1 objects are written although nothing changes"]


# Growth


def test_a_line_has_its_slope_and_its_mean():
    found = judgement.growth([(seconds, 10 + 3 * seconds / 3600) for seconds in range(0, 3600, 5)])
    assert found.hourly == pytest.approx(3, abs=0.01)
    assert found.mean == pytest.approx(11.5, abs=0.05)
    assert found.error < 0.01


@pytest.mark.parametrize("hourly,is_found", [(0, False), (1.9, False), (4, True), (30, True), (-10, False)])
def test_a_steady_growth_above_the_bound_is_found_despite_noise(hourly, is_found):
    noise = random.Random(7)
    found = problems(process(40, lambda age: 20 + hourly * age / 3600 + noise.gauss(0, 0.5)))
    assert bool(found) == is_found, found


def test_five_percent_of_a_large_process_count_as_none():
    assert problems(process(45, lambda age: 100 + 4 * age / 3600)) == []
    assert problems(process(45, lambda age: 100 + 6 * age / 3600)) != []


def test_the_warm_up_and_single_peaks_are_no_growth():
    assert problems(process(40, lambda age: min(20, 5 + age / 50))) == []
    assert problems(process(40, lambda age: 60 if age == 1400 else 20)) == []


def test_samples_before_all_objects_exist_do_not_count():
    samples = process(60, lambda age: min(58, age / 50))
    assert problems(samples) != []
    assert problems(samples, since=3000) == []


def test_one_step_is_no_growth_and_a_staircase_is():
    noise = random.Random(3)
    for step in (1200, 1800, 2600):
        assert problems(process(50, lambda age: 30 + 4 * (age > step) + noise.gauss(0, 0.1))) == []
    for minutes in (5, 10):
        assert problems(process(50, lambda age: 30 + 2 * (age // (60 * minutes)) + noise.gauss(0, 0.1))) != []


def test_more_threads_have_names():
    samples = process(40, lambda age: 20)
    for sample in samples:
        sample["threads"] = 9 + sample["age"] // 300
        sample["thread_names"] = {"http-unary": 2 + sample["age"] // 300, "sb-status": 1}
    names = judgement.more_threads(samples)
    assert names == "4 more http-unary" and judgement.more_threads(process(40, lambda age: 20)) == ""
    (found,) = judgement.growth_problems("it", judgement.growths(samples), names)
    assert found.startswith("it: threads grows by ") and found.endswith(": 4 more http-unary")


def test_a_process_that_is_too_short_is_not_judged():
    assert judgement.growths(process(24, lambda age: age)) == {"memory": None, "descriptors": None, "threads": None}


def test_each_field_has_a_bound_of_its_own():
    samples = [{**sample, "threads": 9 + sample["age"] // 600, "descriptors": 20 + sample["age"] // 300} for sample in process(45, lambda _: 20)]
    assert [text.split(" by ")[0] for text in problems(samples)] == ["it: descriptors grows", "it: threads grows"]


# Quiet time, ends and logs


def test_more_descriptors_or_threads_at_the_end_of_the_quiet_time_are_found():
    before, more = [{"descriptors": 20, "threads": 9}] * 5, [{"descriptors": 21, "threads": 10}] * 5
    assert list(judgement.quiet_problems("it", before, before)) == []
    assert list(judgement.quiet_problems("it", more, before)) == []
    assert len(list(judgement.quiet_problems("it", before, more))) == 2


def test_a_replica_without_samples_in_the_quiet_time_is_found():
    replica = types.SimpleNamespace(lives=[types.SimpleNamespace(replica=1, number=1, name="it")])
    assert judgement.findings_of_quiet_time([replica], process(5, lambda _: 20), [110, 300]) == []
    assert judgement.findings_of_quiet_time([replica], process(5, lambda _: 20), [1000, 1300]) == ["it: has no samples in the quiet time"]


@pytest.mark.parametrize("minutes,longest,count", [(27, 1600, 0), (20, 1600, 1), (2, 80, 0)])
def test_a_run_in_which_no_process_was_judged_proves_nothing(minutes, longest, count):
    replica = types.SimpleNamespace(number=1, lives=[types.SimpleNamespace(replica=1, number=1)])
    assert len(judgement.findings_of_coverage([replica], process(minutes, lambda _: 20), 0, longest)) == count


@pytest.mark.parametrize("end,code,is_found", [
    ("killed", -9, False), ("terminated", 0, False), ("lost the lease", 1, False), ("at the end of the run", 0, False),
    ("terminated", 1, True), ("killed", -11, True), ("lost the lease", -4, True), ("exited with -4", -4, True), ("exited with 0", 0, True),
    ("terminated, and did not end within 40 s", -9, True),
])  # fmt: skip
def test_ends_that_no_fault_explains_are_found(end, code, is_found):
    assert bool(list(judgement.end_problems("it", end, code))) == is_found


def line(level, message):
    return json.dumps({"level": level, "msg": message})


def test_a_log_may_have_warnings_and_the_error_of_a_lost_lease():
    lines = [line("info", "leading"), line("warning", "not synced"), line("error", "no longer leading: work in flight is cancelled")]
    assert list(judgement.log_problems("it", lines, "terminated")) == []


def test_only_a_process_that_lost_its_lease_may_print_that_error():
    lines = ["error: leader election: lost lease x/y: it could not be renewed in time"]
    assert list(judgement.log_problems("it", lines, "lost the lease")) == []
    assert list(judgement.log_problems("it", lines, "exited with 1")) != []


@pytest.mark.parametrize("unexpected", [line("critical", "work in flight does not end"), line("error", "x"), "Fatal error: Index out of range", "[]"])
def test_other_errors_and_lines_of_a_crash_are_found_once(unexpected):
    assert len(list(judgement.log_problems("it", [unexpected] * 3, "exited with -4"))) == 1


def test_only_the_last_line_of_a_killed_process_may_be_cut():
    assert list(judgement.log_problems("it", [line("info", "x"), '{"lev'], "killed")) == []
    assert list(judgement.log_problems("it", ['{"lev', line("info", "x")], "killed")) != []


# Comparison


def secret(**entries):
    return {"metadata": {}, "data": {name: base64.b64encode(value.encode()).decode() for name, value in entries.items()}}


@pytest.mark.parametrize("found,says", [
    (secret(theirs="1", a="2"), []),
    (secret(theirs="1", a="2", gone="3"), []),
    (None, ["the merge target is missing"]),
    (secret(a="2"), ["entry theirs of the merge target is missing"]),
    (secret(theirs="1", a="old"), ["entry a of the merge target has another value"]),
    (secret(theirs="1", a="2", x="3"), ["entry x of the merge target is left over"]),
    ({**secret(theirs="1", a="2"), "metadata": {"ownerReferences": [{}]}}, ["the merge target has an owner"]),
])  # fmt: skip
def test_a_merge_target_has_the_entries_of_all_and_no_other(found, says):
    assert list(merging.compare_target(found, {"theirs": "1", "a": "2"}, {"gone"})) == says


def test_an_entry_is_edited_while_the_user_manages_it():
    fields = [{"manager": manager, "fieldsV1": {"f:data": {f"f:{entry}": {}}}} for manager, entry in (("secrets-bridge-x", "a"), ("user", "b"))]
    found = {"metadata": {"managedFields": [*fields, {"manager": "chart", "fieldsV1": {"f:metadata": {}}}]}}
    assert [merging.is_edited(found, entry) for entry in "abc"] == [False, True, False]


def restarting(mac, status):
    conditions = [{"type": "RolloutRestarted", "status": status, "reason": "R", "message": "m"}] if status else []
    return {"spec": {"mac": "new"}, "status": {"rolloutRestart": {"mac": mac}, "conditions": conditions}}


@pytest.mark.parametrize("item,annotation,is_found", [
    (restarting("new", None), None, False), (restarting("new", "True"), "new", False), (restarting("new", "True"), "new hash", False),
    (restarting("old", None), None, True), (restarting("new", "False"), "new", True), (restarting("new", "True"), "old", True),
    (restarting("new", "True"), None, True),
])  # fmt: skip
def test_a_restart_that_is_missing_is_found(item, annotation, is_found):
    annotations = {"secrets-bridge.io/restarted-x": annotation} if annotation else {}
    deployment = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
    assert bool(list(workload.compare_restart(item, deployment))) == is_found


# Samples, stages and the plot


def test_metrics_are_summed_by_their_labels():
    page = "\n".join([
        "# TYPE secretsbridge_reconcile_total counter",
        'secretsbridge_reconcile_total{result="success",reason=""} 5',
        'secretsbridge_reconcile_total{result="failure",reason="KMSUnavailable"} 2',
        'secretsbridge_reconcile_total{result="failure",reason="Forbidden"} 1',
        "# TYPE secretsbridge_workqueue_depth gauge", "secretsbridge_workqueue_depth 4", "",
    ])  # fmt: skip
    found = sampling.metrics_sample(page)
    assert (found["syncs"], found["failures"], found["queued"], found["leads"]) == (5, 3, 4, 0)
    assert sampling.metrics_sample(None) == {}


def test_each_replica_lives_twenty_minutes_of_an_hour_untouched():
    assert sum(stage.share for stage in injection.STAGES) == pytest.approx(1)
    for replica in (1, 2):
        assert any(60 * stage.share >= 20 for stage in injection.STAGES if replica not in stage.restarted)


def test_slow_restarts_of_the_api_server_happen_only_while_no_replica_has_to_live_on():
    injector = injection.Injector(None, [types.SimpleNamespace(number=number) for number in (1, 2)], {}, None, random.Random(1), 1)
    assert [injector.would_end_leader(stage) for stage in injection.STAGES] == [False, False, False]
    injector.slowest = injection.LONGEST_RESTART + 1
    assert [injector.would_end_leader(stage) for stage in injection.STAGES] == [False, True, True]


def test_the_plot_has_a_curve_for_each_process_and_a_mark_for_each_fault():
    samples = process(30, lambda age: 20, leads=1, queued=0) + process(30, lambda age: 15, replica=2, leads=0, queued=0)
    marks = [injection.Mark(60, injection.REPLICA, "replica 2 killed"), injection.Mark(90, injection.NETWORK, "<slow>")]
    plot = plots.plot("title", samples, marks, (1500, 1700))
    root = xml.etree.ElementTree.fromstring(plot)
    assert len([one for one in root.iter() if one.tag.endswith("polyline")]) == 2 * len(plots.PANELS)
    assert "replica 2 killed" in plot and "&lt;slow&gt;" in plot


@pytest.mark.parametrize("value,above", [(1, 1), (11, 15), (5.5, 6), (16.5, 20), (0.4, 0.4), (970, 1000)])
def test_axes_end_at_numbers_that_read_well(value, above):
    assert plots.rounded(value) == pytest.approx(above)


def test_page_has_the_place_for_the_results():
    page = results.PAGE.read_text()
    assert page.count(results.BEGIN) == 1
    assert page.index(results.BEGIN) < page.index(results.END)
