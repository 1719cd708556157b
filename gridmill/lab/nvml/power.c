/* Power, temperature, clocks: what a GPU draws and how it may be capped. */
#include "power.h"

#include <time.h>

enum { CLOCK_STEP_MHZ = 15, CLOCK_LOWEST_MHZ = 210, CLOCK_IDLE_MHZ = 345 };

static unsigned int power_limit_of(const struct gpu *gpu)
{
    unsigned int limit = state_of(gpu).power_limit_mw;
    if (limit < machine.power_minimum_w * 1000 || limit > machine.power_maximum_w * 1000)
        return machine.power_default_w * 1000; /* left from another description of the machine */
    return limit;
}

struct power_reading power_read(const struct gpu *gpu)
{
    struct power_reading reading = {.limit_mw = power_limit_of(gpu), .load = load_of(gpu)};
    unsigned long long maximum = machine.power_maximum_w * 1000ULL;
    /* Idle: from 10 to 15.7 % of the maximum, different from GPU to GPU (70 to 110 W of 700 W). */
    unsigned long long idle = maximum * (1000 + gpu->random % 570) / 10000;
    unsigned long long wanted = idle + (maximum - idle) * reading.load.utilization_percent / 100;
    unsigned long long flutter = machine_hash(gpu->uuid, (uint64_t)time(NULL)) % (maximum / 500 + 1);
    wanted = wanted > flutter ? wanted - flutter : 0;
    reading.capped = wanted > reading.limit_mw;
    reading.draw_mw = (unsigned int)(reading.capped ? reading.limit_mw - flutter : wanted);

    unsigned int asked = state_of(gpu).clock_sm_mhz;
    if (reading.load.utilization_percent == 0)
        reading.clock_sm_mhz = CLOCK_IDLE_MHZ;
    else if (reading.capped)
        reading.clock_sm_mhz = (unsigned int)(asked * (unsigned long long)reading.limit_mw / wanted);
    else
        reading.clock_sm_mhz = asked;
    reading.temperature_c = 26 + gpu->slot % 4 + (unsigned int)(45ULL * reading.draw_mw / maximum);
    return reading;
}

