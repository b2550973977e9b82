"""The database: models, repositories and migrations; the only importer of SQLAlchemy."""
