"""Wrong usage of a hack script prints one line and exits with 64, without an effect."""

import sys

import pytest

from conftest import ROOT, run


@pytest.mark.parametrize("command,says", [
    (["hack/aws", "--dir"], "--dir needs a value"),
    (["hack/azure", "--dir"], "--dir needs a value"),
    (["hack/bench", "--objects", "x"], "--objects needs a number"),
    (["hack/bench", "everything"], "everything: no such scenario; one of startup, sync"),
    (["hack/bench-rewrap", "--files", "x"], "--files x: 1 to 999999 are expected"),
    (["hack/chaos", "--minutes", "x"], "--minutes is x; a number is expected"),
    (["hack/cli", "--prefix"], "--prefix needs a value"),
    (["hack/cli", "--binary", "x"], "--binary requires --prefix"),
    (["hack/cluster", "--dir"], "--dir needs a value"),
    (["hack/developer-policy"], "usage: hack/developer-policy NAMESPACE"),
    (["hack/developer-policy", "Payments"], "Payments is not a valid namespace name"),
    (["hack/fuzz", "all", "--seconds", "0"], "--seconds 0: 1 to 999999 are expected"),
    (["hack/fuzz", "all", "--shard", "3/2"], "--shard 3/2: I/N is expected"),
    (["hack/fuzz", "--nope"], "--nope: no such option"),
    (["hack/gcp", "--dir"], "--dir needs a value"),
    (["hack/guard", "--nope"], "usage: hack/guard [--record]"),
    (["hack/image", "--binary", "x"], "--binary requires --root"),
    (["hack/openbao", "--dir"], "--dir needs a value"),
    (["hack/release"], "usage: hack/release VERSION DIR"),
    (["hack/rotation-drill", "--objects", "x"], "--objects x: 1 to 99999 are expected"),
    (["hack/soak", "--minutes", "x"], "--minutes is x; a number is expected"),
    (["hack/test", "everything"], "usage: hack/test"),
    (["hack/tools", "--nope"], "usage: hack/tools"),
    ([sys.executable, "hack/vectors", "--nope"], "unrecognized arguments: --nope"),
])
def test_wrong_usage(command, says):
    result = run(*command, check=False, cwd=ROOT)
    assert result.returncode == 64, result.stderr
    assert result.stderr.startswith(f"error: {says}"), result.stderr
    assert result.stdout == ""
