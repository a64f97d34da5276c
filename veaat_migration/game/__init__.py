"""The migration game of the paper's Sections III and IV: definitions, followers, leaders, equilibrium.

Imports numpy and scipy only.
"""
