"""Tests of fastconv: one file per promise, all against ``reference``, SciPy or cases computed by hand.

    results     test_conv*, test_prepare, test_padding; test_conv_transpose, test_transpose_*; test_grad, test_weight_*;
                test_pool*, test_unfold, test_signal*; over drawn shapes test_properties, test_random_shapes; by the
                tests of others test_onnx, test_scipy_suite
    arrays      test_arrays, test_dtypes, test_out, test_empty, test_large_arrays; NaN, infinity and bits: test_numbers
    errors      test_bad_input, whose calls are rows of bad_input_*; test_messages, test_lack_of_memory
    kernels     the edges of their vectors, tiles and blocks: test_product, test_deep, test_few_last, test_group*,
                test_rings, test_near_rows, test_depthwise_last, test_winograd*, test_fft*, test_float_powers,
                test_memory, test_scratch_held
    choices     test_choices, test_reach, test_copies, test_cpu_levels, test_shapes, test_shared_numbers
    calls       test_door*, test_kept_*, test_team, test_thread*, test_presence, test_quota, test_fork
    the house   test_architecture, test_documents, test_types, test_build, test_cli, test_doctest, test_asv,
                test_reference, test_together

They share geometries (cases, pool_cases, transpose_cases, drawn, geometries), data and layouts, what a result is held
to (truth, by_reference, by_torch, tolerance), checks (*_checks), and loops over levels, methods and layouts within one
test (together).
"""
