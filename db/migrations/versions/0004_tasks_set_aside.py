"""Which task an input that was set aside belongs to: a label that cannot be read is found by it.

Revision 0004, follows 0003.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What was set aside before gets its task when it is looked at again."""
    op.add_column("set_aside", sa.Column("task_id", sa.BigInteger()))


def downgrade() -> None:
    """The older program names annotations alone."""
    op.drop_column("set_aside", "task_id")
