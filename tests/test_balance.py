"""Several endpoints as one: in proportion to their speed, without those that fail."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from maieutic.config import ServingConfig, load
from maieutic.errors import EndpointError
from maieutic.graph.remote import client_of
from maieutic.records import Call
from maieutic.serving.balance import Balanced, Lane
from maieutic.serving.client import Completions, Reply, Request
from scripted import Quick, quick


def request(subject: str) -> Request:
    return Request(
        subject_id=subject, role="solver", checkpoint="base", stage="attempt", round=1,
        template="solver@1", messages=[{"role": "user", "content": subject}], n=1,
        temperature=1.0, top_p=1.0, max_tokens=9, seed=5,
    )  # fmt: skip


@asynccontextmanager
async def over(endpoints: Sequence[Quick], **settings: Any) -> AsyncIterator[Balanced]:
    given = {"retries": 3, "request_deadline_s": 20, **settings}
    clients = [
        Completions(endpoint.url, "key", "m", ServingConfig(**{"concurrency": endpoint.slots, **given}))
        for endpoint in endpoints
    ]
    balanced = Balanced(clients)
    try:
        yield balanced
    finally:
        await balanced.close()


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def stage(client: Balanced, count: int) -> list[Reply]:
    return await asyncio.gather(*(client.ask(request(f"q{n}")) for n in range(count)))


@pytest.mark.slow
async def test_each_endpoint_answers_as_fast_as_it_can_and_no_more_than_its_slots() -> None:
    unequal = [Quick(4, seconds) for seconds in (0.1, 0.2, 0.4, 0.8)]
    async with quick(*unequal) as endpoints, over(endpoints) as client:
        started = time.monotonic()
        replies = await stage(client, 300)
        seconds = time.monotonic() - started
    assert {reply.call.subject_id for reply in replies} == {f"q{n}" for n in range(300)}
    assert [endpoint.most <= 4 for endpoint in endpoints] == [True] * 4
    capacity = sum(endpoint.slots / endpoint.seconds for endpoint in endpoints)
    assert 300 / seconds > 0.7 * capacity  # the machine is shared; benchmarks.endpoints measures it
    answered = [endpoint.answered for endpoint in endpoints]
    assert answered == sorted(answered, reverse=True)
    assert answered[3] > 8  # the slowest has its share, too
    assert {reply.call.endpoint for reply in replies} == {endpoint.url for endpoint in endpoints}


@pytest.mark.slow
async def test_a_slow_endpoint_is_not_given_the_last_requests() -> None:
    async with quick(Quick(2, 0.02), Quick(2, 1.0)) as endpoints, over(endpoints) as client:
        await stage(client, 30)
        before = endpoints[1].answered
        started = time.monotonic()
        await stage(client, 12)
        assert time.monotonic() - started < 0.9
        assert endpoints[1].answered == before


@pytest.mark.parametrize("trouble", ["down", "fails"])
@pytest.mark.slow
async def test_of_one_that_dies_only_what_was_in_flight_is_tried_again(
    trouble: str,
) -> None:
    async with quick(Quick(4, 0.05), Quick(4, 0.05)) as endpoints, over(endpoints) as client:
        asked = asyncio.ensure_future(stage(client, 120))
        await until(lambda: endpoints[1].answered >= 10)
        endpoints[1].trouble = trouble
        replies = await asked
        again = [reply.call for reply in replies if reply.call.tried]
        assert len({reply.call.id for reply in replies}) == 120
        assert {call.endpoint for call in again} == {endpoints[0].url}
        # Those in flight, and what was sent until three failures in a row were seen.
        assert 1 <= len(again) <= 4 + (trouble == "fails") * 4
        assert {tuple(call.tried) for call in again} == {
            ("connection",) if trouble == "down" else ("server_error",)
        }
        endpoints[1].trouble, before = "", endpoints[1].answered
        await until(lambda: not client.lanes[1].out)
        await stage(client, 40)
        assert endpoints[1].answered > before
        assert not client.lanes[1].trial


async def test_one_that_hangs_is_left_out_though_its_probe_is_fine() -> None:
    async with quick(Quick(3, 0.01), Quick(3, 0.01)) as endpoints:
        async with over(endpoints, request_deadline_s=1.0) as client:
            endpoints[1].trouble = "hangs"
            replies = await stage(client, 60)
        assert {reply.call.endpoint for reply in replies} == {endpoints[0].url}
        assert sum(bool(reply.call.tried) for reply in replies) <= 5


async def test_where_one_says_to_wait_the_other_goes_on() -> None:
    async with quick(Quick(3, 0.01), Quick(3, 0.01, "limited")) as endpoints, over(endpoints) as client:
        replies = await stage(client, 60)
    assert {reply.call.endpoint for reply in replies} == {endpoints[0].url}
    assert not client.lanes[1].out


@pytest.mark.slow
async def test_where_none_can_be_used_each_request_fails_within_its_deadline() -> None:
    down = (Quick(2, 0.01, "down"), Quick(2, 0.01, "down"))
    async with quick(*down) as endpoints, over(endpoints, request_deadline_s=1.0, retries=1) as client:
        started = time.monotonic()
        asked = (client.ask(request(f"q{n}")) for n in range(12))
        replies = await asyncio.gather(*asked, return_exceptions=True)
        assert time.monotonic() - started < 5
    assert all(isinstance(reply, EndpointError) for reply in replies)
    kinds = {reply.call.failure for reply in replies if isinstance(getattr(reply, "call", 0), Call)}
    assert kinds == {"connection"}


async def test_a_request_that_is_given_up_frees_its_place() -> None:
    async with quick(Quick(1, 5.0), Quick(1, 5.0)) as endpoints, over(endpoints) as client:
        asked = [asyncio.ensure_future(client.ask(request(f"q{n}"))) for n in range(6)]
        await asyncio.sleep(0.1)
        for one in asked:
            one.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        assert [lane.busy for lane in client.lanes] == [0, 0]


async def test_several_addresses_of_a_role_are_one_client() -> None:
    addresses = "[http://127.0.0.1:1/v1, http://127.0.0.1:2/v1]"
    config = load(None, [f"teacher.endpoint={addresses}", "teacher.model=m", "teacher.concurrency=3"])
    client = client_of("teacher", config.teacher, config)
    assert isinstance(client, Balanced)
    assert [(lane.client.url, lane.slots) for lane in client.lanes] == [
        ("http://127.0.0.1:1", 3),
        ("http://127.0.0.1:2", 3),
    ]
    await client.close()


async def test_among_equals_the_one_with_more_room_is_taken() -> None:
    clients = [Completions(f"http://127.0.0.1:{n}", "k", "m", ServingConfig(concurrency=4)) for n in (1, 2)]
    balanced = Balanced(clients)
    for lane, busy in zip(balanced.lanes, (2, 1), strict=True):
        lane.seconds, lane.busy = 1.0, busy
    assert balanced._best(None) is balanced.lanes[1]
    assert isinstance(balanced.lanes[0], Lane)
    assert balanced._best(balanced.lanes[1]) is balanced.lanes[0]
    await balanced.close()


@pytest.mark.parametrize("trouble", ["refuses", "blank", "long"])
async def test_one_that_is_quick_because_it_does_nothing_is_left_out(trouble: str) -> None:
    """What it says to everything is no answer: the others are asked, and it gets no more."""
    async with quick(Quick(4, trouble=trouble), Quick(4, 0.02)) as endpoints, over(endpoints) as client:
        replies = await stage(client, 80)
        assert [reply for reply in replies if reply.completions != ["ok #### 7"]] == []
        assert len(endpoints[0].taken) < 20
        assert endpoints[1].answered == 80


async def test_what_both_refuse_is_a_refusal_and_nobodys_fault() -> None:
    both = Quick(4, trouble="refuses"), Quick(4, trouble="refuses")
    async with quick(*both) as endpoints, over(endpoints) as client:
        reply = await client.ask(request("q"))
        assert (reply.completions, reply.call.failure, reply.call.tried) == ([], "refused", ["refused"])
        assert not any(lane.out or lane.failing for lane in client.lanes)
