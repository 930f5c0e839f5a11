// Includes its header so that an edit of the header rebuilds every module that imports it.
#include "CSystem.h"

static _Thread_local bool in_parallel_region;

bool csystem_in_parallel_region(void) { return in_parallel_region; }

void csystem_mark_parallel_region(bool inside) { in_parallel_region = inside; }
