#define _GNU_SOURCE
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keyvalue.h"

static const char DEFAULT_DIRECTORY[] = "/run/gridmill-lab";
static const char DIRECTORY_VARIABLE[] = "GRIDMILL_LAB_GPU_STATE";

enum { PATH_SIZE = 512 };

static const struct {
    const char *key;
    size_t offset;
} FIELDS[] = {
    {"power_limit_mw", offsetof(struct gpu_state, power_limit_mw)},
    {"persistence", offsetof(struct gpu_state, persistence)},
    {"compute_mode", offsetof(struct gpu_state, compute_mode)},
    {"clock_sm_mhz", offsetof(struct gpu_state, clock_sm_mhz)},
    {"clock_memory_mhz", offsetof(struct gpu_state, clock_memory_mhz)},
};
enum { FIELD_COUNT = sizeof FIELDS / sizeof FIELDS[0] };

static unsigned int *field_of(struct gpu_state *state, size_t field)
{
    return (unsigned int *)(void *)((char *)state + FIELDS[field].offset);
}

static const char *directory(void)
{
    const char *path = secure_getenv(DIRECTORY_VARIABLE);
    return path != NULL ? path : DEFAULT_DIRECTORY;
}

static void path_in(char *path, const char *name)
{
    snprintf(path, PATH_SIZE, "%s/%s", directory(), name);
}

static struct gpu_state defaults(void)
{
    return (struct gpu_state){
        .power_limit_mw = machine.power_default_w * 1000,
        .persistence = FEATURE_DISABLED,
        .compute_mode = COMPUTE_MODE_DEFAULT,
        .clock_sm_mhz = machine.clock_sm_mhz,
        .clock_memory_mhz = machine.clock_memory_mhz,
    };
}

static bool read_state(void *context, const char *key, const char *value)
{
    struct gpu_state *states = context;
    unsigned int slot, number;
    const char *name = keyvalue_gpu_key(key, &slot);
    if (name == NULL || slot >= MAXIMUM_GPUS || !keyvalue_number(value, &number))
        return false;
    for (size_t field = 0; field < FIELD_COUNT; ++field)
        if (strcmp(name, FIELDS[field].key) == 0)
            *field_of(&states[slot], field) = number;
    return true;
}

static void read_states(struct gpu_state states[MAXIMUM_GPUS])
{
    char path[PATH_SIZE];
    path_in(path, "gpus.state");
    for (unsigned int slot = 0; slot < MAXIMUM_GPUS; ++slot)
        states[slot] = defaults();
    if (keyvalue_read(path, read_state, states) > 0)
        fprintf(stderr, "simulated NVML: %s is damaged; the rest of it is ignored\n", path);
}

struct gpu_state state_of(const struct gpu *gpu)
{
    struct gpu_state states[MAXIMUM_GPUS];
    read_states(states);
    return states[gpu->slot];
}

static bool read_load(void *context, const char *key, const char *value)
{
    struct gpu_load *loads = context;
    unsigned int slot, number;
    const char *name = keyvalue_gpu_key(key, &slot);
    if (name == NULL || slot >= MAXIMUM_GPUS || !keyvalue_number(value, &number))
        return false;
    if (strcmp(name, "utilization_percent") == 0)
        loads[slot].utilization_percent = number > 100 ? 100 : number;
    if (strcmp(name, "memory_used_mib") == 0)
        loads[slot].memory_used_mib = number > machine.memory_mib ? machine.memory_mib : number;
    return true;
}

struct gpu_load load_of(const struct gpu *gpu)
{
    char path[PATH_SIZE];
    struct gpu_load loads[MAXIMUM_GPUS] = {{0, 0}};
    path_in(path, "gpus.load");
    keyvalue_read(path, read_load, loads);
    return loads[gpu->slot];
}

/* Writes a whole new file and renames it, so that readers never see half of one. */
static bool write_states(struct gpu_state states[MAXIMUM_GPUS])
{
    char path[PATH_SIZE], fresh[PATH_SIZE];
    path_in(path, "gpus.state");
    path_in(fresh, "gpus.state.new");
    FILE *file = fopen(fresh, "we");
    if (file == NULL)
        return false;
    for (unsigned int slot = 0; slot < machine.slots; ++slot)
        for (size_t field = 0; field < FIELD_COUNT; ++field)
            fprintf(file, "gpu.%u.%s = %u\n", slot, FIELDS[field].key, *field_of(&states[slot], field));
    bool written = !ferror(file) && fchmod(fileno(file), 0644) == 0;
    written = fclose(file) == 0 && written;
    return written && rename(fresh, path) == 0;
}

static nvmlReturn_t refusal(int reason)
{
    return reason == EACCES || reason == EPERM || reason == EROFS ? NVML_ERROR_NO_PERMISSION
                                                                  : NVML_ERROR_OPERATING_SYSTEM;
}

nvmlReturn_t state_apply(const struct gpu *gpu, state_change change, unsigned int value)
{
    char path[PATH_SIZE];
    if (mkdir(directory(), 0755) != 0 && errno != EEXIST)
        return refusal(errno);
    path_in(path, "gpus.lock");
    int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock < 0)
        return refusal(errno);
    int locked;
    while ((locked = flock(lock, LOCK_EX)) != 0 && errno == EINTR)
        continue;
    nvmlReturn_t outcome = locked == 0 ? NVML_SUCCESS : NVML_ERROR_OPERATING_SYSTEM;
    if (outcome == NVML_SUCCESS) {
        struct gpu_state states[MAXIMUM_GPUS];
        read_states(states);
        change(&states[gpu->slot], value);
        if (!write_states(states))
            outcome = refusal(errno);
    }
    close(lock);
    return outcome;
}
