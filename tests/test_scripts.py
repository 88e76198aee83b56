"""Setting up the environment, and a browser where there is none, one, or only a package manager."""

import os
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from lost_and_found.signals import STOPPED
from lost_and_found.workspace import REPOSITORY

SCRIPT = REPOSITORY / "scripts" / "setup-browser"
TOOLS = ("bash", "dirname", "env", "grep", "id", "realpath", "timeout", "cat", "chmod", "sleep")
BROWSER = "#!/bin/sh\necho Chromium 100.0\n"
RUNNERS = ("collect", "guess", "practice-game", "quiz", "run-stages", "sync-runs", "train", "tune")
BROKEN_BROWSER = "#!/bin/sh\necho error while loading shared libraries: libnss3.so >&2\nexit 127\n"


# Notes which environment it was told to fill, and makes one.
POETRY = """#!/bin/sh
case $1 in
    --version) exit ;;
    sync) mkdir -p .venv/bin && ln -s /bin/true .venv/bin/python ;;
esac
echo "$1 ${VIRTUAL_ENV-}${CONDA_PREFIX-} $POETRY_VIRTUALENVS_CREATE $POETRY_VIRTUALENVS_IN_PROJECT" >>asked
"""


def write_program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


class Machine:
    """The available commands, and a download server that refuses and remembers what was asked for."""

    def __init__(self, folder: Path, downloads: HTTPServer) -> None:
        self.commands = folder / "bin"
        self.commands.mkdir()
        for name in TOOLS:
            (self.commands / name).symlink_to(shutil.which(name))
        self.asked = downloads.asked
        self.environment = {
            "PATH": str(self.commands),
            "HOME": str(folder),
            "PLAYWRIGHT_BROWSERS_PATH": str(folder / "browsers"),
            "PLAYWRIGHT_DOWNLOAD_HOST": f"http://127.0.0.1:{downloads.server_port}",
            "PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD": "1",
        }

    def has(self, command, text):
        return write_program(self.commands / command, text)

    def set_up_browser(self, **more):
        environment = self.environment | more
        return subprocess.run([SCRIPT], env=environment, capture_output=True, text=True, timeout=120)


