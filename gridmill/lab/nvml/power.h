/* What a GPU draws now: the one model behind every reading. */
#ifndef GRIDMILL_POWER_H
#define GRIDMILL_POWER_H

#include "state.h"

struct power_reading {
    unsigned int draw_mw, limit_mw;
    unsigned int temperature_c;
    unsigned int clock_sm_mhz;
    bool capped; /* the limit holds the draw down */
    struct gpu_load load;
};

struct power_reading power_read(const struct gpu *gpu);

#endif
