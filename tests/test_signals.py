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
    try:
        print("begun", flush=True)
        time.sleep(60)
    finally:
        print("ending", flush=True)
        time.sleep(0.2)  # a second signal comes
        print("saved")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_word_on_how_to_go_on_comes_after_the_progress_bar_and_the_end(number):
    command = [sys.executable, "-c", PROGRAM]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as running:
        running.stdout.readline()
        running.send_signal(number)
        assert running.stdout.readline() == "ending\n"
        running.send_signal(number)
        assert running.stdout.read() == "saved\n"
        said = running.stderr.read()
    assert "working" in said
    assert said.splitlines()[-1] == STOPPED
    assert running.returncode == 128 + number


def test_a_signal_that_is_ignored_stays_so():
    program = (
        "import signal\n"
        "from lost_and_found.signals import exit_when_stopped\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)  # as for a job in the background\n"
        "exit_when_stopped()\n"
        "signal.raise_signal(signal.SIGINT)\n"
        "signal.raise_signal(signal.SIGTERM)"
    )
    assert subprocess.run([sys.executable, "-c", program], stderr=subprocess.PIPE).returncode == 143
