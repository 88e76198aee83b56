"""What is said of a long job that was stopped."""

import signal
import subprocess
import sys

import pytest

from lost_and_found.signals import STOPPED

PROGRAM = """
import time
from lost_and_found.bars import progress_bar
from lost_and_found.signals import exit_when_stopped
exit_when_stopped()
for _ in progress_bar(range(1000), desc="working", unit=" steps"):
    print("begun", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_word_on_how_to_go_on_comes_after_the_progress_bar(number):
    command = [sys.executable, "-c", PROGRAM]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as running:
        running.stdout.readline()
        running.send_signal(number)
        said = running.stderr.read()
    assert "working" in said
    assert said.splitlines()[-1] == STOPPED
    assert running.returncode == 128 + number
