"""When Label Studio let go of what a model version had drawn.

Revision 0002, follows 0001.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Until now nothing was ever withdrawn."""
    op.add_column("model_versions", sa.Column("withdrawn_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    """The older program pushes what it finds missing, and needs no such note."""
    op.drop_column("model_versions", "withdrawn_at")
