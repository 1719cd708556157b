/* Behind every name of symbols.txt that is not ours. */
#ifndef GRIDMILL_UNSUPPORTED_H
#define GRIDMILL_UNSUPPORTED_H

#include "nvml_abi.h"

/*
 * Returns NVML_ERROR_NOT_SUPPORTED. With GRIDMILL_LAB_GPU_TRACE in the environment it also says on
 * standard error which function was asked for: the way to find what a program misses.
 */
nvmlReturn_t unsupported(const char *function);

#endif