nvmlReturn_t nvmlDeviceGetPowerManagementMode(nvmlDevice_t device, unsigned int *mode)
{
    REQUIRE_DEVICE(device);
    REQUIRE(mode != NULL);
    *mode = FEATURE_ENABLED;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetPowerManagementLimit(nvmlDevice_t device, unsigned int *limit)
{
    REQUIRE_DEVICE(device);
    REQUIRE(limit != NULL);
    *limit = power_limit_of(device);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetEnforcedPowerLimit(nvmlDevice_t device, unsigned int *limit)
{
    return nvmlDeviceGetPowerManagementLimit(device, limit);
}

nvmlReturn_t nvmlDeviceGetPowerManagementDefaultLimit(nvmlDevice_t device, unsigned int *limit)
{
    REQUIRE_DEVICE(device);
    REQUIRE(limit != NULL);
    *limit = machine.power_default_w * 1000;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetPowerManagementLimitConstraints(nvmlDevice_t device, unsigned int *minimum,
                                                          unsigned int *maximum)
{
    REQUIRE_DEVICE(device);
    REQUIRE(minimum != NULL && maximum != NULL);
    *minimum = machine.power_minimum_w * 1000;
    *maximum = machine.power_maximum_w * 1000;
    return NVML_SUCCESS;
}

static void change_power_limit(struct gpu_state *state, unsigned int milliwatts)
{
    state->power_limit_mw = milliwatts;
}

nvmlReturn_t nvmlDeviceSetPowerManagementLimit(nvmlDevice_t device, unsigned int milliwatts)
{
    REQUIRE_DEVICE(device);
    REQUIRE(milliwatts >= machine.power_minimum_w * 1000 && milliwatts <= machine.power_maximum_w * 1000);
    return state_apply(device, change_power_limit, milliwatts);
}

nvmlReturn_t nvmlDeviceSetPowerManagementLimit_v2(nvmlDevice_t device, nvmlPowerValue_v2_t *value)
{
    REQUIRE_DEVICE(device);
    REQUIRE(value != NULL);
    if (value->version != STRUCT_VERSION(nvmlPowerValue_v2_t, 2))
        return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    if (value->scope != POWER_SCOPE_GPU)
        return NVML_ERROR_NOT_SUPPORTED;
    return nvmlDeviceSetPowerManagementLimit(device, value->milliwatts);
}

nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned int *milliwatts)
{
    REQUIRE_DEVICE(device);
    REQUIRE(milliwatts != NULL);
    *milliwatts = power_read(device).draw_mw;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetPowerSource(nvmlDevice_t device, unsigned int *source)
{
    REQUIRE_DEVICE(device);
    REQUIRE(source != NULL);
    *source = 0; /* mains */
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetPerformanceState(nvmlDevice_t device, unsigned int *state)
{
    REQUIRE_DEVICE(device);
    REQUIRE(state != NULL);
    *state = PERFORMANCE_STATE_0;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetPowerState(nvmlDevice_t device, unsigned int *state)
{
    return nvmlDeviceGetPerformanceState(device, state);
}

nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, unsigned int sensor, unsigned int *celsius)
{
    REQUIRE_DEVICE(device);
    REQUIRE(celsius != NULL && sensor == 0);
    *celsius = power_read(device).temperature_c;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetTemperatureThreshold(nvmlDevice_t device, unsigned int threshold, unsigned int *celsius)
{
    static const unsigned int thresholds[] = {[TEMPERATURE_SHUTDOWN] = 92,
                                              [TEMPERATURE_SLOWDOWN] = 89,
                                              [TEMPERATURE_MEMORY_MAXIMUM] = 95,
                                              [TEMPERATURE_GPU_MAXIMUM] = 87};
    REQUIRE_DEVICE(device);
    REQUIRE(celsius != NULL);
    if (threshold >= sizeof thresholds / sizeof thresholds[0])
        return NVML_ERROR_NOT_SUPPORTED;
    *celsius = thresholds[threshold];
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *utilization)
{
    REQUIRE_DEVICE(device);
    REQUIRE(utilization != NULL);
    utilization->gpu = load_of(device).utilization_percent;
    utilization->memory = utilization->gpu / 2;
    return NVML_SUCCESS;
}

static nvmlReturn_t idle_engine(nvmlDevice_t device, unsigned int *percent, unsigned int *period_us)
{
    REQUIRE_DEVICE(device);
    REQUIRE(percent != NULL && period_us != NULL);
    *percent = 0;
    *period_us = 1000000;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetEncoderUtilization(nvmlDevice_t device, unsigned int *percent, unsigned int *period_us)
{
    return idle_engine(device, percent, period_us);
}

nvmlReturn_t nvmlDeviceGetDecoderUtilization(nvmlDevice_t device, unsigned int *percent, unsigned int *period_us)
{
    return idle_engine(device, percent, period_us);
}

nvmlReturn_t nvmlDeviceGetJpgUtilization(nvmlDevice_t device, unsigned int *percent, unsigned int *period_us)
{
    return idle_engine(device, percent, period_us);
}

nvmlReturn_t nvmlDeviceGetOfaUtilization(nvmlDevice_t device, unsigned int *percent, unsigned int *period_us)
{
    return idle_engine(device, percent, period_us);
}

nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t device, unsigned int kind, unsigned int *mhz)
{
    REQUIRE_DEVICE(device);
    REQUIRE(mhz != NULL && kind < CLOCK_KINDS);
    *mhz = kind == CLOCK_MEMORY ? machine.clock_memory_mhz : power_read(device).clock_sm_mhz;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMaxClockInfo(nvmlDevice_t device, unsigned int kind, unsigned int *mhz)
{
    REQUIRE_DEVICE(device);
    REQUIRE(mhz != NULL && kind < CLOCK_KINDS);
    *mhz = kind == CLOCK_MEMORY ? machine.clock_memory_mhz : machine.clock_sm_mhz;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetDefaultApplicationsClock(nvmlDevice_t device, unsigned int kind, unsigned int *mhz)
{
    return nvmlDeviceGetMaxClockInfo(device, kind, mhz);
}

nvmlReturn_t nvmlDeviceGetMaxCustomerBoostClock(nvmlDevice_t device, unsigned int kind, unsigned int *mhz)
{
    return nvmlDeviceGetMaxClockInfo(device, kind, mhz);
}

nvmlReturn_t nvmlDeviceGetApplicationsClock(nvmlDevice_t device, unsigned int kind, unsigned int *mhz)
{
    REQUIRE_DEVICE(device);
    REQUIRE(mhz != NULL && kind < CLOCK_KINDS);
    struct gpu_state state = state_of(device);
    *mhz = kind == CLOCK_MEMORY ? state.clock_memory_mhz : state.clock_sm_mhz;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetClock(nvmlDevice_t device, unsigned int kind, unsigned int id, unsigned int *mhz)
{
    switch (id) {
    case CLOCK_ID_CURRENT:
        return nvmlDeviceGetClockInfo(device, kind, mhz);
    case CLOCK_ID_TARGET:
        return nvmlDeviceGetApplicationsClock(device, kind, mhz);
    case CLOCK_ID_DEFAULT:
    case CLOCK_ID_MAXIMUM:
        return nvmlDeviceGetMaxClockInfo(device, kind, mhz);
    default:
        return NVML_ERROR_INVALID_ARGUMENT;
    }
}

nvmlReturn_t nvmlDeviceGetSupportedMemoryClocks(nvmlDevice_t device, unsigned int *count, unsigned int *mhz)
{
    REQUIRE_DEVICE(device);
    REQUIRE(count != NULL);
    unsigned int room = *count;
    *count = 1;
    if (room < 1 || mhz == NULL)
        return NVML_ERROR_INSUFFICIENT_SIZE;
    mhz[0] = machine.clock_memory_mhz;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetSupportedGraphicsClocks(nvmlDevice_t device, unsigned int memory_mhz, unsigned int *count,
                                                  unsigned int *mhz)
{
    REQUIRE_DEVICE(device);
    REQUIRE(count != NULL);
    if (memory_mhz != machine.clock_memory_mhz)
        return NVML_ERROR_NOT_FOUND;
    unsigned int room = *count;
    *count = (machine.clock_sm_mhz - CLOCK_LOWEST_MHZ) / CLOCK_STEP_MHZ + 1;
    if (room < *count || mhz == NULL)
        return NVML_ERROR_INSUFFICIENT_SIZE;
    for (unsigned int i = 0; i < *count; ++i)
        mhz[i] = machine.clock_sm_mhz - i * CLOCK_STEP_MHZ;
    return NVML_SUCCESS;
}

static void change_sm_clock(struct gpu_state *state, unsigned int mhz)
{
    state->clock_sm_mhz = mhz;
}

nvmlReturn_t nvmlDeviceSetApplicationsClocks(nvmlDevice_t device, unsigned int memory_mhz, unsigned int sm_mhz)
{
    REQUIRE_DEVICE(device);
    REQUIRE(memory_mhz == machine.clock_memory_mhz);
    REQUIRE(sm_mhz >= CLOCK_LOWEST_MHZ && sm_mhz <= machine.clock_sm_mhz);
    REQUIRE((machine.clock_sm_mhz - sm_mhz) % CLOCK_STEP_MHZ == 0);
    return state_apply(device, change_sm_clock, sm_mhz);
}

nvmlReturn_t nvmlDeviceResetApplicationsClocks(nvmlDevice_t device)
{
    REQUIRE_DEVICE(device);
    return state_apply(device, change_sm_clock, machine.clock_sm_mhz);
}

nvmlReturn_t nvmlDeviceGetCurrentClocksEventReasons(nvmlDevice_t device, unsigned long long *reasons)
{
    REQUIRE_DEVICE(device);
    REQUIRE(reasons != NULL);
    struct power_reading reading = power_read(device);
    *reasons = reading.load.utilization_percent == 0 ? CLOCKS_EVENT_IDLE : 0;
    if (reading.capped)
        *reasons |= CLOCKS_EVENT_POWER_CAP;
    return NVML_SUCCESS;
}
NVML_ALIAS(nvmlDeviceGetCurrentClocksThrottleReasons, nvmlDeviceGetCurrentClocksEventReasons);

nvmlReturn_t nvmlDeviceGetSupportedClocksEventReasons(nvmlDevice_t device, unsigned long long *reasons)
{
    REQUIRE_DEVICE(device);
    REQUIRE(reasons != NULL);
    *reasons = CLOCKS_EVENTS_KNOWN;
    return NVML_SUCCESS;
}
NVML_ALIAS(nvmlDeviceGetSupportedClocksThrottleReasons, nvmlDeviceGetSupportedClocksEventReasons);
