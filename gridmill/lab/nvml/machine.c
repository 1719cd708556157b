#define _GNU_SOURCE
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keyvalue.h"

static const char DEFAULT_PATH[] = "/etc/gridmill-lab/gpus.conf";
static const char PATH_VARIABLE[] = "GRIDMILL_LAB_GPUS";
static const char DEVICES_VARIABLE[] = "GRIDMILL_LAB_GPU_DEVICES";
/* In front, because nvidia-smi cuts long names off at their end. */
static const char MARK[] = "simulated ";

/* Where an HGX baseboard of eight GPUs and four NVSwitches usually shows them. */
static const unsigned int GPU_BUSES[MAXIMUM_GPUS] = {0x1b, 0x43, 0x52, 0x61, 0x9d, 0xc3, 0xd1, 0xdf,
                                                     0xe1, 0xe3, 0xe5, 0xe7, 0xe9, 0xeb, 0xed, 0xef};
static const unsigned int NVSWITCH_BUSES[MAXIMUM_NVSWITCHES] = {0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e};

struct machine machine;

uint64_t machine_hash(const char *text, uint64_t number)
{
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a, then a finishing mix */
    for (; *text != '\0'; ++text)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
    hash ^= number * UINT64_C(0x9e3779b97f4a7c15);
    hash = (hash ^ (hash >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    hash = (hash ^ (hash >> 27)) * UINT64_C(0x94d049bb133111eb);
    return hash ^ (hash >> 31);
}

nvmlReturn_t copy_text(char *buffer, unsigned int length, const char *text)
{
    REQUIRE(buffer != NULL);
    if (length <= strlen(text))
        return NVML_ERROR_INSUFFICIENT_SIZE;
    strcpy(buffer, text);
    return NVML_SUCCESS;
}

nvmlReturn_t device_check(nvmlDevice_t device)
{
    REQUIRE_SUCCESS(library_check());
    for (unsigned int i = 0; i < machine.count; ++i)
        if (device == &machine.gpu[i])
            return NVML_SUCCESS;
    return NVML_ERROR_INVALID_ARGUMENT;
}

static bool read_text(char *field, size_t size, const char *value)
{
    if (value[0] == '\0' || strlen(value) >= size)
        return false;
    strcpy(field, value);
    return true;
}

/* "12.4" -> 12 and 4 */
static bool read_pair(unsigned int *major, unsigned int *minor, const char *value)
{
    char text[TEXT_SIZE];
    if (!read_text(text, sizeof text, value))
        return false;
    char *dot = strchr(text, '.');
    if (dot == NULL)
        return false;
    *dot = '\0';
    return keyvalue_number(text, major) && keyvalue_number(dot + 1, minor);
}

/* "0000:1b:00.0" or "1b:00.0" */
static bool read_address(struct pci_address *address, const char *text)
{
    unsigned int domain = 0, bus, device, function, used = 0;
    if (sscanf(text, "%x:%x:%x.%u%n", &domain, &bus, &device, &function, (int *)&used) != 4) {
        domain = 0;
        if (sscanf(text, "%x:%x.%u%n", &bus, &device, &function, (int *)&used) != 3)
            return false;
    }
    if (text[used] != '\0' || bus > 0xff || device > 0x1f || function != 0)
        return false;
    *address = (struct pci_address){domain, bus, device};
    return true;
}

/* Calls `accept` for each word; returns how many there were, 0 when one was refused or there are too many. */
static unsigned int each_word(const char *value, unsigned int maximum,
                              bool (*accept)(struct machine *target, unsigned int place, const char *word),
                              struct machine *target)
{
    char text[512];
    unsigned int count = 0;
    if (!read_text(text, sizeof text, value))
        return 0;
    char *rest = NULL;
    for (char *word = strtok_r(text, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        if (count == maximum || !accept(target, count, word))
            return 0;
        ++count;
    }
    return count;
}

static bool accept_gpu_address(struct machine *target, unsigned int place, const char *word)
{
    return read_address(&target->gpu[place].address, word);
}

static bool accept_nvswitch_address(struct machine *target, unsigned int place, const char *word)
{
    return read_address(&target->nvswitch[place], word);
}

static bool accept_minor(struct machine *target, unsigned int place, const char *word)
{
    return keyvalue_number(word, &target->gpu[place].minor);
}

static bool read_list(struct machine *target, const char *key, const char *value, bool *known)
{
    *known = true;
    if (strcmp(key, "bus_ids") == 0)
        return each_word(value, MAXIMUM_GPUS, accept_gpu_address, target) > 0;
    if (strcmp(key, "minors") == 0)
        return each_word(value, MAXIMUM_GPUS, accept_minor, target) > 0;
    if (strcmp(key, "nvswitch_bus_ids") == 0) {
        target->nvswitches = each_word(value, MAXIMUM_NVSWITCHES, accept_nvswitch_address, target);
        return target->nvswitches > 0;
    }
    *known = false;
    return false;
}

static bool read_setting(void *context, const char *key, const char *value)
{
    static const struct {
        const char *key;
        size_t offset;
    } numbers[] = {
        {"count", offsetof(struct machine, slots)},
        {"memory_mib", offsetof(struct machine, memory_mib)},
        {"power_min_w", offsetof(struct machine, power_minimum_w)},
        {"power_max_w", offsetof(struct machine, power_maximum_w)},
        {"power_default_w", offsetof(struct machine, power_default_w)},
        {"clock_sm_mhz", offsetof(struct machine, clock_sm_mhz)},
        {"clock_memory_mhz", offsetof(struct machine, clock_memory_mhz)},
        {"nvlinks", offsetof(struct machine, nvlinks)},
        {"nvlink_version", offsetof(struct machine, nvlink_version)},
        {"nvlink_mbps", offsetof(struct machine, nvlink_mbps)},
        {"pci_device_id", offsetof(struct machine, pci_device_id)},
        {"pci_subsystem_id", offsetof(struct machine, pci_subsystem_id)},
    };
    struct machine *target = context;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; ++i)
        if (strcmp(key, numbers[i].key) == 0)
            return keyvalue_number(value, (unsigned int *)(void *)((char *)target + numbers[i].offset));
    if (strcmp(key, "model") == 0)
        return read_text(target->name, sizeof target->name - sizeof MARK, value);
    if (strcmp(key, "seed") == 0)
        return read_text(target->seed, sizeof target->seed, value);
    if (strcmp(key, "driver_version") == 0)
        return read_text(target->driver_version, sizeof target->driver_version, value);
    if (strcmp(key, "cuda_version") == 0)
        return read_pair(&target->cuda_major, &target->cuda_minor, value);
    if (strcmp(key, "compute_capability") == 0)
        return read_pair(&target->capability_major, &target->capability_minor, value);
    if (strcmp(key, "hide_denied_devices") == 0) {
        target->hide_denied_devices = strcmp(value, "yes") == 0;
        return target->hide_denied_devices || strcmp(value, "no") == 0;
    }
    bool known;
    return read_list(target, key, value, &known) && known;
}

static const char *incomplete(const struct machine *target)
{
    if (target->name[0] == '\0')
        return "model is missing";
    if (target->seed[0] == '\0')
        return "seed is missing";
    if (target->slots == 0 || target->slots > MAXIMUM_GPUS)
        return "count must be from 1 to 16";
    if (target->memory_mib == 0)
        return "memory_mib is missing";
    if (target->power_minimum_w == 0 || target->power_minimum_w > target->power_default_w ||
        target->power_default_w > target->power_maximum_w || target->power_maximum_w > 100000)
        return "power_min_w <= power_default_w <= power_max_w must hold, all above 0";
    if (target->clock_sm_mhz < 400 || target->clock_sm_mhz > 10000 || target->clock_memory_mhz == 0)
        return "clock_sm_mhz must be from 400 to 10000 and clock_memory_mhz above 0";
    if (target->nvlinks > MAXIMUM_NVLINKS)
        return "nvlinks must be at most 18";
    return NULL;
}

static void identify(struct machine *target)
{
    for (unsigned int slot = 0; slot < target->slots; ++slot) {
        struct gpu *gpu = &target->gpu[slot];
        gpu->slot = slot;
        gpu->random = machine_hash(target->seed, slot);
        uint64_t more = machine_hash(target->seed, slot + UINT64_C(0x100));
        snprintf(gpu->uuid, sizeof gpu->uuid, "GPU-%08x-%04x-4%03x-%04x-%012llx", (unsigned int)(gpu->random >> 32),
                 (unsigned int)(gpu->random >> 16) & 0xffffU, (unsigned int)gpu->random & 0xfffU,
                 0x8000U | ((unsigned int)(more >> 48) & 0x3fffU),
                 (unsigned long long)(more & UINT64_C(0xffffffffffff)));
        snprintf(gpu->serial, sizeof gpu->serial, "SIM%010llu", (unsigned long long)(more % UINT64_C(10000000000)));
    }
    if (strncmp(target->name, MARK, strlen(MARK)) != 0) {
        memmove(target->name + strlen(MARK), target->name, strlen(target->name) + 1);
        memcpy(target->name, MARK, strlen(MARK));
    }
}

static bool denied(const struct gpu *gpu)
{
    char path[512];
    const char *directory = secure_getenv(DEVICES_VARIABLE);
    snprintf(path, sizeof path, "%s/nvidia%u", directory != NULL ? directory : "/dev", gpu->minor);
    int descriptor = open(path, O_RDWR | O_CLOEXEC);
    if (descriptor >= 0) {
        close(descriptor);
        return false;
    }
    return errno == EPERM || errno == EACCES;
}

static void select_visible(struct machine *target)
{
    for (unsigned int slot = 0; slot < target->slots; ++slot) {
        if (target->hide_denied_devices && denied(&target->gpu[slot]))
            continue;
        target->gpu[target->count] = target->gpu[slot];
        target->gpu[target->count].index = target->count;
        ++target->count;
    }
}

nvmlReturn_t machine_load(void)
{
    struct machine found = {
        .driver_version = "550.163.01",
        .cuda_major = 12,
        .cuda_minor = 4,
        .capability_major = 9,
        .clock_sm_mhz = 1980,
        .clock_memory_mhz = 2619,
        .nvlink_version = 4,
        .nvlink_mbps = 26562,
        .pci_device_id = 0x233010de,
        .pci_subsystem_id = 0x16c110de,
        .nvswitches = 4,
    };
    for (unsigned int i = 0; i < MAXIMUM_GPUS; ++i) {
        found.gpu[i].minor = i;
        found.gpu[i].address.bus = GPU_BUSES[i];
    }
    for (unsigned int i = 0; i < MAXIMUM_NVSWITCHES; ++i)
        found.nvswitch[i].bus = NVSWITCH_BUSES[i];

    const char *path = secure_getenv(PATH_VARIABLE);
    if (path == NULL)
        path = DEFAULT_PATH;
    int outcome = keyvalue_read(path, read_setting, &found);
    if (outcome == KEYVALUE_UNREADABLE) {
        if (errno != ENOENT)
            fprintf(stderr, "simulated NVML: %s: %s\n", path, strerror(errno));
        return NVML_ERROR_DRIVER_NOT_LOADED;
    }
    if (outcome != KEYVALUE_OK) {
        fprintf(stderr, "simulated NVML: %s: line %d: not a known key with an acceptable value\n", path, outcome);
        return NVML_ERROR_DRIVER_NOT_LOADED;
    }
    const char *problem = incomplete(&found);
    if (problem != NULL) {
        fprintf(stderr, "simulated NVML: %s: %s\n", path, problem);
        return NVML_ERROR_DRIVER_NOT_LOADED;
    }
    identify(&found);
    select_visible(&found);
    machine = found;
    return NVML_SUCCESS;
}
