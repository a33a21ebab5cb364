"""Processes of a loop on one machine: started together, started again when they die, and never left behind."""
