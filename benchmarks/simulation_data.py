"""Reads the public logs that the shipped world is fitted from and held against."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

# Avazu writes app traffic with this site.
APP_SITE = "85f751fd"
SEGMENTS = tuple(
    f"{place}, {line}, {slot}"
    for place in ("app", "site")
    for line in ("wired", "mobile line")
    for slot in ("top banner", "other banner")
)
BID_LOG = "ipinyou_2259_bidlog/test.log.txt"
_HOUR, _PAID = 2, 23
CRITEO_ROWS, CRITEO_DAYS = 16_470_000, 30


@dataclass(frozen=True, slots=True, eq=False)
class Impressions:
    """Rows `(n,)` of Avazu."""

    segment: Ints
    hour: Ints
    ad: Ints
    click: Floats

    def rows(self, kept: NDArray[np.bool_]) -> Impressions:
        """Returns the rows of a mask."""
        return Impressions(self.segment[kept], self.hour[kept], self.ad[kept], self.click[kept])


def read_avazu(data: Path) -> Impressions:
    folder = data / "avazu_15k"
    rows = pd.read_csv(folder / "X_test_xsmall.csv")
    click = pd.read_csv(folder / "y_test_xsmall.csv")["click"].to_numpy(np.float64)
    segment = np.asarray(
        4 * (rows["site_id"] != APP_SITE) + 2 * (rows["device_conn_type"] != 0) + (rows["banner_pos"] != 0),
        np.int64,
    )
    ad = np.unique(rows["C14"].to_numpy(), return_inverse=True)[1].astype(np.int64)
    return Impressions(segment, rows["hour"].to_numpy(np.int64), ad, click)


def read_criteo(data: Path) -> tuple[Ints, Ints, Floats]:
    """Returns (campaign, day, click) `(n,)`; days by the place in the time-sorted log."""
    rows = pd.read_parquet(data / "criteo_attr_1pct" / "small_train.parquet")
    campaign = np.unique(rows["cat1"].to_numpy(), return_inverse=True)[1].astype(np.int64)
    day = rows.index.to_numpy(np.int64) * CRITEO_DAYS // CRITEO_ROWS
    return campaign, day, rows["click"].to_numpy(np.float64)


def read_delays(data: Path) -> Floats:
    """Returns the minutes from click to install `(n,)`, in the order of the clicks."""
    rows = pd.read_csv(data / "talkingdata_100k" / "train_sample.csv")
    rows = rows[rows["is_attributed"] == 1]
    clicked, installed = (pd.to_datetime(rows[name]) for name in ("click_time", "attributed_time"))
    order = np.argsort(clicked.to_numpy(), kind="stable")
    seconds = np.asarray((installed - clicked).dt.total_seconds(), np.float64)
    return seconds[order] / 60.0


def read_histograms(data: Path) -> dict[str, Floats]:
    """Returns each campaign's training histogram of market prices 0 … 300."""
    folder = data / "ipinyou_rlb_auction"
    return {
        path.name.split(".")[0]: np.array(json.loads(path.read_text())["price_counter_train"], np.float64)
        for path in sorted(folder.glob("*.info.json"))
    }


def read_test_prices(data: Path) -> Floats:
    """Returns the market prices of campaign 2997's test period."""
    rows = np.loadtxt(data / "ipinyou_rlb_auction" / "2997.test.theta.txt")
    prices: Floats = rows[:, 1].astype(np.float64)
    return prices


def read_pay_prices(data: Path) -> tuple[Ints, Floats]:
    """Returns the hours and the paid prices `(n,)` of campaign 2259's test period, from its raw log."""
    rows = [line.split("\t") for line in (data / BID_LOG).read_text(encoding="utf-8").splitlines()]
    return np.array([int(row[_HOUR]) for row in rows]), np.array([float(row[_PAID]) for row in rows])


def halves(num_rows: int, seed: int, share: float = 1 / 3) -> Any:
    """Returns a mask `(n,)` of the rows that are held out."""
    return np.random.default_rng(seed).random(num_rows) < share
