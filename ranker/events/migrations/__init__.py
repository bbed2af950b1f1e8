"""The layouts of the PostgreSQL store, one after another; Alembic runs them."""
