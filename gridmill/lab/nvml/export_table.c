/*
 * nvmlInternalGetExportTable: nvidia-smi refuses to work with a library that has no such table. It is
 * not documented; what is here was found by giving nvidia-smi 550.163.01 a table in which each entry
 * reports its own number, and watching which ones it calls. NVIDIA's own test library (k8s-test-infra,
 * mocknvml) names some of the same entries for later versions: processes and the host's PCIe generation.
 */
#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include "machine.h"
#include "unsupported.h"

enum { TABLE_SLOTS = 256 };
enum {
    SLOT_SIZE = 0,
    SLOT_PCI_PATH = 23,
    SLOT_LOG = 26,
    SLOT_MONITORING = 72,
    SLOT_DEVICE_BY_INDEX = 81,
    SLOT_ENFORCED_POWER_LIMIT = 108,
    SLOT_PROCESSES_FIRST = 213,
    SLOT_PROCESSES_LAST = 215,
    SLOT_HOST_PCIE_GENERATION = 230
};
enum { PCI_PATH_NODE = 3 }; /* 0 to 4: PIX, PXB, PHB, NODE, SYS in the words of `nvidia-smi topo -m` */

typedef void (*slot_function)(void);

union slot {
    uintptr_t number; /* the first slot holds the table's size in bytes */
    slot_function function;
};

extern nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device);
extern nvmlReturn_t nvmlDeviceGetEnforcedPowerLimit(nvmlDevice_t device, unsigned int *limit);
extern nvmlReturn_t nvmlDeviceGetMaxPcieLinkGeneration(nvmlDevice_t device, unsigned int *generation);

static nvmlReturn_t unknown_slot(void)
{
    return unsupported("an entry of the internal export table");
}

static nvmlReturn_t write_log(void)
{
    return NVML_SUCCESS; /* nvidia-smi's lines for the driver's own log */
}

/* How two PCI devices are connected, for those without NVLinks between them. */
static nvmlReturn_t pci_path(const nvmlPciInfo_t *device, const nvmlPciInfo_t *peer, unsigned int *path)
{
    REQUIRE(device != NULL && peer != NULL && path != NULL);
    *path = PCI_PATH_NODE;
    return NVML_SUCCESS;
}

/* Whether `nvidia-smi dmon` and `pmon` may watch the device. */
static nvmlReturn_t monitoring(nvmlDevice_t device, unsigned int *supported)
{
    REQUIRE_DEVICE(device);
    REQUIRE(supported != NULL);
    *supported = 1;
    return NVML_SUCCESS;
}

static nvmlReturn_t list_processes(nvmlDevice_t device, unsigned int *count, void *processes)
{
    (void)processes;
    REQUIRE_DEVICE(device);
    REQUIRE(count != NULL);
    *count = 0;
    return NVML_SUCCESS;
}

static union slot slots[TABLE_SLOTS];
static pthread_once_t slots_filled = PTHREAD_ONCE_INIT;

static void fill_slots(void)
{
    for (size_t i = 1; i < TABLE_SLOTS; ++i)
        slots[i].function = (slot_function)unknown_slot;
    slots[SLOT_SIZE].number = sizeof slots;
    slots[SLOT_PCI_PATH].function = (slot_function)pci_path;
    slots[SLOT_MONITORING].function = (slot_function)monitoring;
    slots[SLOT_LOG].function = (slot_function)write_log;
    slots[SLOT_DEVICE_BY_INDEX].function = (slot_function)nvmlDeviceGetHandleByIndex_v2;
    slots[SLOT_ENFORCED_POWER_LIMIT].function = (slot_function)nvmlDeviceGetEnforcedPowerLimit;
    for (size_t i = SLOT_PROCESSES_FIRST; i <= SLOT_PROCESSES_LAST; ++i)
        slots[i].function = (slot_function)list_processes;
    slots[SLOT_HOST_PCIE_GENERATION].function = (slot_function)nvmlDeviceGetMaxPcieLinkGeneration;
}

nvmlReturn_t nvmlInternalGetExportTable(const void **table, const unsigned char identifier[16])
{
    static const unsigned char known[16] = {0xc4, 0xfe, 0x3e, 0x6c, 0xc9, 0x8f, 0x6c, 0x4e,
                                            0xa3, 0x27, 0xee, 0x69, 0x6e, 0x12, 0xf7, 0xc4};
    REQUIRE(table != NULL && identifier != NULL);
    if (memcmp(identifier, known, sizeof known) != 0)
        return NVML_ERROR_NOT_SUPPORTED;
    pthread_once(&slots_filled, fill_slots);
    *table = slots;
    return NVML_SUCCESS;
}
