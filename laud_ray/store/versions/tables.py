"""The tables of a taxonomy's versions, and of questions that a change of it made necessary. Rows are only added.

A run whose taxonomy has never changed has no rows here.
"""

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKeyConstraint,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from laud_ray.store.tables import UserText, checksum_column, metadata

taxonomies = Table(
    "taxonomies",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    # The digest of the tree, which is in the settings.
    Column("tree", String, nullable=False),
    # JSON: how the labels of the version before continue in this one; null for the first version.
    Column("succession", Text),
    # The first round whose model is trained with this version.
    Column("round", Integer, nullable=False),
    # Whether the run had ended when its taxonomy changed.
    Column("ended", Boolean, nullable=False),
    # JSON: table -> the last position with labels of earlier versions.
    Column("positions", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    checksum_column("taxonomies"),
)
# Questions about documents whose answers a version made unclear. They are asked with the purpose of the first question.
renewed_queries = Table(
    "renewed_queries",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=True),
    Column("document_id", UserText, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    ForeignKeyConstraint(["document_id"], ["queries.document_id"]),
    UniqueConstraint("document_id", "version"),
    checksum_column("renewed_queries"),
)
renewed_answers = Table(
    "renewed_answers",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=True),
    Column("document_id", UserText, nullable=False),
    Column("version", Integer, nullable=False),
    Column("label", UserText),
    Column("oracle", String, nullable=False),
    Column("cost", Float, nullable=False),
    Column("confidence", Float),
    Column("created_at", DateTime(timezone=True), nullable=False),
    ForeignKeyConstraint(["document_id", "version"], ["renewed_queries.document_id", "renewed_queries.version"]),
    UniqueConstraint("document_id", "version"),
    checksum_column("renewed_answers"),
)
