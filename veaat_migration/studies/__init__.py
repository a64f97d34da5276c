"""Parameter studies: many games that differ in some fields, each with its exact equilibrium."""
