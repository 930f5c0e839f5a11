// The table of matrix products with stored weights.
#ifndef CINTRINSICS_PRODUCTS_H
#define CINTRINSICS_PRODUCTS_H

#include <stdint.h>

/// Entry points of the products, filled by `fillProductKernels` of an instruction-set module.
typedef struct {
    int32_t reserved;
} qk_product_kernels;

#endif
