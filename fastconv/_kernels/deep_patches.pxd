"""What pixels of small maps see, made to lie along the depth for `deep.pxd`.

    patches[pixel][k]       of a block of the depth, k counting (channel, tap)

What a pixel sees of a row of a channels-first image is copied by one vector, else a panel is turned; of a channels-last
image the taps of some channels are.
"""

from fastconv._kernels.columns cimport STAGE_BYTES, fill_panel
from fastconv._kernels.copy cimport TAPS_TOGETHER
from fastconv._kernels.pack cimport ceil_div, pack_patches, pack_pixel, pack_rows
from fastconv._kernels.product cimport LINE, Task, round_up
from fastconv._kernels.shape cimport ConvShape, real, sees_no_padding
from fastconv._kernels.stage cimport plan_stage, stage_block
from fastconv._kernels.stage_last cimport under
from fastconv._kernels.turn cimport turn_block

cdef enum:
    FEW = 4                 # pixels, of which taps hardly share elements that a stage would fetch once
    SPLIT = 5               # quarters of a row of taps that are copied while a row of the image is split into more
    PAIR = 2                # phases than these
    PATCH_PRODUCTS = 64     # of a patch, or those of one channel, that are copied at a time


cdef inline bint packs_taps(const ConvShape *s) noexcept nogil:
    """Whether what a pixel sees of a row is copied at once, and nothing is turned."""
    return s.dw == 1 and s.kw <= TAPS_TOGETHER and s.kw * s.sw > 1


cdef inline bint shares_little(const Task *t) noexcept nogil:
    """Whether rows of taps of pixels are fewer than what is copied through a stage of several phases: rows of output
    for each tap, and before those of the image, which are dear where they are split into many."""
    cdef Py_ssize_t rows = t.s.od * t.s.oh * t.s.kd * t.s.kh, split = 0
    if t.pixels <= FEW or not t.staged or t.stage.slots_w == 1:
        return t.pixels <= FEW
    if t.stage.slots_w > PAIR:
        split = t.stage.deep * under(t.s.oh, t.s.sh, t.s.kh, t.s.dh)
    return 4 * rows * t.s.ow < 3 * rows * t.s.kw + SPLIT * split


cdef inline Py_ssize_t patch_channels(const Task *t) noexcept nogil:
    """Channels of which patches are copied at a time."""
    return max(PATCH_PRODUCTS // (t.depth // t.icg), <Py_ssize_t> 1)


cdef inline void plan_patches(Task *t, Py_ssize_t size, Py_ssize_t *table) noexcept nogil:
    """Plan to copy taps of rows from the image, or from a stage of some channels with its padding; `table` is that of
    the stage. Where that would be too large pixels are looked at one by one."""
    t.left = t.panel = t.staged = 0
    t.padded = t.s
    t.channels = patch_channels(t)
    if sees_no_padding(&t.s):
        return
    t.fine = t.s
    t.fine.sd = t.fine.sh = t.fine.sw = 1
    if plan_stage(&t.stage, &t.fine, size, table, (t.s.od - 1) * t.s.sd + 1, (t.s.oh - 1) * t.s.sh + 1,
                  (t.s.ow - 1) * t.s.sw + 1, STAGE_BYTES // size // (t.channels + 1)):
        t.staged = round_up((t.channels + 1) * t.stage.channel, LINE)
        t.padded.pd = t.padded.ph = t.padded.pw = 0
        t.padded.id, t.padded.ih, t.padded.iw = t.stage.deep, t.stage.rows, t.stage.cols


cdef inline void copy_patches(
    const Task *t, const real *x, Py_ssize_t k0, Py_ssize_t k1, real *stage, real *patches,
) noexcept nogil:
    """patches[pixel][k - k0] for k0 <= k < k1, of all pixels."""
    cdef Py_ssize_t taps = t.depth // t.icg, k = k0, end, c
    if t.staged == 0:
        pack_patches(&t.padded, x, t.xc, t.xd, t.xh, k0, k1, patches, t.patch)
        return
    while k < k1:
        c = k // taps
        end = min((c + t.channels) * taps, k1)
        stage_block(&t.stage, &t.fine, x + c * t.xc, t.xc, t.xd, t.xh, ceil_div(end, taps) - c, 0, 0, 0, stage)
        pack_patches(&t.padded, <const real *> stage, t.stage.channel, t.stage.depth, t.stage.cols, k - c * taps,
                     end - c * taps, patches + k - k0, t.patch)
        k = end


cdef inline void turn_columns(
    const Task *t, const real *x, Py_ssize_t k0, Py_ssize_t k1, real *stage, real *patches,
) noexcept nogil:
    """The same, of any channels-first image."""
    cdef Py_ssize_t k = k0, some, p
    cdef real *panel = stage + t.staged
    if t.flat:
        turn_block(sizeof(real), k1 - k0, t.pixels, x + k0 * t.xc, t.xc, patches, t.patch)
        return
    if t.pixels > FEW and packs_taps(&t.s):
        copy_patches(t, x, k0, k1, stage, patches)
        return
    if shares_little(t):
        for p in range(t.pixels):
            pack_pixel(&t.s, x, t.xc, t.xd, t.xh, k0, k1, p, patches + p * t.patch)
        return
    while k < k1:
        some = min(t.kc, k1 - k)
        fill_panel(t, x, k, k + some, 0, t.pixels, stage, panel)
        turn_block(sizeof(real), some, t.pixels, <const real *> panel, t.leading, patches + k - k0, t.patch)
        k += some


cdef inline void turn_pixels(
    const Task *t, const real *x, Py_ssize_t c0, Py_ssize_t c1, real *patches,
) noexcept nogil:
    """The same of a channels-last image, all k of [c0, c1); behind them is room for one pixel's (tap, c)."""
    cdef Py_ssize_t taps = t.s.kd * t.s.kh * t.s.kw, p
    cdef real *patch = patches + t.pixels * t.patch
    cdef ConvShape some = t.s
    some.ic, some.groups = c1 - c0, 1
    for p in range(t.pixels):
        if taps == 1:
            patch = patches
        pack_rows(&some, x + c0, t.xd, t.xh, t.xw, 0, taps * some.ic, p, p + 1, patch, 0)
        if taps > 1:
            turn_block(sizeof(real), taps, some.ic, <const real *> patch, some.ic, patches, taps)
        patches += t.patch


cdef inline void fill_patches(
    bint last, const Task *t, const real *x, Py_ssize_t k0, Py_ssize_t k1, real *stage, real *patches,
) noexcept nogil:
    """Patches of [k0, k1), block after block."""
    cdef Py_ssize_t taps = t.s.kd * t.s.kh * t.s.kw, k = k0, end
    while k < k1:
        end = min(k + t.deep, k1)
        if last:
            turn_pixels(t, x, k // taps, end // taps, patches)
        else:
            turn_columns(t, x, k, end, stage, patches)
        patches += t.pixels * t.patch
        k = end
