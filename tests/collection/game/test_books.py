from lost_and_found.collection.game.books import Books
from lost_and_found.collection.game.claims import Claims, Recovery
from lost_and_found.collection.game.job import BOOKS, CollectJob
from lost_and_found.collection.game.log import event, read_events


def test_a_round_that_is_found_on_the_disk_before_its_worker_tells_of_it_counts_once(tmp_path):
    job = CollectJob(site="practice", mode="singleplayer", rounds=0, root=tmp_path)
    job.folder.mkdir(parents=True)
    books = Books(job)
    claims = Claims(job.folder / BOOKS / "claims.sqlite", worker="alive")
    claims.claim("practice_singleplayer_abc", account="ann")
    claims.reserve(5, target=0)
    sample = "practice_singleplayer_abc_0"
    record = {"coordinates": [1.0, 2.0], "source": "practice"}
    assert claims.save(job.folder, sample, image=b"png", record=record, target=0)
    books.note_recovery(Recovery((), (), ()))
    books.note(event("round", worker="alive", id=sample, seconds=1.0))
    assert books.saved == 1
    assert [one["id"] for one in read_events(job.folder) if one["event"] == "round"] == [sample]
    claims.close()
    books.close()
