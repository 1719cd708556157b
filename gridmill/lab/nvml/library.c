/* The library as a whole: initialising, versions, error texts. */
#include <pthread.h>
#include <stdio.h>

#include "machine.h"

static pthread_mutex_t users_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned int users;

static nvmlReturn_t library_initialise(void)
{
    nvmlReturn_t outcome = NVML_SUCCESS;
    pthread_mutex_lock(&users_lock);
    if (users == 0)
        outcome = machine_load();
    if (outcome == NVML_SUCCESS)
        ++users;
    pthread_mutex_unlock(&users_lock);
    return outcome;
}

nvmlReturn_t library_check(void)
{
    pthread_mutex_lock(&users_lock);
    nvmlReturn_t outcome = users > 0 ? NVML_SUCCESS : NVML_ERROR_UNINITIALIZED;
    pthread_mutex_unlock(&users_lock);
    return outcome;
}

nvmlReturn_t nvmlInit_v2(void)
{
    return library_initialise();
}
NVML_ALIAS(nvmlInit, nvmlInit_v2);

nvmlReturn_t nvmlInitWithFlags(unsigned int flags)
{
    (void)flags;
    return library_initialise();
}

nvmlReturn_t nvmlShutdown(void)
{
    REQUIRE_SUCCESS(library_check());
    pthread_mutex_lock(&users_lock);
    --users;
    pthread_mutex_unlock(&users_lock);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int length)
{
    REQUIRE_SUCCESS(library_check());
    return copy_text(version, length, machine.driver_version);
}

nvmlReturn_t nvmlSystemGetNVMLVersion(char *version, unsigned int length)
{
    char text[TEXT_SIZE + 16];
    REQUIRE_SUCCESS(library_initialise()); /* may be asked for before nvmlInit */
    snprintf(text, sizeof text, "%u.%s", machine.cuda_major, machine.driver_version);
    nvmlShutdown();
    return copy_text(version, length, text);
}

nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int *version)
{
    REQUIRE(version != NULL);
    REQUIRE_SUCCESS(library_check());
    *version = (int)(machine.cuda_major * 1000 + machine.cuda_minor * 10);
    return NVML_SUCCESS;
}
NVML_ALIAS(nvmlSystemGetCudaDriverVersion, nvmlSystemGetCudaDriverVersion_v2);

/* Units are S-class chassis of long ago; exporters ask for their number all the same. */
nvmlReturn_t nvmlUnitGetCount(unsigned int *count)
{
    REQUIRE(count != NULL);
    REQUIRE_SUCCESS(library_check());
    *count = 0;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlGetExcludedDeviceCount(unsigned int *count)
{
    REQUIRE(count != NULL);
    *count = 0;
    return NVML_SUCCESS;
}
NVML_ALIAS(nvmlGetBlacklistDeviceCount, nvmlGetExcludedDeviceCount);

const char *nvmlErrorString(nvmlReturn_t result)
{
    static const char *const texts[] = {
        [0] = "Success",
        [1] = "Uninitialized",
        [2] = "Invalid Argument",
        [3] = "Not Supported",
        [4] = "Insufficient Permissions",
        [5] = "Already Initialized",
        [6] = "Not Found",
        [7] = "Insufficient Size",
        [8] = "Insufficient External Power",
        [9] = "Driver Not Loaded",
        [10] = "Timeout",
        [11] = "Interrupt Request Issue",
        [12] = "NVML Shared Library Not Found",
        [13] = "Function Not Found",
        [14] = "Corrupted infoROM",
        [15] = "GPU is lost",
        [16] = "GPU requires reset",
        [17] = "The operating system has blocked the request.",
        [18] = "RM has detected an NVML/RM version mismatch.",
        [19] = "In use by another client",
        [20] = "Insufficient Memory",
        [21] = "No data",
        [22] = "The requested vGPU operation is not available on target device, because ECC is enabled",
        [23] = "Insufficient Resources",
        [24] = "Requested frequency is not supported",
        [25] = "Argument version mismatch",
        [26] = "Deprecated",
        [27] = "Not ready",
        [28] = "GPU not found",
        [29] = "Invalid state",
    };
    unsigned int number = (unsigned int)result;
    return number < sizeof texts / sizeof texts[0] ? texts[number] : "Unknown Error";
}
