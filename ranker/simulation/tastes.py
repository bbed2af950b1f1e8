"""What users like: the chance of a click given looked at, by segment, ad, hour, day and weariness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
from scipy.special import expit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ranker.simulation.parameters import WorldParameters
    from ranker.simulation.scenario import Scenario
    from ranker.simulation.streams import Streams
    from ranker.simulation.visits import Visits

    Floats: TypeAlias = NDArray[np.float64]
    Ints: TypeAlias = NDArray[np.int64]

PEAK_HOUR = 21


class Tastes(Protocol):
    """Decides how attractive an ad is to whom."""

    def ctr(self, visits: Visits, ads: Ints, exposure: Floats) -> Floats:
        """Returns the true ctr `(B, n)` of ads `(B, n)` that their users have looked at `exposure` times."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class LogisticTastes:
    """logit ctr = base + segment + ad + segment·ad + hour + Σ_{d ≤ day} drift − fatigue."""

    base_logit: float
    segment_ad: Floats  # (segments, ads), all effects of both
    hour: Floats  # (24,)
    drift: Floats  # (days, ads), the walk's place on each day
    ad_fatigue: float
    session_fatigue: float

    @staticmethod
    def of(streams: Streams, scenario: Scenario, parameters: WorldParameters) -> LogisticTastes:
        """Returns tastes drawn with the fitted scales: the same seed, the same ads."""
        behaviour, num_ads = scenario.behaviour, scenario.market.ads
        tastes = parameters.tastes
        ad = streams.generator("taste ad").standard_normal(num_ads) * tastes.ad_scale
        segments = len(parameters.segments.names)
        both = streams.generator("taste segment ad").standard_normal((segments, num_ads))
        steps = streams.generator("drift").standard_normal((scenario.traffic.num_days, num_ads))
        steps[0] = 0.0
        scale = behaviour.taste_scale
        segment = np.array(parameters.segments.logits)[:, None]
        wave = np.cos(2 * np.pi * (np.arange(24) - PEAK_HOUR) / 24)
        return LogisticTastes(
            base_logit=tastes.base_logit + behaviour.click_logit,
            segment_ad=scale * (segment + ad + both * tastes.segment_ad_scale),
            hour=np.array(parameters.season.logits) + behaviour.season_amplitude * wave,
            drift=behaviour.drift_scale * tastes.daily_drift_scale * steps.cumsum(axis=0),
            ad_fatigue=behaviour.ad_fatigue,
            session_fatigue=behaviour.session_fatigue,
        )

    def ctr(self, visits: Visits, ads: Ints, exposure: Floats) -> Floats:
        """Returns the true ctr `(B, n)`."""
        logit = (
            self.base_logit
            + self.segment_ad[visits.segment[:, None], ads]
            + self.drift[visits.day, ads]
            + (self.hour[visits.hour] - self.session_fatigue * visits.depth)[:, None]
            - self.ad_fatigue * np.log1p(exposure)
        )
        ctr: Floats = expit(logit)
        return ctr
