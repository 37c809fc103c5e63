"""The parts of `peers.py`: tasks, the contenders, the clock, the machine's limits, tables and the roofline."""
