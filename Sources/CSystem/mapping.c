#include "mapping.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

// A slot is free while `base` is 0; the handler reads it without locks. `byte_count` is stored between a base of 0 and the
// new one, so a base that is the same before and after the size was read has that size.
struct mapping {
    _Atomic uintptr_t base;
    _Atomic size_t byte_count;
    _Atomic bool faulted;
};

static struct mapping mappings[CSYSTEM_MAPPING_LIMIT];
static _Atomic int32_t used_slots; // slots beyond this index were never taken
static _Atomic bool any_fault;
static uintptr_t page_size;
static struct sigaction previous_action;
static bool is_installed;
static pthread_mutex_t registration = PTHREAD_MUTEX_INITIALIZER;

// Calls only mmap, sigaction, raise and atomics: each is async-signal-safe on Linux and macOS (mmap is a bare system call).
static void handle_bus_error(int signal_number, siginfo_t *information, void *context) {
    (void)context;
    int saved_error = errno;
    uintptr_t address = (uintptr_t)information->si_addr;
    int32_t count = atomic_load_explicit(&used_slots, memory_order_acquire);
    // A code of 0 or less is a signal that a process sent: its address means nothing.
    for (int32_t slot = 0; information->si_code > 0 && slot < count; slot++) {
        struct mapping *mapping = &mappings[slot];
        uintptr_t base = atomic_load_explicit(&mapping->base, memory_order_acquire);
        if (base == 0 || address < base) continue;
        size_t byte_count = atomic_load_explicit(&mapping->byte_count, memory_order_acquire);
        if (atomic_load_explicit(&mapping->base, memory_order_relaxed) != base) continue;
        if (address - base >= byte_count) continue;
        uintptr_t page = address & ~(page_size - 1);
        void *zeros = mmap((void *)page, base + byte_count - page, PROT_READ, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (zeros == MAP_FAILED) break;
        atomic_store_explicit(&mapping->faulted, true, memory_order_release);
        atomic_store_explicit(&any_fault, true, memory_order_release);
        errno = saved_error;
        return;
    }
    // Not ours: with the previous action in place the faulting instruction runs again and faults for that.
    sigaction(signal_number, &previous_action, NULL);
    if (information->si_code <= 0) raise(signal_number);
    errno = saved_error;
}

static bool install(void) {
    if (is_installed) return true;
    page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
    struct sigaction action = {0};
    action.sa_sigaction = handle_bus_error;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    is_installed = sigaction(SIGBUS, &action, &previous_action) == 0;
    return is_installed;
}

int32_t csystem_mapping_register(const void *base, size_t byte_count) {
    int32_t taken = -1;
    pthread_mutex_lock(&registration);
    if (install()) {
        for (int32_t slot = 0; slot < CSYSTEM_MAPPING_LIMIT; slot++) {
            struct mapping *mapping = &mappings[slot];
            if (atomic_load_explicit(&mapping->base, memory_order_relaxed) != 0) continue;
            atomic_store_explicit(&mapping->faulted, false, memory_order_relaxed);
            atomic_store_explicit(&mapping->byte_count, byte_count, memory_order_release);
            atomic_store_explicit(&mapping->base, (uintptr_t)base, memory_order_release);
            if (slot >= atomic_load_explicit(&used_slots, memory_order_relaxed)) {
                atomic_store_explicit(&used_slots, slot + 1, memory_order_release);
            }
            taken = slot;
            break;
        }
    }
    pthread_mutex_unlock(&registration);
    return taken;
}

void csystem_mapping_unregister(int32_t slot) {
    if (slot < 0 || slot >= CSYSTEM_MAPPING_LIMIT) return;
    atomic_store_explicit(&mappings[slot].base, 0, memory_order_release);
}

bool csystem_mapping_faulted(int32_t slot) {
    if (slot < 0 || slot >= CSYSTEM_MAPPING_LIMIT) return false;
    return atomic_load_explicit(&mappings[slot].faulted, memory_order_acquire);
}

bool csystem_mapping_any_fault(void) { return atomic_load_explicit(&any_fault, memory_order_acquire); }
