"""Whole tasks from data to figures, as the scripts and notebooks run them."""
