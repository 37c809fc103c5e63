/* Pixels of images that come from beyond the L2 cache, channels last.
 *
 *     window          o o          in registers: a few channels of all its pixels, then the next few: as many streams
 *     of 2 x 2        o o          as it has pixels, each of which ends with the pixel, and no prefetcher foresees them
 *                                  in passes: pixel after pixel as they lie in memory, what they come to in the L1 cache
 *
 * Passes take what the memory takes if windows share no pixels. Of those that do, they would read and write the L1
 * cache for each; there the registers stay, and the lines of windows FAR_AHEAD further on are asked for. AVX-512 on
 * Zen 4, us on one thread, means of float32, the second least of 12 by turns:
 *
 *                         registers    and asking    passes
 *     2x2 s2, 512@102x102      1252          1114       838
 *     2x2 s2, 512@200x200      6646          5044      4564
 *     8x8 s8, 512@160x160      4910          3976      2067
 *     3x3 s2, 512@100x100      1219           890      1327
 *     5x5 s2, 512@200x200      9388          7814     11375
 *     5x5 s2, 256@28x28          24            34        38        within the L2 cache
 */
#ifndef FASTCONV_FAR_H
#define FASTCONV_FAR_H

enum {
    FAR_CHUNK = 4096, /* bytes of a pixel up to which: what it comes to and where that was, and the pixel, fit any L1;
                         longer ones are streams that prefetchers foresee: 2x2 s2, 2048@57x57, 925 in registers and
                         1700 in passes, 1024@80x80 1341 and 886 */
    FAR_PIXEL = 1024, /* bytes of a pixel from which that repays: 2x2 s2 at 512 bytes, 128@200x200, 510 in registers and
                         607 in passes, 3x3 s2 at 256 bytes, 64@400x400, 1897 and 2181 with asking: prefetchers do it */
    FAR_AHEAD = 8192  /* bytes: 1 to 4 KiB gain less, 32 KiB the same */
};

#endif
