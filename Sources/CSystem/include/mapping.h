// Mapped files that survive being truncated by another process.
#ifndef CSYSTEM_MAPPING_H
#define CSYSTEM_MAPPING_H

#include <stdint.h>

#endif
