// System calls that the Swift overlay of the C library leaves out.
#ifndef CSYSTEM_H
#define CSYSTEM_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sched.h>
#include <stdint.h>
#include <unistd.h>

#include "parallel.h"
#include "mapping.h"
#include "sha256.h"

#endif
