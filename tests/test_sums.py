"""What spares a round the reading of all rounds: sums, the draw of earlier pairs, reports now and then."""

from __future__ import annotations

import shutil
from collections import Counter
from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from maieutic.graph.accounts import Accounts
from maieutic.graph.replay import Replayable
from maieutic.graph.sums import Newest, sum_up_to
from maieutic.graph.telling import EVERY_ROUND, Seldom
from maieutic.memory.run import RunFolder
from maieutic.records import Call, PreferencePair


def test_a_sum_is_written_once_a_round_and_made_again_where_it_is_lost(tmp_path: Path) -> None:
    folder, added = RunFolder(tmp_path), list[int]()

    def add(total: int, number: int) -> int:
        added.append(number)
        return total + number

    def up_to(last: int) -> int:
        added.clear()
        return sum_up_to(folder, "so_far", last, add, lambda there: int(there or 0), int)

    assert (up_to(0), added) == (0, [])
    assert (up_to(4), added) == (10, [1, 2, 3, 4])
    assert (up_to(4), added) == (10, [])
    assert (up_to(6), added) == (21, [5, 6])
    for lost in (b"", b"[", b'{"no": "number"}', b'"x"'):
        (folder.round(6) / "so_far.json").write_bytes(lost)
        assert (up_to(6), added) == (21, [6])
    (folder.round(5) / "so_far.json").unlink()
    (folder.round(6) / "so_far.json").unlink()
    assert (up_to(6), added) == (21, [5, 6])


def test_the_newest_records_are_read_from_the_end() -> None:
    read = list[int]()

    def of(number: int) -> list[str]:
        read.append(number)
        return [f"{number}.{index}" for index in range(3)]

    newest = Newest(5, 100, of)
    assert newest.up_to(9) == ["8.1", "8.2", "9.0", "9.1", "9.2"]
    assert read == [9, 8]
    # The round that is played may begin anew; those before it are read once.
    assert newest.up_to(9) == newest.up_to(9)
    assert read == [9, 8, 9, 9]
    assert newest.up_to(10) == ["9.1", "9.2", "10.0", "10.1", "10.2"]
    assert read[4:] == [10, 9]
    assert Newest(100, 2, of).up_to(9) == Newest(6, 100, of).up_to(9)
    assert Newest(100, 100, of).up_to(2)[0] == "1.0"


@given(most=st.integers(1, 12), back=st.integers(1, 6), asked=st.lists(st.integers(1, 12), max_size=8))
def test_what_is_remembered_changes_nothing(most: int, back: int, asked: list[int]) -> None:
    def of(number: int) -> list[str]:
        return [f"{number}.{index}" for index in range(number % 4)]

    newest = Newest(most, back, of)
    for round in asked:
        assert newest.up_to(round) == Newest(most, back, of).up_to(round)


def call(round: int, index: int) -> Call:
    return Call(
        id=f"{round}.{index}", round=round, stage="s", role="solver", model="m", checkpoint="", template="",
        subject_id="q", messages="[]", sampling="{}", completions=["x"], prompt_tokens=3, completion_tokens=2,
        seconds=0.5,
    )  # fmt: skip


def test_what_was_spent_is_counted_as_before_and_earlier_calls_are_not_read_again(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for number in range(5):
        folder.write(
            number, "calls/rollouts-attempt", 0, [call(number, index) for index in range(number + 1)]
        )
    first = Accounts(folder).of("solver")
    assert (first.calls, first.tokens, first.written, first.seconds) == (15, 75, 30, 7.5)
    for number in range(4):
        shutil.rmtree(folder.round(number) / "calls")
    assert Accounts(folder).of("solver") == first


def pair(round: int, index: int, replayed: bool = False) -> PreferencePair:
    return PreferencePair(
        id=f"{round}.{index}", question_id="q", round=round, kind="rollouts", prompt="p", chosen="c",
        rejected="r", replayed=replayed,
    )  # fmt: skip


def played(folder: RunFolder, rounds: int, each: int) -> list[str]:
    for number in range(1, rounds + 1):
        pairs = [pair(number, index) for index in range(each)]
        folder.write(number, "pairs", 0, [*pairs, pair(number, each, replayed=True)])
    return [f"{number}.{index}" for number in range(1, rounds + 1) for index in range(each)]


def test_few_earlier_pairs_are_all_replayable_in_their_order(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    names = played(folder, 6, 5)
    pool = Replayable(seed=1)
    assert [one.id for one in pool.before(folder, 4)] == names[:15]
    assert [one.id for one in pool.before(folder, 7)] == names
    assert [one.id for one in pool.before(folder, 3)] == names[:10]
    assert pool.before(folder, 1) == []


def test_of_many_a_draw_is_held_that_a_resume_draws_alike(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    played(folder, 34, 2)
    whole = Replayable(seed=1, most=8)
    held = [[one.id for one in whole.before(folder, number)] for number in range(2, 36)]
    assert {len(each) for each in held[3:]} == {8}

    def resumed() -> list[str]:
        return [one.id for one in Replayable(seed=1, most=8).before(folder, 35)]

    files = sorted((folder.memory / "replayable").glob("*.parquet"))
    assert [file.stem for file in files] == ["000016", "000032"]
    shutil.rmtree(folder.round(3))  # what a file holds is not read again
    assert resumed() == held[-1]
    files[-1].write_bytes(b"damaged")
    assert resumed() == held[-1]
    played(folder, 34, 2)
    shutil.rmtree(folder.memory)
    assert resumed() == held[-1]


def test_every_earlier_pair_is_as_likely_to_be_held_as_any_other(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    played(folder, 8, 4)
    shares = Counter(
        one.round for seed in range(60) for one in Replayable(seed=seed, most=8).before(folder, 9)
    )
    # 480 places over eight rounds: 60 each, with a standard deviation of 6.2.
    assert sum(shares.values()) == 480
    assert all(35 <= shares[number] <= 85 for number in range(1, 9)), shares


def test_the_report_of_a_long_run_takes_a_twentieth_of_its_time_at_most() -> None:
    seldom, now, written = Seldom(), 0.0, list[int]()
    for number in range(1000):
        now += 5.0
        if seldom.due(number, now):
            written.append(number)
            seldom.written(now, now + 1.0)
            now += 1.0
    assert written[: EVERY_ROUND + 1] == list(range(EVERY_ROUND + 1))
    later = written[EVERY_ROUND + 1 :]
    assert {two - one for one, two in pairwise(later)} == {4}  # 20 seconds after a writing that took one
