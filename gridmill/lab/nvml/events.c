/* Events: sets can be made and waited on; nothing ever happens to a simulated GPU by itself. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "machine.h"

struct event_set {
    unsigned long long types;
};

nvmlReturn_t nvmlEventSetCreate(struct event_set **set)
{
    REQUIRE_SUCCESS(library_check());
    REQUIRE(set != NULL);
    *set = calloc(1, sizeof **set);
    return *set != NULL ? NVML_SUCCESS : NVML_ERROR_UNKNOWN;
}

nvmlReturn_t nvmlEventSetFree(struct event_set *set)
{
    REQUIRE_SUCCESS(library_check());
    REQUIRE(set != NULL);
    free(set);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetSupportedEventTypes(nvmlDevice_t device, unsigned long long *types)
{
    REQUIRE_DEVICE(device);
    REQUIRE(types != NULL);
    *types = EVENT_TYPES_KNOWN;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceRegisterEvents(nvmlDevice_t device, unsigned long long types, struct event_set *set)
{
    REQUIRE_DEVICE(device);
    REQUIRE(set != NULL);
    if ((types & ~(unsigned long long)EVENT_TYPES_KNOWN) != 0)
        return NVML_ERROR_NOT_SUPPORTED;
    set->types |= types;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlEventSetWait_v2(struct event_set *set, void *data, unsigned int timeout_ms)
{
    REQUIRE_SUCCESS(library_check());
    REQUIRE(set != NULL && data != NULL);
    struct timespec left = {.tv_sec = (time_t)(timeout_ms / 1000), .tv_nsec = (long)(timeout_ms % 1000) * 1000000L};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
    return NVML_ERROR_TIMEOUT;
}
NVML_ALIAS(nvmlEventSetWait, nvmlEventSetWait_v2);
