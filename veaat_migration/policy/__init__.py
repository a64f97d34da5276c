"""How a player decides: one small interface, interchangeable policies. Imports numpy only."""
