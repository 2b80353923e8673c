"""How many faults in a tile its verification finds, and which it does not."""
