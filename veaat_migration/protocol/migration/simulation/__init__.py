"""Many migrations in simulated time: for tests, for benchmarks, for studies of whole fleets."""
