import numpy as np
import pytest

from ranker.errors import InvalidInputError
from ranker.simulation.streams import Streams

NUMBERS = np.array([0, 1, 7, 2**40, 2**64 - 1], np.uint64)


def test_rows_are_bit_for_bit_numpys_philox():
    streams = Streams(3)
    rows = streams.uniforms("click", NUMBERS, 13)
    for row, number in zip(rows, NUMBERS.tolist(), strict=True):
        assert (row == streams.generator("click", number).random(13)).all()


def test_a_request_draws_the_same_in_any_batch_and_order():
    streams = Streams(0)
    together = streams.uniforms("bid", NUMBERS, 6)
    assert (streams.uniforms("bid", NUMBERS[::-1], 6) == together[::-1]).all()
    assert (streams.uniforms("bid", NUMBERS[2:3], 6) == together[2:3]).all()
    assert (streams.uniforms("bid", NUMBERS, 2) == together[:, :2]).all()


def test_streams_of_parts_requests_and_seeds_are_uncorrelated():
    numbers = np.arange(20_000, dtype=np.uint64)
    columns = np.concatenate(
        [
            Streams(1).uniforms("click", numbers, 3),
            Streams(1).uniforms("bid", numbers, 1),
            Streams(2).uniforms("click", numbers, 1),
            Streams(1).uniforms("click", numbers + np.uint64(1), 1),
        ],
        axis=1,
    )
    correlation = np.corrcoef(columns.T)[np.triu_indices(6, 1)]
    # 15 correlations of standard error 1/√20,000: all within 4 of them but for 1 in 1,000 seeds.
    assert np.abs(correlation).max() < 4 / np.sqrt(20_000)
    assert np.abs(columns.mean(axis=0) - 0.5).max() < 4 / np.sqrt(12 * 20_000)


def test_a_negative_seed_is_refused():
    with pytest.raises(InvalidInputError, match="seed"):
        Streams(-1)
