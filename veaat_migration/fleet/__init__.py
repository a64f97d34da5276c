"""A whole city in one process: traffic, games and migrations of twins, and policies compared."""
