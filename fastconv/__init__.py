"""The operations of a convolutional network as plain functions on NumPy arrays.

The way through the house, the same for every function; nothing points upward:

    conv2d(input, weight, ...)      _conv.py, _pool.py    fronts: signature, docstring, a few lines of body
      a call like an earlier one    _door.pyx             goes straight to its kernel
      arrays: dtype, layout, out    _arrays.py            the only place that looks at memory order
        memory of results           _memory.pyx           kept from call to call
      sizes as integers             _sizes.py             and the refusal of what is not
      geometry from shapes          _geometry.py, ...     every shape formula and every error about shapes
        what outputs see            _reach.py             taps that meet nothing but padding are left out
      plan, cached                  _plan.py              the first method of the table that accepts and prefers
        methods as data             _methods.py           each says why it declines: _winograd.py, _fft.py, _direct.py
        CPU level                   _cpu.py               which build of the kernels this machine runs
      kernel: nogil, no checks      _kernels/*.pyx        trusts its inputs; _fft_conv.py stands before one
    out

Where to look for the rest; fronts first, then what they stand on:

    convolution          _conv _prepare; _packing (weights made ready), _corners (outputs that see little)
      direct sums        _direct: _depthwise _volumes _shared_rows _sights
      by transforms      _winograd _winograd_rules _winograd_rows _winograd_share, _fft
      prices             _costs (what they are of), _tuned (what was measured)
    transposed           _transpose; _transpose_geometry _phases _phase_plan _phase_parts _phase_cost
                         _phase_rows _phase_corners
    gradients            grad; _gradients _weight_choice _weight_axes, of pooling _pool_grad _avg_grad _scatter
    pooling              _pool _adaptive _global_pool _lp_pool _unpool; _pool_plan _pool_geometry
    columns              _patches (unfold, fold)
    SciPy's functions    signal; _signal_rules
    shapes, questions    shapes, _explain, probe
    threads              _threads; _quota
    the command          _cli __main__; _demo _demo_filters _demo_picture
    docstrings, types    _documented, _types
"""

from fastconv import grad, signal
from fastconv._adaptive import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
)
from fastconv._conv import conv1d, conv2d, conv3d
from fastconv._explain import choose_method, explain, show_config
from fastconv._global_pool import global_avg_pool, global_max_pool
from fastconv._lp_pool import lp_pool1d, lp_pool2d, lp_pool3d
from fastconv._patches import fold, unfold
from fastconv._pool import avg_pool1d, avg_pool2d, avg_pool3d, max_pool1d, max_pool2d, max_pool3d
from fastconv._prepare import prepare
from fastconv._threads import get_num_threads, num_threads, set_num_threads
from fastconv._transpose import conv_transpose1d, conv_transpose2d, conv_transpose3d
from fastconv._unpool import max_unpool1d, max_unpool2d, max_unpool3d
from fastconv.shapes import conv_output_shape, pool_output_shape, receptive_field

__version__ = "0.1.0"

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "choose_method",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_output_shape",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "explain",
    "fold",
    "get_num_threads",
    "global_avg_pool",
    "global_max_pool",
    "grad",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "num_threads",
    "pool_output_shape",
    "prepare",
    "receptive_field",
    "set_num_threads",
    "show_config",
    "signal",
    "unfold",
]
