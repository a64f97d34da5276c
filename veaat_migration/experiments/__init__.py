"""The paper's figures as declared studies: cells, statistics, figures, claims and one report."""
