"""Runs a program at a pseudo-terminal and answers its prompts:

    terminal.py QUESTION KEYS[,KEYS...] PROGRAM [ARGUMENT...]

Whenever QUESTION was shown, the next KEYS are typed. What was shown goes to standard output; the exit code is the
program's, or 1 where a signal ended it. A program that asks more often than there are answers sees the terminal go.
The terminal has as many columns as SB_TEST_COLUMNS says; without it, it does not tell.
"""

import fcntl
import os
import pty
import struct
import sys
import termios

question, answers, command = sys.argv[1].encode(), sys.argv[2].encode().split(b","), sys.argv[3:]
child, terminal = pty.fork()
if child == 0:
    size = struct.pack("4H", 24, int(os.environ.get("SB_TEST_COLUMNS", "0")), 0, 0)
    fcntl.ioctl(0, termios.TIOCSWINSZ, size)
    os.execvp(command[0], command)
unseen = b""
while True:
    try:
        shown = os.read(terminal, 4096)
    except OSError:  # Linux reports the end of the program by this error.
        break
    sys.stdout.buffer.write(shown)
    unseen += shown
    while question in unseen:
        unseen = unseen.split(question, 1)[1]
        if not answers:
            os.close(terminal)
            break
        os.write(terminal, answers.pop(0))
    else:
        continue
    break
status = os.waitpid(child, 0)[1]
sys.stdout.buffer.flush()
sys.exit(os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 1)
