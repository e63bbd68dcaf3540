"""Runs a program against a Vault that does not respond, and sends it a signal while it waits:

    interrupt.py SIGNAL PROGRAM [ARGUMENT...]

SB_KMS_VAULT_ADDR is set to that Vault. The exit code is the program's, or 128 and the signal that ended it.
"""

import os
import signal
import socket
import subprocess
import sys

number, command = int(sys.argv[1]), sys.argv[2:]
server = socket.create_server(("127.0.0.1", 0))
server.settimeout(60)
environment = {**os.environ, "SB_KMS_VAULT_ADDR": f"http://127.0.0.1:{server.getsockname()[1]}"}
# The program always ends with the script.
with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL) as program:
    try:
        connection, _ = server.accept()
        connection.recv(1)
        program.send_signal(signal.Signals(number))
        code = program.wait(30)
    finally:
        program.kill()
sys.exit(code if code >= 0 else 128 - code)
