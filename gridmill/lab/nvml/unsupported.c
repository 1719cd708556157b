#define _GNU_SOURCE
#include "unsupported.h"

#include <stdio.h>
#include <stdlib.h>

nvmlReturn_t unsupported(const char *function)
{
    if (secure_getenv("GRIDMILL_LAB_GPU_TRACE") != NULL)
        fprintf(stderr, "simulated NVML: %s is not supported\n", function);
    return NVML_ERROR_NOT_SUPPORTED;
}
