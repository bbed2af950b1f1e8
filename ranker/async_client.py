"""The Python client for asyncio: as `ranker.client`, with calls that are awaited."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np

from ads.ranker.v1 import learner_pb2_grpc, ranker_pb2, ranker_pb2_grpc
from ranker.client_calls import (
    OPTIONS,
    batch_answers,
    our_errors,
    report_from_proto,
    report_messages,
    throttled,
)
from ranker.connection import connect_async
from ranker.hedging import is_final
from ranker.serving.answer_conversion import answer_from_proto
from ranker.serving.request_conversion import rank_headers, request_to_proto
from ranker.throttle import Throttle

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType

    from ranker.client_calls import Report
    from ranker.connection import Security
    from ranker.errors import RankerError
    from ranker.events.records import Outcome
    from ranker.serving.answer_conversion import Answer
    from ranker.slate import RankRequest


class AsyncRankerClient:
    """What RankerClient does for ranking and reporting, with the same deadlines, retries and errors."""

    def __init__(
        self,
        address: str,
        timeout_seconds: float = 5.0,
        security: Security | None = None,
        hedge_seconds: float | None = None,
    ) -> None:
        self._channel = connect_async(address, security, OPTIONS)
        self._timeout = timeout_seconds
        self._hedge = hedge_seconds
        self._throttle = Throttle(np.random.default_rng())
        self._ranker: Any = ranker_pb2_grpc.RankerServiceStub(self._channel)
        self._learner: Any = learner_pb2_grpc.LearnerServiceStub(self._channel)

    async def __aenter__(self) -> AsyncRankerClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the connection."""
        await self._channel.close()

    async def rank(self, request: RankRequest, priority: str = "normal") -> Answer:
        """Returns the slate for one request; of low, normal and high priority the high is refused last."""
        with throttled(self._throttle):
            response = await self._hedged(request_to_proto(request), rank_headers(request, priority))
            return answer_from_proto(response)

    async def batch_rank(self, requests: Sequence[RankRequest]) -> list[Answer | RankerError]:
        """Returns one answer a request; what is wrong with a request stands in its place."""
        message = ranker_pb2.BatchRankRequest(requests=[request_to_proto(request) for request in requests])
        with our_errors():
            return batch_answers(await self._ranker.BatchRank(message, timeout=self._timeout))

    async def report(self, outcomes: Iterable[Outcome]) -> Report:
        """Reports outcomes; returns once all are stored. Event ids make it safe to report again."""
        with our_errors():
            return report_from_proto(
                await self._learner.ReportOutcomes(report_messages(outcomes), timeout=self._timeout)
            )

    async def _hedged(
        self, message: ranker_pb2.RankRequest, metadata: Sequence[tuple[str, str]]
    ) -> ranker_pb2.RankResponse:
        """Returns the first good answer of one or two calls, and cancels the other; see `ranker.hedging`."""
        end = time.monotonic() + self._timeout

        async def ask() -> ranker_pb2.RankResponse:
            left = max(end - time.monotonic(), 0.0)
            response: ranker_pb2.RankResponse = await self._ranker.Rank(
                message, timeout=left, metadata=metadata
            )
            return response

        asked = {asyncio.ensure_future(ask())}
        try:
            done, waiting = await asyncio.wait(asked, timeout=self._hedge)
            if not done:
                asked.add(asyncio.ensure_future(ask()))
                done, waiting = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
                if waiting and not any(is_answer(each) for each in done):
                    done, waiting = await asyncio.wait(asked)
            return next((each for each in done if is_answer(each)), next(iter(done))).result()
        finally:
            for each in asked:
                each.cancel()
            # Waited for, so that no error of the slower is left unseen.
            await asyncio.gather(*asked, return_exceptions=True)


def is_answer(task: asyncio.Task[ranker_pb2.RankResponse] | asyncio.Future[Any]) -> bool:
    """Says whether a call has ended well, or in a way in which another server's would end too."""
    error = task.exception()
    return error is None or (isinstance(error, grpc.RpcError) and is_final(error))
