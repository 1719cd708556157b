/* Which GPUs there are and what they are: handles, names, places. */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "machine.h"

static const char SIMULATED[] = "SIMULATED"; /* for part numbers and firmware versions */

nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *count)
{
    REQUIRE_SUCCESS(library_check());
    REQUIRE(count != NULL);
    *count = machine.count;
    return NVML_SUCCESS;
}
NVML_ALIAS(nvmlDeviceGetCount, nvmlDeviceGetCount_v2);

nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device)
{
    REQUIRE_SUCCESS(library_check());
    REQUIRE(device != NULL && index < machine.count);
    *device = &machine.gpu[index];
    return NVML_SUCCESS;
}
NVML_ALIAS(nvmlDeviceGetHandleByIndex, nvmlDeviceGetHandleByIndex_v2);

nvmlReturn_t nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *device)
{
    REQUIRE_SUCCESS(library_check());
    REQUIRE(uuid != NULL && device != NULL);
    for (unsigned int i = 0; i < machine.count; ++i) {
        if (strcasecmp(uuid, machine.gpu[i].uuid) == 0) {
            *device = &machine.gpu[i];
            return NVML_SUCCESS;
        }
    }
    return NVML_ERROR_NOT_FOUND;
}

nvmlReturn_t nvmlDeviceGetHandleBySerial(const char *serial, nvmlDevice_t *device)
{
    REQUIRE_SUCCESS(library_check());
    REQUIRE(serial != NULL && device != NULL);
    for (unsigned int i = 0; i < machine.count; ++i) {
        if (strcmp(serial, machine.gpu[i].serial) == 0) {
            *device = &machine.gpu[i];
            return NVML_SUCCESS;
        }
    }
    return NVML_ERROR_NOT_FOUND;
}

nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char *bus_id, nvmlDevice_t *device)
{
    unsigned int domain, bus, slot;
    REQUIRE_SUCCESS(library_check());
    REQUIRE(bus_id != NULL && device != NULL);
    if (sscanf(bus_id, "%x:%x:%x", &domain, &bus, &slot) != 3) {
        domain = 0;
        REQUIRE(sscanf(bus_id, "%x:%x", &bus, &slot) == 2);
    }
    for (unsigned int i = 0; i < machine.count; ++i) {
        const struct pci_address *address = &machine.gpu[i].address;
        if (address->domain == domain && address->bus == bus && address->device == slot) {
            *device = &machine.gpu[i];
            return NVML_SUCCESS;
        }
    }
    return NVML_ERROR_NOT_FOUND;
}
NVML_ALIAS(nvmlDeviceGetHandleByPciBusId, nvmlDeviceGetHandleByPciBusId_v2);

