"""The paper's Section V, on torch: agents that learn the equilibrium, pruned while they learn."""
