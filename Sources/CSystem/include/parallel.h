// What the worker pool needs: processors of the affinity mask, futex, pause.
#ifndef CSYSTEM_PARALLEL_H
#define CSYSTEM_PARALLEL_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sched.h>
#include <stdint.h>

/// Number of processors in the affinity mask of the process.
static inline int32_t csystem_affinity_count(void) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    int count = CPU_COUNT(&set);
    return count > 0 ? count : 1;
}

#endif
