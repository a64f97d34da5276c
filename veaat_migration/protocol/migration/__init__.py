"""A twin's move from one RSU to another, and who may act as its owner. Rules: docs/twins.md."""
