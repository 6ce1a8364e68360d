"""The store in SQL: SQLite inside the process, or PostgreSQL."""
