"""Writes rollouts as protobuf."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ads.ranker.v1 import admin_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ranker.rollout.plan import Rollout


def arms_to_proto(rollouts: Mapping[str, Rollout]) -> Iterator[admin_pb2.ModelArm]:
    """Writes the arms of every experiment, and the shadows."""
    for schema_id, rollout in rollouts.items():
        if rollout.experiment is not None:
            for arm in rollout.experiment.arms:
                yield admin_pb2.ModelArm(
                    schema_id=schema_id,
                    version=arm.version,
                    experiment=rollout.experiment.name,
                    arm=arm.name,
                    share=arm.share,
                )
        if rollout.shadow is not None:
            yield admin_pb2.ModelArm(
                schema_id=schema_id, version=rollout.shadow.version, share=rollout.shadow.share
            )
