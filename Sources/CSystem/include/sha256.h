// SHA-256 by the instructions that processors have for it.
#ifndef CSYSTEM_SHA256_H
#define CSYSTEM_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Whether this processor has SHA-256 instructions that this build uses.
bool csystem_has_sha256(void);

/// Takes whole blocks of 64 bytes into the state; only where `csystem_has_sha256` holds.
/// `constants` are the 64 round constants of FIPS 180-4, section 4.2.2.
void csystem_sha256(uint32_t state[8], const uint8_t *data, size_t block_count, const uint32_t constants[64]);

#endif
