// The table of elementwise functions, reductions and attention.
#ifndef CINTRINSICS_ELEMENTWISE_H
#define CINTRINSICS_ELEMENTWISE_H

#include <stdint.h>

/// Entry points of the elementwise kernels, filled by `fillElementwiseKernels` of an instruction-set module.
typedef struct {
    /// y[i] += x[i], i < count.
    void (*add)(const float *x, float *y, int64_t count);
} qk_elementwise_kernels;

#endif