@pytest.fixture
def machine(tmp_path):
    class Refusal(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(self.path)
            self.send_error(404)

        def log_message(self, *arguments):
            pass

    with HTTPServer(("127.0.0.1", 0), Refusal) as downloads:
        downloads.asked = []
        thread = threading.Thread(target=downloads.serve_forever)
        thread.start()
        yield Machine(tmp_path, downloads)
        downloads.shutdown()
        thread.join()


def test_a_browser_that_is_named_is_used_and_none_is_looked_for(machine, tmp_path):
    own = write_program(tmp_path / "own browser", BROWSER)
    done = machine.set_up_browser(LOST_AND_FOUND_CHROMIUM=str(own))
    assert (done.returncode, done.stderr) == (0, f"Browser for collecting: {own}\n")
    assert machine.asked == []


@pytest.mark.parametrize("text", [None, BROKEN_BROWSER], ids=["absent", "broken"])
def test_a_named_browser_that_is_absent_or_broken_is_not_replaced_by_another(machine, tmp_path, text):
    machine.has("chromium", BROWSER)
    if text:
        write_program(tmp_path / "own", text)
    done = machine.set_up_browser(LOST_AND_FOUND_CHROMIUM=str(tmp_path / "own"))
    assert done.returncode == 7
    assert "LOST_AND_FOUND_CHROMIUM" in done.stderr
    assert machine.asked == []


def test_an_installed_browser_is_used_where_playwrights_cannot_be_downloaded(machine):
    browser = machine.has("chromium", BROWSER)
    machine.has("apt-get", "#!/bin/sh\nexit 1\n")
    done = machine.set_up_browser(PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD="")
    assert done.returncode == 0
    assert done.stderr.endswith(f"It can't be downloaded from here\nBrowser for collecting: {browser}\n")
    assert machine.asked


def test_debians_package_is_installed_where_no_browser_starts(machine):
    machine.has("google-chrome", BROKEN_BROWSER)
    browser = machine.commands / "chromium"
    install = f'#!/bin/sh\nprintf "#!/bin/sh\\necho Chromium 100.0\\n" >"{browser}"; chmod +x "{browser}"\n'
    machine.has("apt-get", install)
    machine.has("sudo", '#!/bin/sh\nshift\nexec "$@"\n')
    machine.has("true", "#!/bin/sh\n")
    done = machine.set_up_browser()
    assert done.returncode == 0, done.stderr
    assert "trying Debian's package" in done.stderr
    assert done.stderr.endswith(f"Browser for collecting: {browser}\n")


@pytest.mark.parametrize("apt", ["#!/bin/sh\nexit 100\n", None], ids=["package fails", "no apt"])
def test_a_machine_without_any_is_told_what_to_do(machine, apt):
    if apt:
        machine.has("apt-get", apt)
    done = machine.set_up_browser()
    assert done.returncode == 7
    assert "LOST_AND_FOUND_CHROMIUM" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("script", "does"),
    [("build-regions", "Build a region file from a Natural"), ("download-regions", "Put Natural Earth's")],
)
def test_a_script_of_the_regions_says_what_it_does_and_how_it_is_used(script, does):
    path = REPOSITORY / "scripts" / script
    done = subprocess.run([path, "--help"], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: scripts/{script} ")
    assert f"\n\n{does}" in done.stdout


@pytest.mark.parametrize("script", [*RUNNERS, "pack-dataset", "build-regions", "download-regions"])
def test_a_script_takes_no_module_from_the_folder_in_which_it_is_called(tmp_path, script):
    source = (REPOSITORY / "scripts" / script).read_text(encoding="utf-8")
    path = write_program(tmp_path / "checkout" / "scripts" / script, source)
    write_program(tmp_path / "checkout" / "scripts" / "setup", "#!/bin/sh\n")
    python = tmp_path / "checkout" / ".venv" / "bin" / "python"
    write_program(python, f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    photos = tmp_path / "photos from somewhere"
    photos.mkdir()
    (photos / "argparse.py").write_text("raise SystemExit('this was imported')")
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [path, "--help"], cwd=photos, env=environment, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: scripts/{script} ")


def test_no_option_is_taken_for_the_map_of_the_regions():
    path = REPOSITORY / "scripts" / "build-regions"
    done = subprocess.run([path, "--colour"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stderr.endswith("unrecognized arguments: --colour\n")


@pytest.mark.parametrize(("argument", "status"), [("--help", 0), ("-h", 0), ("--dry-run", 2)])
@pytest.mark.parametrize("script", ["setup", "setup-browser"])
def test_a_set_up_that_is_asked_for_help_installs_nothing(tmp_path, script, argument, status):
    path = shutil.copy(REPOSITORY / "scripts" / script, tmp_path)
    done = subprocess.run([path, argument], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (status, "")
    assert "Safe to run again" in done.stdout


@pytest.mark.parametrize("script", RUNNERS)
@pytest.mark.parametrize("way", ["in the checkout", "by a link"])
def test_a_script_finds_its_checkout_however_it_is_called_and_whatever_cdpath_says(tmp_path, script, way):
    checkout, link = tmp_path / "check out", tmp_path / "link"
    path = write_program(
        checkout / "scripts" / script, (REPOSITORY / "scripts" / script).read_text(encoding="utf-8")
    )
    write_program(checkout / "scripts" / "setup", "#!/bin/sh\n")
    write_program(checkout / ".venv" / "bin" / "python", '#!/bin/sh\nprintf "%s\\n" "$0" "$@"\n')
    link.symlink_to(path)
    done = subprocess.run(
        [link if way == "by a link" else f"scripts/{script}", "-x", "a  b"],
        cwd=checkout,
        env=os.environ | {"CDPATH": f".:{tmp_path}"},  # with which cd also prints where it went
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    program, *_, first, second = done.stdout.splitlines()
    assert (program, first, second) == (f"{checkout}/.venv/bin/python", "-x", "a  b")


@pytest.fixture
def checkout(tmp_path):
    """A checkout with a Poetry, and nothing else that takes long to install."""
    write_program(tmp_path / "scripts" / "setup", (REPOSITORY / "scripts" / "setup").read_text())
    write_program(tmp_path / "scripts" / "setup-browser", "#!/bin/sh\n")
    write_program(tmp_path / ".poetry" / "bin" / "poetry", POETRY)
    write_program(tmp_path / ".poetry" / "bin" / "python", "#!/bin/sh\n")
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "poetry.lock").touch()
    return tmp_path


def test_the_checkouts_own_environment_is_filled_and_never_one_that_is_active(checkout):
    active = {"VIRTUAL_ENV": "/theirs", "CONDA_PREFIX": "/theirs", "POETRY_VIRTUALENVS_CREATE": "false"}
    for _ in range(2):  # the second finds everything done
        subprocess.run([checkout / "scripts" / "setup"], env=os.environ | active, check=True, timeout=60)
    assert (checkout / "asked").read_text() == "env  true true\nsync  true true\n"


def test_poetry_is_installed_into_its_folder_also_where_pip_is_set_to_install_for_the_user(checkout):
    poetry = (checkout / ".poetry" / "bin" / "poetry").rename(checkout / "poetry")
    pip = write_program(checkout / "pip", '#!/bin/sh\n[ "$2" != pip ] || echo "user: $PIP_USER" >>asked\n')
    bin_folder = checkout / ".poetry" / "bin"
    venv = (
        f'mkdir -p "{bin_folder}" && cp "{pip}" "{bin_folder}/python" && cp "{poetry}" "{bin_folder}/poetry"'
    )
    write_program(checkout / "bin" / "python3", f'#!/bin/sh\n[ "$2" != venv ] || {{ {venv}; }}\n')
    environment = os.environ | {"PIP_USER": "1", "PATH": f"{checkout}/bin:{os.environ['PATH']}"}
    subprocess.run([checkout / "scripts" / "setup"], env=environment, check=True, timeout=60)
    assert (checkout / "asked").read_text().splitlines()[0] == "user: 0"


def test_what_is_installed_needs_no_poetry_any_more(checkout):
    subprocess.run([checkout / "scripts" / "setup"], check=True, timeout=60)
    poetry = write_program(checkout / ".poetry" / "bin" / "poetry", "#!/bin/sh\nexit 1\n")
    subprocess.run([checkout / "scripts" / "setup"], check=True, timeout=60)
    assert poetry.exists()


def test_the_second_of_two_set_ups_at_once_waits_and_finds_everything_done(checkout):
    write_program(checkout / ".poetry" / "bin" / "poetry", POETRY.replace("sync)", "sync) sleep 1;"))
    both = [subprocess.Popen([checkout / "scripts" / "setup"]) for _ in range(2)]
    assert [one.wait(timeout=60) for one in both] == [0, 0]
    assert (checkout / "asked").read_text() == "env  true true\nsync  true true\n"


def test_ctrl_c_ends_the_set_up_and_leaves_poetry_where_it_is(checkout):
    poetry = write_program(checkout / ".poetry" / "bin" / "poetry", "#!/bin/sh\nkill -INT $PPID\nexit 1\n")
    done = subprocess.run([checkout / "scripts" / "setup"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (130, f"{STOPPED}\n")
    assert poetry.exists()


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="reads the path whatever the locale")
def test_a_path_that_python_cannot_read_in_the_locale_is_said_before_anything_is_installed(checkout):
    place = checkout.rename(checkout.with_name("größe"))
    done = subprocess.run(
        [place / "scripts" / "setup"],
        env=os.environ | {"LC_ALL": "C"},
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert f"can't read the path {place}; set LC_ALL=C.UTF-8".encode() in done.stderr
    assert not (place / ".venv").exists()
    subprocess.run(
        [place / "scripts" / "setup"], env=os.environ | {"LC_ALL": "C.UTF-8"}, check=True, timeout=60
    )
