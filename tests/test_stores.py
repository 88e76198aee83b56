"""Fetching missing pairs from a folder, an archive and a real HTTP server on loopback."""

import functools
import http.server
import shutil
import tarfile
import threading
import zipfile

import pytest

from lost_and_found import stores
from lost_and_found.data_loader import Selection, load_samples
from lost_and_found.errors import ListMismatch, StoreError
from lost_and_found.stores import Store
from tests.pairs import make_pairs, noise_jpeg


class FileServer(http.server.SimpleHTTPRequestHandler):
    """Serves a folder with listings, except of `unlisted`; refuses one picture `failures` times."""

    failures = 0
    unlisted = ""
    requested: list[str]

    def do_GET(self):
        type(self).requested.append(self.path)
        if self.path == self.unlisted:
            self.send_error(404)
        elif "game000_1.jpg" in self.path and type(self).failures > 0:
            type(self).failures -= 1
            self.send_error(503)
        else:
            super().do_GET()

    def log_message(self, *arguments):
        pass


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(stores, "PAUSE_S", 0.0)


@pytest.fixture
def remote(tmp_path):
    make_pairs(tmp_path / "remote" / "a", 5)
    make_pairs(tmp_path / "remote" / "b", 10)
    for path in (tmp_path / "remote" / "a").iterdir():
        (tmp_path / "remote" / "b" / path.name).unlink()
    return tmp_path / "remote"


@pytest.fixture
def server(remote):
    handler = type("Handler", (FileServer,), {"requested": []})
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(handler, directory=str(remote))
    ) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        server.handler = handler
        server.url = f"http://127.0.0.1:{server.server_port}/"
        yield server
        server.shutdown()
        thread.join()


def archive(remote, tmp_path):
    with zipfile.ZipFile(tmp_path / "remote.zip", "w") as file:
        for path in sorted(remote.rglob("*.*")):
            file.write(path, path.relative_to(remote))
    return f"zip://::{tmp_path / 'remote.zip'}"


def test_every_kind_of_store_gives_the_same_samples(server, remote, tmp_path):
    selection = Selection(shuffle_seed=5, limit=7)
    expected = [sample.id for sample in load_samples(remote, selection=selection)]
    for kind, location in {
        "http": server.url,
        "zip": archive(remote, tmp_path),
        "folder": str(remote),
    }.items():
        fetched = load_samples(tmp_path / kind, selection=selection, store=location)
        assert [sample.id for sample in fetched] == expected
        assert len(list((tmp_path / kind).glob("*.jpg"))) == 7
        assert all(sample.image.is_file() and sample.record.is_file() for sample in fetched)


def test_files_of_an_archive_are_not_mixed_up(tmp_path):
    make_pairs(tmp_path / "many", 150)
    with tarfile.open(tmp_path / "many.tar", "w") as file:
        file.add(tmp_path / "many", "many")
    load_samples(tmp_path / "here", store=f"tar://::{tmp_path / 'many.tar'}")
    for path in (tmp_path / "many").iterdir():
        assert (tmp_path / "here" / path.name).read_bytes() == path.read_bytes()


def test_a_folder_of_a_server_that_can_not_be_listed_is_no_empty_one(server, tmp_path):
    server.handler.unlisted = "/b/"
    with pytest.raises(StoreError, match=r"can't be listed \(.*/b/: .*; is it there"):
        load_samples(tmp_path / "here", pinned=tmp_path / "list.txt", store=server.url)
    assert not (tmp_path / "list.txt").exists()


@pytest.mark.parametrize(
    ("suffix", "content"), [(".jpg", b"<html>log in</html>"), (".json", b'{"a": '), (".json", b'["log in"]')]
)
def test_what_arrives_broken_is_not_kept_and_comes_whole_the_next_time(
    server, remote, tmp_path, suffix, content
):
    (path,) = remote.rglob(f"practice_singleplayer_game000_0{suffix}")
    whole = path.read_bytes()
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"1 of 10 files .* (is damaged|is not a record)"):
        load_samples(tmp_path / "here", store=server.url)
    path.write_bytes(whole)
    assert len(load_samples(tmp_path / "here", store=server.url)) == 10
    assert (tmp_path / "here" / path.name).read_bytes() == whole


def test_a_broken_archive_says_so(tmp_path):
    for name in ("a.zip", "a.tar"):
        (tmp_path / name).write_bytes(b"no archive")
        with pytest.raises(StoreError, match="can't be opened"):
            Store(f"{name[-3:]}://::{tmp_path / name}")


def test_a_folder_may_be_given_as_a_path(tmp_path):
    make_pairs(tmp_path / "remote", 1)
    assert load_samples(tmp_path / "here", store=tmp_path / "remote")


@pytest.mark.parametrize("kind", ["folder", "server"])
def test_names_are_taken_as_they_are(server, remote, tmp_path, kind):
    for path in remote.glob("a/*"):
        path.rename(path.with_name(path.name.replace("game000", "50%25off")))
    location = server.url if kind == "server" else str(remote)
    assert [one.id for one in load_samples(tmp_path / "here", store=location)] == [
        one.id for one in load_samples(remote)
    ]


def test_a_filter_on_records_fetches_only_the_images_it_keeps(server, tmp_path):
    chosen = load_samples(
        tmp_path / "here", selection=Selection(countries=frozenset({"FR"})), store=server.url
    )
    assert len(chosen) == 5
    assert len(list((tmp_path / "here").glob("*.jpg"))) == 5


def test_a_pinned_list_fetches_what_is_missing_and_only_that(server, tmp_path):
    pinned = tmp_path / "list.txt"
    here = tmp_path / "here"
    first = load_samples(here, pinned=pinned, store=server.url)
    for sample in first[:3]:
        sample.image.unlink()
    server.handler.requested.clear()
    assert load_samples(here, pinned=pinned, store=server.url) == first
    assert sum(path.endswith((".jpg", ".json")) for path in server.handler.requested) == 3


