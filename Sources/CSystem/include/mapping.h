// Mapped files that survive being truncated by another process.
//
// Reading a page of a mapping beyond the end of its file, or one that the disk cannot deliver, raises SIGBUS. For
// registered mappings a handler puts zero pages from the faulting one to the end of the mapping and marks the mapping;
// the reader goes on with zeros and finds the mark at its next check. Any other SIGBUS takes the way it would have
// taken without the handler.
#ifndef CSYSTEM_MAPPING_H
#define CSYSTEM_MAPPING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Most mappings that can be registered at a time.
#define CSYSTEM_MAPPING_LIMIT 4096

/// Registers a mapping of `byte_count` > 0 bytes at `base` (page-aligned) and installs the handler at the first call.
/// Returns its slot, or -1 if all slots are taken or the handler cannot be installed. Safe from any thread.
int32_t csystem_mapping_register(const void *base, size_t byte_count);

/// Gives a slot back; before the memory is unmapped.
void csystem_mapping_unregister(int32_t slot);

/// Whether a page of this mapping could not be read since it was registered.
bool csystem_mapping_faulted(int32_t slot);

/// Whether a page of any mapping could not be read since the process started.
bool csystem_mapping_any_fault(void);

#endif
