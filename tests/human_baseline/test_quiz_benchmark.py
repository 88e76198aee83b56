"""What can be seen of the benchmark of the quiz without measuring time."""

import subprocess
import sys

from lost_and_found.workspace import REPOSITORY


def test_the_benchmark_says_what_the_quiz_lacks_and_makes_no_pictures_of_its_own(tmp_path):
    for name in ("1-data-collection", "data-lists"):
        (tmp_path / name).mkdir()
    command = [sys.executable, REPOSITORY / "benchmarks" / "quiz.py", "--root", tmp_path]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert ended.returncode == 1
    assert "practice.test.txt is missing" in ended.stderr
    assert ended.stderr.splitlines()[-1] == "the quiz didn't start, for the reason above"
    assert not list((tmp_path / "1-data-collection").iterdir())