def test_a_half_in_a_folder_below_is_completed_where_it_lies(server, tmp_path):
    here = tmp_path / "here"
    first = load_samples(here, store=server.url)[0]
    (here / "deep").mkdir()
    first.image.rename(here / "deep" / first.image_name)
    first.record.unlink()
    assert len(load_samples(here, store=server.url)) == len(load_samples(here)) == 10
    assert (here / "deep" / f"{first.id}.json").is_file()


def test_nothing_is_asked_of_the_store_when_all_is_here(server, tmp_path):
    pinned = tmp_path / "list.txt"
    load_samples(tmp_path / "here", pinned=pinned, store=server.url)
    server.handler.requested.clear()
    load_samples(tmp_path / "here", pinned=pinned, store=server.url)
    assert not server.handler.requested


def test_a_server_that_stumbles_is_asked_again(server, tmp_path):
    server.handler.failures = 2
    assert len(load_samples(tmp_path / "here", store=server.url)) == 10


def test_what_arrived_before_a_failure_is_kept_and_the_rest_comes_later(server, tmp_path):
    server.handler.failures = 3
    with pytest.raises(StoreError, match="1 of 10 files") as caught:
        load_samples(tmp_path / "here", store=server.url)
    assert "run again" in str(caught.value)
    assert len(list((tmp_path / "here").glob("*.jpg"))) == 9
    server.handler.requested.clear()
    assert len(load_samples(tmp_path / "here", store=server.url)) == 10
    assert sum(path.endswith(".jpg") for path in server.handler.requested) == 1


def test_an_image_that_changed_on_the_server_is_refused(server, remote, tmp_path):
    pinned = tmp_path / "list.txt"
    for sample in load_samples(tmp_path / "here", pinned=pinned, store=server.url)[:2]:
        sample.image.unlink()
        next(remote.rglob(sample.image.name)).write_bytes(noise_jpeg(999))
    with pytest.raises(StoreError, match=r"2 of 2 files .* not the image that was pinned"):
        load_samples(tmp_path / "here", pinned=pinned, store=server.url)
    assert not [path for path in (tmp_path / "here").iterdir() if path.name.endswith(".tmp")]


def test_a_sample_that_is_nowhere_is_named(server, remote, tmp_path):
    pinned = tmp_path / "list.txt"
    load_samples(tmp_path / "here", pinned=pinned, store=server.url)
    shutil.rmtree(remote / "b")
    shutil.rmtree(tmp_path / "here")
    with pytest.raises(ListMismatch, match=r"5 are not in .* nor in http"):
        load_samples(tmp_path / "here", pinned=pinned, store=server.url)


@pytest.mark.parametrize("location", ["http://127.0.0.1:9/", "zip://::absent.zip", "absent-folder"])
def test_a_store_that_is_not_there_says_so(location, tmp_path):
    with pytest.raises(StoreError):
        load_samples(tmp_path / "here", store=location)


@pytest.mark.parametrize(
    "names",
    [
        ["b/practice_singleplayer_game000_0.jpg"],
        ["a/practice_singleplayer_game000_0.png"],
        ["a/practice_singleplayer_other_0.json", "b/practice_singleplayer_other_0.json"],
    ],
)
def test_one_id_twice_in_a_store_is_an_error(remote, names):
    for name in names:
        (remote / name).write_bytes(b"other")
    with pytest.raises(StoreError, match="twice"):
        Store(str(remote)).pairs()


@pytest.mark.parametrize("kind", ["folder", "server", "archive"])
def test_what_is_no_picture_and_no_record_and_what_is_hidden_is_left_out(server, remote, tmp_path, kind):
    before = Store(str(remote)).pairs().keys()
    for folder in ("a", "b"):
        (remote / folder / "README.md").write_text("of a folder, as of every other")
        (remote / folder / ".thumbnails").mkdir()
        (remote / folder / ".thumbnails" / "practice_singleplayer_game000_0.jpg").write_bytes(b"small")
    location = {"folder": str(remote), "server": server.url}.get(kind) or archive(remote, tmp_path)
    assert Store(location).pairs().keys() == before


def test_folders_of_several_imports_below_one_hold_the_samples_of_all(remote):
    pairs = Store(str(remote)).pairs()
    for folder in ("a", "b"):
        (remote / folder / "import.json").write_text("{}")
    assert Store(str(remote)).pairs() == pairs
    assert [sample.id for sample in load_samples(remote)] == sorted(pairs)
    for record in ("a/portrait.json", "b/portrait.json", "b/portrait.jpg"):
        (remote / record).write_text("{}")
    with pytest.raises(StoreError, match="a record of portrait twice"):
        Store(str(remote)).pairs()
    with pytest.raises(ListMismatch, match="the id portrait; ids must be unique"):
        load_samples(remote)


def test_a_store_with_nothing_in_it_says_so_and_one_with_half_pairs_has_none(tmp_path):
    with pytest.raises(StoreError, match="holds no pictures and no records; check the address"):
        Store(str(tmp_path)).pairs()
    (tmp_path / "practice_singleplayer_game000_0.json").touch()
    assert Store(str(tmp_path)).pairs() == {}


def test_a_file_that_has_gone_meanwhile_is_named(tmp_path):
    gone = str(tmp_path / "gone.jpg")
    with pytest.raises(StoreError, match=r"1 of 1 files .*gone\.jpg does not exist"):
        Store(str(tmp_path)).fetch({gone: tmp_path / "here.jpg"}, verify=lambda *_: None)
