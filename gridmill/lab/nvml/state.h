/* What callers changed: shared by every process of the machine, gone at reboot as on hardware. */
#ifndef GRIDMILL_STATE_H
#define GRIDMILL_STATE_H

#include "machine.h"

struct gpu_state {
    unsigned int power_limit_mw;
    unsigned int persistence;
    unsigned int compute_mode;
    unsigned int clock_sm_mhz, clock_memory_mhz; /* what applications asked for */
};

/* What runs on a GPU, from the load file that simulations of work write. */
struct gpu_load {
    unsigned int utilization_percent;
    unsigned int memory_used_mib;
};

/* The state of one GPU now; defaults where nothing was changed. Never blocks. */
struct gpu_state state_of(const struct gpu *gpu);

/* The load of one GPU now; zero where nothing is said. */
struct gpu_load load_of(const struct gpu *gpu);

/* Changes one GPU's state in place; `value` is handed through. */
typedef void (*state_change)(struct gpu_state *state, unsigned int value);

/*
 * Applies a change under a lock that all processes share.
 * NVML_ERROR_NO_PERMISSION when the caller may not write the state directory (only root may, in the lab);
 * NVML_ERROR_OPERATING_SYSTEM when writing fails otherwise.
 */
nvmlReturn_t state_apply(const struct gpu *gpu, state_change change, unsigned int value);

#endif
