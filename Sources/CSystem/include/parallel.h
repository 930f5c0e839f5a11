// What the worker pool needs: processors of the affinity mask, futex, pause, a clock, a mark on threads.
#ifndef CSYSTEM_PARALLEL_H
#define CSYSTEM_PARALLEL_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/// Number of processors in the affinity mask of the process.
static inline int32_t csystem_affinity_count(void) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    int count = CPU_COUNT(&set);
    return count > 0 ? count : 1;
}

/// Whether a processor is in the affinity mask of the process.
static inline bool csystem_affinity_contains(int32_t processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (processor < 0 || processor >= CPU_SETSIZE || sched_getaffinity(0, sizeof set, &set) != 0) return false;
    return CPU_ISSET(processor, &set);
}

/// Processors that `csystem_affinity_contains` can tell about: 0 up to this.
static inline int32_t csystem_affinity_limit(void) { return CPU_SETSIZE; }

/// Sleeps until the word is woken, or returns at once if it does not hold `expected`; may return without cause.
static inline void csystem_futex_wait(const uint32_t *word, uint32_t expected) {
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

/// Wakes up to `count` threads that sleep on the word.
static inline void csystem_futex_wake(const uint32_t *word, int32_t count) {
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

/// Tells the processor that this is a waiting loop.
static inline void csystem_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    // `yield` does nothing on most processors; this waits for the pipeline, about as long as x86's instruction.
    __asm__ volatile("isb" ::: "memory");
#endif
}

/// Nanoseconds of the monotonic clock.
static inline int64_t csystem_monotonic_nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/// Names the calling thread in debuggers and `top`; at most 15 characters.
static inline void csystem_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }

/// Whether the calling thread is inside a task of a worker pool.
bool csystem_in_parallel_region(void);

/// Marks the calling thread as inside or outside of a task of a worker pool.
void csystem_mark_parallel_region(bool inside);

#endif
