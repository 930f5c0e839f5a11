// Instruction wrappers and kernel tables for the instruction-set targets.
//
// Every function here is static inline and always inlined: it takes on the instruction-set flags of the Swift module
// that imports it. The tables are plain structs of C function pointers, so that one shared Swift source can fill them
// in each instruction-set module without leaking Swift type metadata compiled with wide registers.
#ifndef CINTRINSICS_H
#define CINTRINSICS_H

#include <stdint.h>
#include <stddef.h>

#include "lanes.h"
#include "products.h"
#include "elementwise.h"
#include "quantizers.h"
#include "planes.h"

#endif
