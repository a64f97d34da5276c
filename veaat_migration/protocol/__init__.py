"""The game in time: rounds, deadlines and roles as state machines without I/O or a clock."""
