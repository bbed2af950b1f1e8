"""Keeps Python's cycle collector away from what lives as long as the process."""

from __future__ import annotations

import gc

# Container objects made and not freed between two looks of the collector: about fifty requests' worth.
YOUNG_OBJECTS = 20_000


def keep_collector_off_the_heap() -> None:
    """Collects once, then passes over what is there: modules, kernels, models.

    Reference counts free what a request leaves behind; the collector is only for cycles. At its defaults it
    walks over the whole heap again and again, which took up to a third of the time of a request.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])
