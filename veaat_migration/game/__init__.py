"""The migration game of the paper's Sections III and IV, and its equilibrium.

Imports numpy and scipy only.
"""
