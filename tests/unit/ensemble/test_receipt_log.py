"""Receipts on disk: whole after a kill, bounded, readable whatever else is in the folder."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from services.edge.receipts import CLOUD_RUN, Allocation, Usage, write_receipt
from services.ensemble.receipt_log import ReceiptLog, read_receipts
from tests.small_disk import small_disk

RECEIPT = write_receipt([("a", Usage(1, 0.5, bytes_in=10), Allocation(1.0, 2.0))], replace(CLOUD_RUN, currency="X"))
UNCLAIMED = {"a": Allocation(0.25, 0.5)}

_DIES = """
import os, signal, sys
from pathlib import Path
from tests.unit.ensemble.test_receipt_log import RECEIPT
from services.ensemble.receipt_log import ReceiptLog
log = ReceiptLog(Path(sys.argv[1]), 2**20)
for _ in range(3):
    log.append("ann", "e", RECEIPT, {})
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_is_read_back_is_what_was_kept(tmp_path: Path) -> None:
    log = ReceiptLog(tmp_path, 2**20, clock=lambda: 7.0)
    log.append("ann", "e", RECEIPT, UNCLAIMED)
    (entry,) = read_receipts(tmp_path)
    assert (entry.at_s, entry.user, entry.ensemble, entry.unclaimed) == (7.0, "ann", "e", UNCLAIMED)
    assert entry.receipt == RECEIPT


def test_a_killed_process_loses_no_receipt(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", _DIES, str(tmp_path)], check=False, cwd=Path(__file__).parents[3])
    assert [entry.user for entry in read_receipts(tmp_path)] == ["ann"] * 3


def test_the_oldest_go_when_there_are_too_many(tmp_path: Path) -> None:
    times = iter(range(10**6))
    log = ReceiptLog(tmp_path, 20_000, clock=lambda: float(next(times)))
    for _ in range(200):
        log.append("", "e", RECEIPT, {})
    kept = [entry.at_s for entry in read_receipts(tmp_path)]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 20_000
    assert kept == sorted(kept)
    assert kept[0] > 0
    assert kept[-1] == next(times) - 1
    assert len(kept) > 20


def test_a_file_that_is_taken_away_loses_nothing_that_comes_after(tmp_path: Path) -> None:
    log = ReceiptLog(tmp_path, 2**20)
    log.append("before", "e", RECEIPT, {})
    (file,) = tmp_path.glob("*.jsonl")
    file.unlink()  # as another front door does that makes room
    log.append("after", "e", RECEIPT, {})
    assert [entry.user for entry in read_receipts(tmp_path)] == ["after"]


def test_the_file_with_the_newest_line_stays_however_long_ago_it_was_begun(tmp_path: Path) -> None:
    limit_bytes = 2**16
    begun_first, begun_last = tmp_path / "0000000000001-a.jsonl", tmp_path / "0000000000002-b.jsonl"
    for path, written_s in ((begun_first, 9), (begun_last, 8)):
        path.write_bytes(bytes(limit_bytes // 2))
        os.utime(path, (written_s, written_s))
    ReceiptLog(tmp_path, limit_bytes).append("", "e", RECEIPT, {})
    assert begun_first.exists()
    assert not begun_last.exists()


def test_lines_that_are_none_are_left_out(tmp_path: Path) -> None:
    log = ReceiptLog(tmp_path, 2**20)
    log.append("", "e", RECEIPT, {})
    log.close()
    (file,) = tmp_path.glob("*.jsonl")
    whole = file.read_bytes()
    file.write_bytes(whole + b"{}\n[]\n\xff\n" + whole[:-20])
    assert len(list(read_receipts(tmp_path))) == 1


def test_a_receipt_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    log = ReceiptLog(tmp_path / "folder", 2**20)
    (tmp_path / "folder").rmdir()
    log.append("", "e", RECEIPT, {})
    assert not list(tmp_path.iterdir())


def test_a_full_disk_loses_what_does_not_fit_and_nothing_after_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with small_disk(tmp_path, 2**16) as disk:
        (disk / "filler").write_bytes(bytes(2**15))
        log = ReceiptLog(disk, 2**20)
        kept = 0
        while not caplog.records:
            log.append("before", "e", RECEIPT, {})
            kept += not caplog.records
        (disk / "filler").unlink()
        log.append("after", "e", RECEIPT, {})
        log.close()
        assert [entry.user for entry in read_receipts(disk)] == ["before"] * kept + ["after"]


def test_a_file_that_makes_room_while_others_are_read_or_counted_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "0000000000000-gone.jsonl"
    monkeypatch.setattr("services.ensemble.receipt_log._files", lambda folder: [gone, *folder.glob("*.jsonl")])
    log = ReceiptLog(tmp_path, 2**20)
    log.append("ann", "e", RECEIPT, {})
    assert [entry.user for entry in read_receipts(tmp_path)] == ["ann"]
