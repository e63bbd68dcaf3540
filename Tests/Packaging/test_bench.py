"""The scenarios, tables and plots of hack/bench, and the counts of hack/guard, without a measurement."""

import sys
import xml.etree.ElementTree

import pytest

from conftest import ROOT

sys.path[1:1] = [str(ROOT / "hack/lib/bench"), str(ROOT / "hack/lib")]

import catalog  # noqa: E402
import figures  # noqa: E402
import guard  # noqa: E402
import report  # noqa: E402
import svg  # noqa: E402

CPU = {"controller": 0.4, "apiserver": 1.2, "etcd": 0.3, "openbao": 0.1}
MEMORY = {"anonymous_mib": 21.5, "resident_mib": 60.0}
DELAYS = {"samples": 3, "p50_ms": 9, "p95_ms": 11, "p99_ms": 11, "max_ms": 11, "sorted_ms": [8, 9, 11]}
ROUND = {"ready_s": 0.5, "curl_both_lists_s": 0.4, "all_reconciled_s": 0.9, "cpu_s": 0.6, "kms_calls": 0, "writes": 0}
RESULTS = {
    "startup": {"first_request_ms": 20, "ready_ms": 50, "cpu_ms": 30, "binary_mib": 20},
    "sync": {"local": {"1000": {"rate": 500, "cpu_ms": CPU, "vault_requests_per_50": 1,
                                "reference": {"rate": 600, "cpu_ms": {"generator": 0.1, **CPU}}}}},
    "restart": {"1000": ROUND},
    "memory": {"empty": MEMORY},
    "latency": {"idle": {**DELAYS, "plain_p50_ms": 5}, "backlog": {**DELAYS, "objects": 5000}},
    "idle": {"objects": 1000, "percent_of_a_core": CPU, "without_controller": {"etcd": 0.2}},
    "streamed-lists": {"skipped": "the API server has no streamed lists"},
    "large": {"objects": 128, "bytes": 2**20, "limit_mib": 128, "limit": "CgroupV2", "fresh": {"seconds": 9, "peak_anonymous_mib": 70},
              "restart": {"seconds": 2, "peak_anonymous_mib": 40}},
    "namespaces": {"namespaces": 10, "objects": 50, "fresh": {"rate": 9, "cpu_ms": CPU, "unwrap_requests": 1, **MEMORY}, "restart": ROUND},
    "providers": {"providers": 10, **dict.fromkeys(("fresh", "restart"), {"seconds": 1, "logins": 10, "unwraps": 10, "cpu_ms": CPU, **MEMORY})},
}  # fmt: skip


def test_each_scenario_has_a_file_a_description_a_table_and_a_line_in_the_page():
    files = {file.stem.replace("_", "-") for file in catalog.FOLDER.glob("[a-z]*.py")}
    page = (ROOT / "docs/benchmarks.md").read_text()
    assert files == set(catalog.ORDER) == set(figures.TABLES) == set(RESULTS)
    for name in catalog.ORDER:
        assert catalog.description(name)
        assert f"| `{name}` |" in page


def test_results_become_tables_and_plots():
    scenarios = {name: {"machine": {"cores": 2}, "objects": 1000, "result": result} for name, result in RESULTS.items()}
    text, plots = report.sections(scenarios)
    assert "| cores | 2 |" in text
    assert "Not measured: the API server has no streamed lists." in text
    assert set(plots) == {"sync-cpu.svg", "restart.svg", "memory.svg", "latency.svg"}
    for file, plot in plots.items():
        assert xml.etree.ElementTree.fromstring(plot).tag.endswith("svg")
        assert f"(benchmarks/{file})" in text


def test_page_has_the_place_for_the_results():
    page = report.PAGE.read_text()
    assert page.count(report.BEGIN) == 1
    assert page.index(report.BEGIN) < page.index(report.END)


def test_plots_escape_what_they_show():
    assert "&lt;b&gt;" in svg.bars("<b>", "ms", {"a & b": {"x": 0}})


def test_profile_counts_instructions_and_calls_of_allocators():
    lines = ["fn=(1) main", "cfn=(2) malloc", "calls=3 0", "cfn=(3) free", "calls=9 0", "fn=(4) other", "cfn=(2)", "calls=2 0", "cfn=(5) malloc'2",
             "calls=1 0", "totals: 1234"]  # fmt: skip
    assert guard.profile(lines) == {"instructions": 1234, "allocations": 6}


@pytest.mark.parametrize("count,is_above", [(100, False), (102, False), (103, True)])
def test_a_count_may_be_two_percent_above_its_bound(count, is_above):
    assert guard.exceeded({"a": count, "new": 5}, {"a": {"bound": 100}}) == (["a"] if is_above else [])