nvmlReturn_t nvmlDeviceGetIndex(nvmlDevice_t device, unsigned int *index)
{
    REQUIRE_DEVICE(device);
    REQUIRE(index != NULL);
    *index = device->index;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMinorNumber(nvmlDevice_t device, unsigned int *minor)
{
    REQUIRE_DEVICE(device);
    REQUIRE(minor != NULL);
    *minor = device->minor;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetModuleId(nvmlDevice_t device, unsigned int *module)
{
    REQUIRE_DEVICE(device);
    REQUIRE(module != NULL);
    *module = device->slot + 1;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned int length)
{
    REQUIRE_DEVICE(device);
    return copy_text(name, length, machine.name);
}

nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned int length)
{
    REQUIRE_DEVICE(device);
    return copy_text(uuid, length, device->uuid);
}

nvmlReturn_t nvmlDeviceGetSerial(nvmlDevice_t device, char *serial, unsigned int length)
{
    REQUIRE_DEVICE(device);
    return copy_text(serial, length, device->serial);
}

nvmlReturn_t nvmlDeviceGetVbiosVersion(nvmlDevice_t device, char *version, unsigned int length)
{
    REQUIRE_DEVICE(device);
    return copy_text(version, length, SIMULATED);
}

nvmlReturn_t nvmlDeviceGetBoardPartNumber(nvmlDevice_t device, char *number, unsigned int length)
{
    REQUIRE_DEVICE(device);
    return copy_text(number, length, SIMULATED);
}

nvmlReturn_t nvmlDeviceGetInforomImageVersion(nvmlDevice_t device, char *version, unsigned int length)
{
    REQUIRE_DEVICE(device);
    return copy_text(version, length, SIMULATED);
}

nvmlReturn_t nvmlDeviceGetBoardId(nvmlDevice_t device, unsigned int *board)
{
    REQUIRE_DEVICE(device);
    REQUIRE(board != NULL);
    *board = device->address.bus << 8;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMultiGpuBoard(nvmlDevice_t device, unsigned int *several)
{
    REQUIRE_DEVICE(device);
    REQUIRE(several != NULL);
    *several = 0;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetBrand(nvmlDevice_t device, unsigned int *brand)
{
    REQUIRE_DEVICE(device);
    REQUIRE(brand != NULL);
    *brand = BRAND_NVIDIA;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetCudaComputeCapability(nvmlDevice_t device, int *major, int *minor)
{
    REQUIRE_DEVICE(device);
    REQUIRE(major != NULL && minor != NULL);
    *major = (int)machine.capability_major;
    *minor = (int)machine.capability_minor;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetArchitecture(nvmlDevice_t device, unsigned int *architecture)
{
    enum { TURING = 6, AMPERE = 7, ADA = 8, HOPPER = 9, BLACKWELL = 10 };
    REQUIRE_DEVICE(device);
    REQUIRE(architecture != NULL);
    if (machine.capability_major >= 10)
        *architecture = BLACKWELL;
    else if (machine.capability_major == 9)
        *architecture = HOPPER;
    else if (machine.capability_major == 8)
        *architecture = machine.capability_minor == 9 ? ADA : AMPERE;
    else
        *architecture = TURING;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci)
{
    REQUIRE_DEVICE(device);
    REQUIRE(pci != NULL);
    const struct pci_address *at = &device->address;
    *pci = (nvmlPciInfo_t){.domain = at->domain,
                           .bus = at->bus,
                           .device = at->device,
                           .pci_device_id = machine.pci_device_id,
                           .pci_subsystem_id = machine.pci_subsystem_id};
    snprintf(pci->bus_id, sizeof pci->bus_id, "%08X:%02X:%02X.0", at->domain, at->bus, at->device);
    snprintf(pci->bus_id_legacy, sizeof pci->bus_id_legacy, "%04X:%02X:%02X.0", at->domain & 0xffffU, at->bus & 0xffU,
             at->device & 0x1fU);
    return NVML_SUCCESS;
}
NVML_ALIAS(nvmlDeviceGetPciInfo, nvmlDeviceGetPciInfo_v3);
NVML_ALIAS(nvmlDeviceGetPciInfo_v2, nvmlDeviceGetPciInfo_v3);

nvmlReturn_t nvmlDeviceGetPciInfoExt(nvmlDevice_t device, nvmlPciInfoExt_t *pci)
{
    REQUIRE_DEVICE(device);
    REQUIRE(pci != NULL);
    if (pci->version != STRUCT_VERSION(nvmlPciInfoExt_t, 1))
        return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    const struct pci_address *at = &device->address;
    *pci = (nvmlPciInfoExt_t){.version = pci->version,
                              .domain = at->domain,
                              .bus = at->bus,
                              .device = at->device,
                              .pci_device_id = machine.pci_device_id,
                              .pci_subsystem_id = machine.pci_subsystem_id,
                              .base_class = 3, /* display controller */
                              .sub_class = 2}; /* 3D controller */
    snprintf(pci->bus_id, sizeof pci->bus_id, "%08X:%02X:%02X.0", at->domain, at->bus, at->device);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetBusType(nvmlDevice_t device, unsigned int *type)
{
    REQUIRE_DEVICE(device);
    REQUIRE(type != NULL);
    *type = BUS_TYPE_PCIE;
    return NVML_SUCCESS;
}

static nvmlReturn_t pcie_generation(nvmlDevice_t device, unsigned int *generation)
{
    REQUIRE_DEVICE(device);
    REQUIRE(generation != NULL);
    *generation = machine.capability_major >= 9 ? 5 : 4;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMaxPcieLinkGeneration(nvmlDevice_t device, unsigned int *generation)
{
    return pcie_generation(device, generation);
}

nvmlReturn_t nvmlDeviceGetGpuMaxPcieLinkGeneration(nvmlDevice_t device, unsigned int *generation)
{
    return pcie_generation(device, generation);
}

nvmlReturn_t nvmlDeviceGetCurrPcieLinkGeneration(nvmlDevice_t device, unsigned int *generation)
{
    return pcie_generation(device, generation);
}

nvmlReturn_t nvmlDeviceGetMaxPcieLinkWidth(nvmlDevice_t device, unsigned int *width)
{
    REQUIRE_DEVICE(device);
    REQUIRE(width != NULL);
    *width = 16;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetCurrPcieLinkWidth(nvmlDevice_t device, unsigned int *width)
{
    return nvmlDeviceGetMaxPcieLinkWidth(device, width);
}

nvmlReturn_t nvmlDeviceGetPcieReplayCounter(nvmlDevice_t device, unsigned int *count)
{
    REQUIRE_DEVICE(device);
    REQUIRE(count != NULL);
    *count = 0;
    return NVML_SUCCESS;
}

static nvmlReturn_t set_bits(unsigned int words, unsigned long *set, unsigned long bits)
{
    enum { WORD_BITS = 8 * sizeof(unsigned long) };
    REQUIRE(set != NULL && words > 0);
    for (unsigned int word = 0; word < words; ++word) {
        unsigned long here = bits > WORD_BITS ? WORD_BITS : bits;
        set[word] = here == WORD_BITS ? ~0UL : (1UL << here) - 1;
        bits -= here;
    }
    return NVML_SUCCESS;
}

/* The host that carries the machine has no sockets of its own to offer: every GPU is near every CPU. */
nvmlReturn_t nvmlDeviceGetCpuAffinity(nvmlDevice_t device, unsigned int words, unsigned long *set)
{
    REQUIRE_DEVICE(device);
    long processors = sysconf(_SC_NPROCESSORS_CONF);
    return set_bits(words, set, processors > 0 ? (unsigned long)processors : 1);
}

nvmlReturn_t nvmlDeviceGetCpuAffinityWithinScope(nvmlDevice_t device, unsigned int words, unsigned long *set,
                                                 unsigned int scope)
{
    (void)scope;
    return nvmlDeviceGetCpuAffinity(device, words, set);
}

nvmlReturn_t nvmlDeviceGetMemoryAffinity(nvmlDevice_t device, unsigned int words, unsigned long *set,
                                         unsigned int scope)
{
    (void)scope;
    REQUIRE_DEVICE(device);
    return set_bits(words, set, 1);
}

nvmlReturn_t nvmlDeviceGetDisplayMode(nvmlDevice_t device, unsigned int *mode)
{
    REQUIRE_DEVICE(device);
    REQUIRE(mode != NULL);
    *mode = FEATURE_DISABLED;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetDisplayActive(nvmlDevice_t device, unsigned int *active)
{
    return nvmlDeviceGetDisplayMode(device, active);
}

nvmlReturn_t nvmlDeviceGetVirtualizationMode(nvmlDevice_t device, unsigned int *mode)
{
    return nvmlDeviceGetDisplayMode(device, mode); /* 0: none */
}

nvmlReturn_t nvmlDeviceIsMigDeviceHandle(nvmlDevice_t device, unsigned int *is_mig)
{
    return nvmlDeviceGetDisplayMode(device, is_mig); /* 0: a whole GPU */
}
