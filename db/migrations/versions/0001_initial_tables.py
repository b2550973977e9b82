"""Initial tables.

Revision 0001, follows nothing. It spells its tables out: the models go on changing, a migration must not.
"""

import sqlalchemy as sa
from alembic import op
from alembic.util.exc import CommandError

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    "set_aside", "cursors", "leases", "outbox", "inbox", "selection_entries", "selections",
    "training_entries", "training_sets", "mask_versions", "predictions", "service_history",
    "model_versions", "rounds", "readers", "frames", "projects",
)  # fmt: skip
MOMENT = sa.DateTime(timezone=True)
IS_LIVE = sa.text("state IN ('planned', 'training', 'gating')")
IS_PENDING = sa.text("done_at IS NULL")

REFUSE_ON_SQLITE = """
CREATE TRIGGER mask_versions_refuse_{event} BEFORE {event} ON mask_versions
BEGIN SELECT RAISE(ABORT, 'mask versions are append-only'); END
"""
REFUSE_ON_POSTGRESQL = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation'; END $$
"""
USE_ON_POSTGRESQL = """
CREATE TRIGGER mask_versions_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON mask_versions
EXECUTE FUNCTION refuse_change()
"""


def upgrade() -> None:
    """Make all tables, each naming only earlier ones, then the two keys that look ahead."""
    create_catalogue()
    create_training()
    create_labels()
    create_manifests_and_selections()
    create_messages()
    with op.batch_alter_table("projects") as batch:
        batch.create_foreign_key("fk_projects_champion_id", "model_versions", ["champion_id"], ["id"])
    with op.batch_alter_table("rounds") as batch:
        batch.create_foreign_key("fk_rounds_candidate_id", "model_versions", ["candidate_id"], ["id"])
    op.create_index(
        "one_live_round",
        "rounds",
        ["project_id"],
        unique=True,
        sqlite_where=IS_LIVE,
        postgresql_where=IS_LIVE,
    )
    refuse_changes_of_mask_versions()


def create_catalogue() -> None:
    """Projects, frames, readers."""
    op.create_table(
        "projects",
        row_id(),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("classes", sa.JSON(), nullable=False),
        sa.Column("label_studio_id", sa.BigInteger(), unique=True),
        sa.Column("champion_id", sa.Integer()),
        sa.Column("settings", sa.JSON(), nullable=False),
    )
    op.create_table(
        "frames",
        row_id(),
        reference("project_id", "projects.id"),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("clip", sa.Text(), nullable=False),
        sa.Column("patient", sa.Text()),
        sa.Column("is_held_out", sa.Boolean(), nullable=False),
        sa.Column("task_id", sa.BigInteger(), unique=True),
        sa.Column("imported_at", MOMENT, nullable=False),
        sa.UniqueConstraint("project_id", "digest"),
    )
    op.create_table(
        "readers",
        row_id(),
        sa.Column("user_id", sa.BigInteger(), nullable=False, unique=True),
        sa.Column("is_simulated", sa.Boolean(), nullable=False),
    )


def create_training() -> None:
    """Rounds, training sets, model versions and their service."""
    op.create_table("training_sets", sa.Column("digest", sa.Text(), primary_key=True))
    op.create_table(
        "rounds",
        row_id(),
        reference("project_id", "projects.id"),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("lease_until", MOMENT),
        sa.Column("label_count", sa.Integer(), nullable=False),
        sa.Column("training_set_digest", sa.Text(), sa.ForeignKey("training_sets.digest")),
        sa.Column("candidate_id", sa.Integer()),
        sa.Column("base", sa.Text()),
        sa.Column("is_cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("progress", sa.JSON(), nullable=False),
        sa.Column("verdict", sa.JSON()),
        sa.Column("error", sa.Text()),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT),
        sa.UniqueConstraint("project_id", "number"),
    )
    op.create_table(
        "model_versions",
        row_id(),
        reference("project_id", "projects.id"),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("round_id", sa.Integer(), sa.ForeignKey("rounds.id")),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.UniqueConstraint("project_id", "number"),
        sa.UniqueConstraint("project_id", "name"),
        sa.UniqueConstraint("round_id", "digest"),
    )
    op.create_table(
        "service_history",
        row_id(),
        reference("project_id", "projects.id", index=True),
        reference("model_version_id", "model_versions.id"),
        sa.Column("since", MOMENT, nullable=False),
    )


def create_labels() -> None:
    """Predictions and mask versions."""
    op.create_table(
        "predictions",
        row_id(),
        reference("frame_id", "frames.id"),
        reference("model_version_id", "model_versions.id", index=True),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("mask_digest", sa.Text()),
        sa.Column("uncertainty", sa.Double()),
        sa.Column("place", sa.Double()),
        sa.Column("remote_id", sa.BigInteger(), unique=True),
        sa.UniqueConstraint("frame_id", "model_version_id"),
    )
    op.create_table(
        "mask_versions",
        row_id(),
        reference("frame_id", "frames.id", index=True),
        sa.Column("annotation_id", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("is_tombstone", sa.Boolean(), nullable=False),
        sa.Column("reader_id", sa.Integer(), sa.ForeignKey("readers.id")),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("mask_digest", sa.Text()),
        sa.Column("seconds", sa.Double()),
        sa.Column("proposal_id", sa.Integer(), sa.ForeignKey("predictions.id")),
        sa.Column("dice_to_proposal", sa.Double()),
        sa.Column("is_simulated", sa.Boolean(), nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.UniqueConstraint("annotation_id", "updated_at", "is_tombstone"),
    )


def create_manifests_and_selections() -> None:
    """The entries of training sets, and the orderings of the pool."""
    op.create_table(
        "training_entries",
        sa.Column("training_set_digest", sa.Text(), sa.ForeignKey("training_sets.digest"), primary_key=True),
        sa.Column("position", sa.Integer(), primary_key=True),
        reference("frame_id", "frames.id"),
        sa.Column("frame_digest", sa.Text(), nullable=False),
        reference("mask_version_id", "mask_versions.id"),
        sa.Column("mask_digest", sa.Text(), nullable=False),
        sa.Column("group", sa.Text(), nullable=False),
        sa.Column("split", sa.Text(), nullable=False),
    )
    op.create_table(
        "selections",
        row_id(),
        reference("project_id", "projects.id", index=True),
        reference("model_version_id", "model_versions.id"),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
    )
    op.create_table(
        "selection_entries",
        sa.Column("selection_id", sa.Integer(), sa.ForeignKey("selections.id"), primary_key=True),
        sa.Column("rank", sa.Integer(), primary_key=True),
        reference("frame_id", "frames.id"),
        sa.Column("arm", sa.Text(), nullable=False),
        sa.Column("uncertainty", sa.Double()),
    )


def create_messages() -> None:
    """Inbox, outbox, leases, cursors, what was set aside."""
    op.create_table(
        "inbox",
        row_id(),
        sa.Column("key", sa.Text(), nullable=False, unique=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("label_studio_project", sa.BigInteger()),
        sa.Column("annotation_ids", sa.JSON(), nullable=False),
        sa.Column("task_ids", sa.JSON(), nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("done_at", MOMENT),
        sa.Column("error", sa.Text()),
    )
    op.create_table(
        "outbox",
        row_id(),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("done_at", MOMENT),
        sa.Column("error", sa.Text()),
    )
    for table in ("inbox", "outbox"):
        op.create_index(
            f"{table}_pending", table, ["id"], sqlite_where=IS_PENDING, postgresql_where=IS_PENDING
        )
    op.create_table(
        "leases",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("until", MOMENT, nullable=False),
    )
    op.create_table(
        "cursors",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("value", sa.Text(), nullable=False),
    )
    op.create_table(
        "set_aside",
        row_id(),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.UniqueConstraint("kind", "subject"),
    )


def refuse_changes_of_mask_versions() -> None:
    """Make the database itself refuse to rewrite history."""
    if op.get_bind().dialect.name == "sqlite":
        for event in ("UPDATE", "DELETE"):
            op.execute(REFUSE_ON_SQLITE.format(event=event))
    else:
        op.execute(REFUSE_ON_POSTGRESQL)
        op.execute(USE_ON_POSTGRESQL)


def row_id() -> sa.Column[int]:
    """The key that the database counts up."""
    return sa.Column("id", sa.Integer(), primary_key=True)


def reference(name: str, target: str, *, index: bool = False) -> sa.Column[int]:
    """A column that always names a row of another table."""
    return sa.Column(name, sa.Integer(), sa.ForeignKey(target), nullable=False, index=index)


def downgrade() -> None:
    """Drop every table, unless a reader's work is in them: that is removed by no migration."""
    connection = op.get_bind()
    if connection.execute(sa.text("SELECT 1 FROM mask_versions LIMIT 1")).first():
        raise CommandError("mask versions are append-only; a database that holds some stays at 0001")
    is_sqlite = connection.dialect.name == "sqlite"
    for table in TABLES:  # they name each other in a ring; SQLite asks for no order while a migration runs
        op.execute(f"DROP TABLE {table}" if is_sqlite else f"DROP TABLE {table} CASCADE")
    if not is_sqlite:
        op.execute("DROP FUNCTION refuse_change()")
