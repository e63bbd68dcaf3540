"""The measurements of hack/bench, which starts the servers. Each scenario is a file in scenarios/ with a function `run`,
whose result goes into one JSON file."""

import argparse
import importlib
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
HERE = pathlib.Path(__file__).resolve().parent
sys.path[1:1] = [str(HERE), str(ROOT / "hack"), str(ROOT / "hack/lib"), str(ROOT / "Tests/Tenants")]

import catalog  # noqa: E402
import machine  # noqa: E402
from environment import Environment  # noqa: E402


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("scenarios", nargs="+", choices=catalog.ORDER)
    parser.add_argument("--objects", type=int, required=True)
    for name in ("binary", "cluster", "openbao", "folder", "results"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    options = parser.parse_args()
    env = Environment(options)
    described = machine.describe(env.pids(), options.binary)
    # Results of earlier runs stay, so that scenarios can be measured one at a time.
    results = json.loads(options.results.read_text()) if options.results.exists() else {"scenarios": {}}
    for name in [name for name in catalog.ORDER if name in options.scenarios]:
        print(f"\n{name}: {catalog.description(name)}", file=sys.stderr, flush=True)
        scenario = importlib.import_module(f"scenarios.{name.replace('-', '_')}")
        results["scenarios"][name] = {"machine": described, "objects": options.objects, "result": scenario.run(env)}
        options.results.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
