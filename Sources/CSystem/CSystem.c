// Includes its header so that an edit of the header rebuilds every module that imports it.
#include "CSystem.h"
