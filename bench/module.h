/* module: what compare.py and peer.R call. One shape is open at a time. */
#ifndef BNORM_BENCH_MODULE_H
#define BNORM_BENCH_MODULE_H

#define EXPORT __attribute__((visibility("default")))

/* Makes the buffers of a shape; 0, or not when memory is out. Closes the one before. */
EXPORT int bench_open(long rows, long cols, int f32);
EXPORT void bench_close(void);

/* Chooses what is measured next, by name; column-major or not. 0, or not when it fails. */
EXPORT int bench_set(const char *op, int col_major, int threads);

/* The buffers "x", "dy", "out" (matrices), "gamma", "beta" (data), "mean", "rstd", "var" (double).
 */
EXPORT void *bench_buffer(const char *name);

/* Sides: those of measure.h by number, then oneDNN. */
EXPORT int bench_has(int side);
EXPORT double bench_time(int side, long calls); /* seconds a call, after an uncounted one */

/* Bytes that one call of what is set takes from the context's allocator, at its largest; -1 when it
 * fails. */
EXPORT long bench_memory(void);

/* From here on malloc keeps what is freed, however large: no side pays for fresh pages. */
EXPORT void bench_recycle(void);

/* The bound of the geometric mean, 0 when there is none; versions, "" for what is absent. */
EXPORT double bench_bound(const char *op, int col_major);
EXPORT const char *bench_version(const char *of); /* "bnorm", "isa", "onednn" */

/* For R's .C: as above. */
EXPORT void bench_r_recycle(void);
EXPORT void bench_r_open(int *rows, int *cols, int *failed);
EXPORT void bench_r_set(char **op, int *failed);
EXPORT void bench_r_time(int *side, int *calls, double *seconds);

#endif
