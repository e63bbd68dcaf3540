"""Runs scripts in forks of a process that has imported their modules once, which takes up to a second.

    forks.py PREPARATION    runs PREPARATION, code whose names all scripts see, then a script for each line of standard input:
                            {"script": CODE, "environment": {NAME: VALUE}}. Writes {"status": N, "output": TEXT} for each.
"""

import json
import os
import sys
import traceback


def execute(request, names, output):
    """Runs a script, which has no other environment variables, and ends this process."""
    status = 1
    try:
        os.dup2(output, 1)
        os.environ.clear()
        os.environ.update(request["environment"])
        exec(request["script"], names)
        sys.stdout.flush()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def run(request, names):
    reader, writer = os.pipe()
    process = os.fork()
    if process == 0:
        execute(request, names, writer)
    os.close(writer)
    with open(reader) as file:
        output = file.read()
    return {"status": os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), "output": output}


def main(preparation):
    names = {"__name__": "__main__"}
    exec(preparation, names)
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line), names)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
