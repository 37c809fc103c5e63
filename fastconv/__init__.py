"""Convolutional-network operations on NumPy arrays."""
from fastconv._conv import conv1d, conv2d, conv3d
from fastconv._threads import get_num_threads, num_threads, set_num_threads
