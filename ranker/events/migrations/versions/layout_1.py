"""The first layout: what the SQLite store has, with a type for each column."""

import sqlalchemy as sa
from alembic import op

revision = "1"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "decisions",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("decision_id", sa.Text, nullable=False, unique=True),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("num_positions", sa.Integer, nullable=False),
        sa.Column("awaits_expiry", sa.Boolean, nullable=False),
    )
    op.create_index(
        "decisions_awaiting_expiry",
        "decisions",
        ["created_at", "id"],
        postgresql_where=sa.text("awaits_expiry"),
    )
    for name in ("decision_records", "captured_requests"):
        op.create_table(
            name,
            sa.Column("decision", sa.BigInteger, sa.ForeignKey("decisions.id"), primary_key=True),
            sa.Column("record", sa.LargeBinary, nullable=False),
        )
    op.create_table(
        "outcomes",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("event_id", sa.Text, nullable=False, unique=True),
        sa.Column("decision", sa.BigInteger, sa.ForeignKey("decisions.id"), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("event_type", sa.Text, nullable=False),
        sa.Column("reward", sa.Double, nullable=False),
        sa.Column("occurred_at", sa.Double, nullable=False),
        sa.Column("received_at", sa.Double, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
    )
    op.create_table(
        "joined_rewards",
        sa.Column("sequence", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("decision", sa.BigInteger, sa.ForeignKey("decisions.id"), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("reward", sa.Double, nullable=False),
        sa.Column("expired", sa.Boolean, nullable=False),
        sa.UniqueConstraint("decision", "position"),
    )
    op.create_table(
        "tallies",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
    )
