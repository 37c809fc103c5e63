"""What `reference` gives, the last results kept: of one case every CPU level, method and layout asks for the same."""

import functools
import hashlib
import pickle

import numpy as np

import reference

KEPT = 32


def kept(function):
    """`function`, called once for the same arguments while they are among the last; its results are read-only."""
    results = {}

    @functools.wraps(function)
    def call(*args, **settings):
        key = hashlib.sha256(pickle.dumps((args, settings))).digest()
        if key not in results:
            if len(results) == KEPT:
                del results[next(iter(results))]
            results[key] = function(*args, **settings)
            for array in results[key] if isinstance(results[key], tuple) else (results[key],):
                np.asarray(array).flags.writeable = False
        return results[key]

    return call


conv, conv_transpose = kept(reference.conv), kept(reference.conv_transpose)
max_pool, avg_pool, lp_pool = kept(reference.max_pool), kept(reference.avg_pool), kept(reference.lp_pool)
adaptive_max_pool, adaptive_avg_pool = kept(reference.adaptive_max_pool), kept(reference.adaptive_avg_pool)
