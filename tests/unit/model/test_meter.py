"""What the process has used."""

from services.model.meter import read_process


def test_cpu_time_grows_with_work_and_memory_with_what_is_held() -> None:
    before = read_process()
    held = bytearray(b"x") * 50_000_000
    busy = sum(range(300_000))
    after = read_process()
    assert after.resident_bytes - before.resident_bytes > 40_000_000, len(held)
    assert after.cpu_s - before.cpu_s > 0, busy
    assert after.wall_s > before.wall_s
