/* Memory, its error counters, and the modes a GPU is in. */
#include <string.h>

#include "state.h"

enum { RESERVED_MIB = 551, BAR1_MIB = 131072 };

static const unsigned long long MIB = 1024ULL * 1024ULL;

static unsigned long long memory_reserved(void)
{
    unsigned int reserved = machine.memory_mib > 8 * RESERVED_MIB ? RESERVED_MIB : 0;
    return reserved * MIB;
}

nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory)
{
    REQUIRE_DEVICE(device);
    REQUIRE(memory != NULL);
    if (memory->version != STRUCT_VERSION(nvmlMemory_v2_t, 2))
        return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    unsigned long long available = machine.memory_mib * MIB - memory_reserved();
    unsigned long long used = load_of(device).memory_used_mib * MIB;
    memory->total = machine.memory_mib * MIB;
    memory->reserved = memory_reserved();
    memory->used = used > available ? available : used;
    memory->free = available - memory->used;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory)
{
    nvmlMemory_v2_t detailed = {.version = STRUCT_VERSION(nvmlMemory_v2_t, 2)};
    REQUIRE(memory != NULL);
    REQUIRE_SUCCESS(nvmlDeviceGetMemoryInfo_v2(device, &detailed));
    *memory = (nvmlMemory_t){detailed.total, detailed.free, detailed.used + detailed.reserved};
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetBAR1MemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory)
{
    REQUIRE_DEVICE(device);
    REQUIRE(memory != NULL);
    *memory = (nvmlMemory_t){BAR1_MIB * MIB, (BAR1_MIB - 1) * MIB, MIB};
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetEccMode(nvmlDevice_t device, unsigned int *current, unsigned int *pending)
{
    REQUIRE_DEVICE(device);
    REQUIRE(current != NULL && pending != NULL);
    *current = *pending = FEATURE_ENABLED;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetDefaultEccMode(nvmlDevice_t device, unsigned int *mode)
{
    REQUIRE_DEVICE(device);
    REQUIRE(mode != NULL);
    *mode = FEATURE_ENABLED;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetTotalEccErrors(nvmlDevice_t device, unsigned int error, unsigned int counter,
                                         unsigned long long *count)
{
    REQUIRE_DEVICE(device);
    REQUIRE(count != NULL && error < ECC_ERROR_KINDS && counter < ECC_COUNTER_KINDS);
    *count = 0;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMemoryErrorCounter(nvmlDevice_t device, unsigned int error, unsigned int counter,
                                             unsigned int location, unsigned long long *count)
{
    REQUIRE_DEVICE(device);
    REQUIRE(count != NULL && error < ECC_ERROR_KINDS && counter < ECC_COUNTER_KINDS);
    if (location != ECC_LOCATION_DRAM && location != ECC_LOCATION_SRAM)
        return NVML_ERROR_NOT_SUPPORTED;
    *count = 0;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetDetailedEccErrors(nvmlDevice_t device, unsigned int error, unsigned int counter,
                                            nvmlEccErrorCounts_t *counts)
{
    REQUIRE_DEVICE(device);
    REQUIRE(counts != NULL && error < ECC_ERROR_KINDS && counter < ECC_COUNTER_KINDS);
    memset(counts, 0, sizeof *counts);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetSramEccErrorStatus(nvmlDevice_t device, nvmlEccSramErrorStatus_t *status)
{
    REQUIRE_DEVICE(device);
    REQUIRE(status != NULL);
    if (status->version != STRUCT_VERSION(nvmlEccSramErrorStatus_t, 1))
        return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    *status = (nvmlEccSramErrorStatus_t){.version = status->version};
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetRemappedRows(nvmlDevice_t device, unsigned int *corrected, unsigned int *uncorrected,
                                       unsigned int *pending, unsigned int *failed)
{
    REQUIRE_DEVICE(device);
    REQUIRE(corrected != NULL && uncorrected != NULL && pending != NULL && failed != NULL);
    *corrected = *uncorrected = *pending = *failed = 0;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetRowRemapperHistogram(nvmlDevice_t device, nvmlRowRemapperHistogramValues_t *values)
{
    enum { BANKS = 2560 };
    REQUIRE_DEVICE(device);
    REQUIRE(values != NULL);
    *values = (nvmlRowRemapperHistogramValues_t){.maximum = BANKS};
    return NVML_SUCCESS;
}

/* Multi-instance GPU is there but off, as machines are delivered. */
nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned int *current, unsigned int *pending)
{
    REQUIRE_DEVICE(device);
    REQUIRE(current != NULL && pending != NULL);
    *current = *pending = FEATURE_DISABLED;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t device, unsigned int *count)
{
    REQUIRE_DEVICE(device);
    REQUIRE(count != NULL);
    *count = 0;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t device, unsigned int index, nvmlDevice_t *mig)
{
    (void)index;
    REQUIRE_DEVICE(device);
    REQUIRE(mig != NULL);
    return NVML_ERROR_NOT_FOUND;
}

nvmlReturn_t nvmlDeviceGetPersistenceMode(nvmlDevice_t device, unsigned int *mode)
{
    REQUIRE_DEVICE(device);
    REQUIRE(mode != NULL);
    *mode = state_of(device).persistence;
    return NVML_SUCCESS;
}

static void change_persistence(struct gpu_state *state, unsigned int mode)
{
    state->persistence = mode;
}

nvmlReturn_t nvmlDeviceSetPersistenceMode(nvmlDevice_t device, unsigned int mode)
{
    REQUIRE_DEVICE(device);
    REQUIRE(mode <= FEATURE_ENABLED);
    return state_apply(device, change_persistence, mode);
}

nvmlReturn_t nvmlDeviceGetComputeMode(nvmlDevice_t device, unsigned int *mode)
{
    REQUIRE_DEVICE(device);
    REQUIRE(mode != NULL);
    *mode = state_of(device).compute_mode;
    return NVML_SUCCESS;
}

static void change_compute_mode(struct gpu_state *state, unsigned int mode)
{
    state->compute_mode = mode;
}

nvmlReturn_t nvmlDeviceSetComputeMode(nvmlDevice_t device, unsigned int mode)
{
    REQUIRE_DEVICE(device);
    REQUIRE(mode < COMPUTE_MODE_KINDS);
    return state_apply(device, change_compute_mode, mode);
}

nvmlReturn_t nvmlDeviceGetAccountingMode(nvmlDevice_t device, unsigned int *mode)
{
    REQUIRE_DEVICE(device);
    REQUIRE(mode != NULL);
    *mode = FEATURE_DISABLED;
    return NVML_SUCCESS;
}

/* Nothing can run on a GPU that is not there. */
static nvmlReturn_t no_processes(nvmlDevice_t device, unsigned int *count, void *processes)
{
    (void)processes;
    REQUIRE_DEVICE(device);
    REQUIRE(count != NULL);
    *count = 0;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device, unsigned int *count, void *processes)
{
    return no_processes(device, count, processes);
}
NVML_ALIAS(nvmlDeviceGetComputeRunningProcesses, nvmlDeviceGetComputeRunningProcesses_v3);
NVML_ALIAS(nvmlDeviceGetComputeRunningProcesses_v2, nvmlDeviceGetComputeRunningProcesses_v3);

nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses_v3(nvmlDevice_t device, unsigned int *count, void *processes)
{
    return no_processes(device, count, processes);
}
NVML_ALIAS(nvmlDeviceGetGraphicsRunningProcesses, nvmlDeviceGetGraphicsRunningProcesses_v3);
NVML_ALIAS(nvmlDeviceGetGraphicsRunningProcesses_v2, nvmlDeviceGetGraphicsRunningProcesses_v3);

nvmlReturn_t nvmlDeviceGetMPSComputeRunningProcesses_v3(nvmlDevice_t device, unsigned int *count, void *processes)
{
    return no_processes(device, count, processes);
}
NVML_ALIAS(nvmlDeviceGetMPSComputeRunningProcesses, nvmlDeviceGetMPSComputeRunningProcesses_v3);
NVML_ALIAS(nvmlDeviceGetMPSComputeRunningProcesses_v2, nvmlDeviceGetMPSComputeRunningProcesses_v3);
