"""What deleting needs: how far the rows were exported, and the outcomes of a decision."""

import sqlalchemy as sa
from alembic import op

revision = "3"
down_revision = "2"


def upgrade() -> None:
    """Create the table of the marks and the index."""
    op.create_table(
        "marks",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
    )
    op.create_index("outcomes_by_decision", "outcomes", ["decision"])
