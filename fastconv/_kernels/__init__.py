"""Compiled kernels, one module per source and CPU level; `fastconv._cpu` picks among them.

A `.pyx` is a kernel: functions that read their operands and have the team's threads compute pieces of the result. A
`.pxd` is what kernels have in common, or how one of them divides its work; a `.h` is the innermost loop, written once
for both float types or for all elements of pooling. Each says at its top what it computes and how.

    convolution            direct direct_last              a matrix product: product stage columns stripes pack, tile.h,
                                                           turned_weights; channels last stage_last taps_last
                             with lanes along              output channels (across, across_cost), the depth (deep,
                                                           deep_patches, deep_taps, dot_tile), both (rest,
                                                           mixed_tile); pixels sorted by sights; chosen in last_choice
                           filter near_rows planes         few channels and depthwise, channels first: staged_rows
                           few_last                        few output channels, channels last
                           depthwise_last                  depthwise, channels last; groups of few channels: ring
                           grouped                         groups of 8 to 32 channels: group_rows
                           winograd                        winograd_runs winograd_rules winograd_panels winograd_weights
                                                           winograd_transforms winograd_product winograd_few
                                                           winograd_pairs
                           winograd_short                  short sums at its points, lanes along tiles: unweave
                           winograd_rows                   of few outputs, along h alone
                           fourier                         blocks spectra fourier_plan fourier_team
                           im2col                          blas
                           seen_taps                       weights of taps that some output sees, for any of these
    transposed             phases                          what it takes besides convolutions, one for each phase
                           corners                         what sees little of the input, summed one by one
                           gather gather_last              sums of few products
                           disjoint disjoint_last          a product whose results lie apart,
                           overlap                         or are added up: overlap_product overlap_channels meeting
                             with stream.h                 of a few pixels, whose weights are read once
    gradient of weights    weight_grad                     sums of outer products; levels
                           winograd_grad                   minimal filtering: grad_tiles
                           point_grad pixel_grad           1x1 kernels; where they lie
                           tap_grad row_grad               few channels; depthwise 3x3
    pooling                pool                            pool_work rows strips strided turned pool_rows pool_along
                                                           flow_last far
                           pool_at                         with places: pool_at_work pool_at_choice strips_at turned
                                                           pool_at_rows tap_by_tap split
                           powers                          of lp pooling
    gradients of pooling   avg_grad scatter                spread_tables; the second for unpooling too
    columns, orders        patches turn                    unfold and fold: patch_tables; channels last to first and
                                                           back: turn_images
    padding                margins                         by what an image holds
    float16                halves                          to float32 and back
    memory, threads, CPU   heap team features              of no level: there is one of each; free_list, thread,
                                                           patience, presence
    to be measured         probe winograd_stages fourier_stages

Most have shape (the geometry), operand (the arrays), scratch, copy, simd and team in common, those of products tile and
ahead (what is asked for early), depthwise ones dilated, those of pooling window. A struct `Task` is what a kernel has
to do and how it divides that, a `Call` besides what one stage makes for the next.
"""
