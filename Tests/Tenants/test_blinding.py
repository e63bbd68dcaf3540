"""No object of a tenant stops a list or a watch of the others."""

import pytest

import attacks
from conftest import SETTINGS, repeated
from program import Program

ELECTION = ["--leader-elect", "--leader-elect-namespace", "secrets-bridge", "--leader-elect-lease-duration", "3s",
            "--leader-elect-renew-deadline", "2s", "--leader-elect-retry-period", "500ms"]  # fmt: skip


@pytest.mark.parametrize("attack", attacks.ALL, ids=lambda attack: attack.__name__)
def test_the_victim_is_served_during_and_after_the_attack(attack, tenant, victims):
    with repeated(attack, tenant):
        victims.check("during")
    victims.check("after")


def leave_everything(tenant):
    for attack in attacks.ALL:
        attack(tenant)


def test_a_restarted_controller_serves_the_victim(tenant, program, victims):
    leave_everything(tenant)
    program.stop()
    victims.write("db-0")
    program.start()
    print(f"   a change made meanwhile arrives {victims.arrival('db-0', 5) * 1000:.0f} ms after the controller is ready")
    victims.check("after the restart")
    victims.check_all()


def test_a_standby_that_takes_over_serves_the_victim(cluster, tenant, program, victims):
    program.stop()
    leader = Program(cluster, "leader", SETTINGS, *ELECTION).start()
    standby = Program(cluster, "standby", SETTINGS, *ELECTION)
    try:
        victims.check("a leader")
        standby.start()
        leave_everything(tenant)
        victims.check("a leader after the attacks")
        assert standby.get("/readyz")[0] == 200
        leader.kill()
        victims.change("db-0", limit=15)
        assert standby.metric("secretsbridge_leader") == 1
        victims.check("the standby")
        # A second controller finds everything that the attack left.
        leader.start()
        standby.stop()
        victims.change("db-1", limit=15)
        victims.check("the next standby")
    finally:
        leader.kill()
        standby.kill()
