"""CPU time of the controller and the servers while all objects are in sync and nothing changes"""

import time

from environment import log

SECONDS = 60


def run(env):
    env.in_sync(env.options.objects)
    with env.phase() as servers:
        time.sleep(SECONDS)
    controller = env.start()
    controller.until_ready()
    controller.until_idle(env.count)
    time.sleep(5)
    with env.phase(controller) as phase:
        time.sleep(SECONDS)
    controller.stop()
    percent = {name: round(spent * 100 / phase.elapsed, 3) for name, spent in phase.cpu.items()}
    without = {name: round(spent * 100 / servers.elapsed, 3) for name, spent in servers.cpu.items()}
    log(f"idle over {env.count} objects, percent of a core: {percent}; servers without a controller: {without}")
    return {"objects": env.count, "seconds": SECONDS, "percent_of_a_core": percent, "without_controller": without}
