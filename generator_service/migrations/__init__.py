"""Alembic migrations; `generator_service.store.migrate` runs them."""
