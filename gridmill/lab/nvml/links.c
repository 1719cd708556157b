/* NVLinks: on an HGX baseboard every link ends at an NVSwitch, not at another GPU. */
#include <stdio.h>
#include <string.h>

#include "machine.h"

static nvmlReturn_t link_check(nvmlDevice_t device, unsigned int link)
{
    REQUIRE_DEVICE(device);
    if (machine.nvlinks == 0)
        return NVML_ERROR_NOT_SUPPORTED;
    REQUIRE(link < machine.nvlinks);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetNvLinkState(nvmlDevice_t device, unsigned int link, unsigned int *active)
{
    REQUIRE_SUCCESS(link_check(device, link));
    REQUIRE(active != NULL);
    *active = FEATURE_ENABLED;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetNvLinkVersion(nvmlDevice_t device, unsigned int link, unsigned int *version)
{
    REQUIRE_SUCCESS(link_check(device, link));
    REQUIRE(version != NULL);
    *version = machine.nvlink_version;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetNvLinkCapability(nvmlDevice_t device, unsigned int link, unsigned int capability,
                                           unsigned int *result)
{
    REQUIRE_SUCCESS(link_check(device, link));
    REQUIRE(result != NULL && capability < NVLINK_CAPABILITY_KINDS);
    *result = capability != NVLINK_CAPABILITY_SLI;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetNvLinkRemoteDeviceType(nvmlDevice_t device, unsigned int link, unsigned int *type)
{
    REQUIRE_SUCCESS(link_check(device, link));
    REQUIRE(type != NULL);
    *type = NVLINK_DEVICE_SWITCH;
    return NVML_SUCCESS;
}

/* The links spread evenly over the switches. */
unsigned int nvswitch_of_link(unsigned int link)
{
    return link * machine.nvswitches / machine.nvlinks;
}

nvmlReturn_t nvmlDeviceGetNvLinkRemotePciInfo_v2(nvmlDevice_t device, unsigned int link, nvmlPciInfo_t *pci)
{
    enum { NVSWITCH_DEVICE_ID = 0x22a310de };
    REQUIRE_SUCCESS(link_check(device, link));
    REQUIRE(pci != NULL);
    const struct pci_address *at = &machine.nvswitch[nvswitch_of_link(link)];
    *pci = (nvmlPciInfo_t){
        .domain = at->domain, .bus = at->bus, .device = at->device, .pci_device_id = NVSWITCH_DEVICE_ID};
    snprintf(pci->bus_id, sizeof pci->bus_id, "%08X:%02X:%02X.0", at->domain, at->bus, at->device);
    snprintf(pci->bus_id_legacy, sizeof pci->bus_id_legacy, "%04X:%02X:%02X.0", at->domain & 0xffffU, at->bus & 0xffU,
             at->device & 0x1fU);
    return NVML_SUCCESS;
}
NVML_ALIAS(nvmlDeviceGetNvLinkRemotePciInfo, nvmlDeviceGetNvLinkRemotePciInfo_v2);

nvmlReturn_t nvmlDeviceGetNvLinkErrorCounter(nvmlDevice_t device, unsigned int link, unsigned int counter,
                                             unsigned long long *count)
{
    REQUIRE_SUCCESS(link_check(device, link));
    REQUIRE(count != NULL && counter < NVLINK_ERROR_KINDS);
    *count = 0;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceResetNvLinkErrorCounters(nvmlDevice_t device, unsigned int link)
{
    return link_check(device, link);
}

nvmlReturn_t nvmlDeviceGetP2PStatus(nvmlDevice_t device, nvmlDevice_t peer, unsigned int capability,
                                    unsigned int *status)
{
    REQUIRE_DEVICE(device);
    REQUIRE_DEVICE(peer);
    REQUIRE(status != NULL && capability < P2P_CAPABILITY_KINDS);
    bool linked = machine.nvlinks > 0 || capability != P2P_CAPABILITY_NVLINK;
    *status = linked ? P2P_STATUS_OK : P2P_STATUS_NOT_SUPPORTED;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetTopologyCommonAncestor(nvmlDevice_t device, nvmlDevice_t peer, unsigned int *level)
{
    REQUIRE_DEVICE(device);
    REQUIRE_DEVICE(peer);
    REQUIRE(level != NULL);
    *level = device == peer ? TOPOLOGY_INTERNAL : TOPOLOGY_NODE;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetTopologyNearestGpus(nvmlDevice_t device, unsigned int level, unsigned int *count,
                                              nvmlDevice_t *near)
{
    REQUIRE_DEVICE(device);
    REQUIRE(count != NULL && level <= TOPOLOGY_SYSTEM);
    unsigned int room = *count, found = 0;
    for (unsigned int i = 0; i < machine.count && level == TOPOLOGY_NODE; ++i) {
        if (&machine.gpu[i] == device)
            continue;
        if (near != NULL && found < room)
            near[found] = &machine.gpu[i];
        ++found;
    }
    *count = found;
    return near != NULL && found > room ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceOnSameBoard(nvmlDevice_t device, nvmlDevice_t peer, int *same)
{
    REQUIRE_DEVICE(device);
    REQUIRE_DEVICE(peer);
    REQUIRE(same != NULL);
    *same = device == peer;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetGpuFabricInfo(nvmlDevice_t device, nvmlGpuFabricInfo_t *info)
{
    REQUIRE_DEVICE(device);
    REQUIRE(info != NULL);
    if (machine.nvlinks == 0)
        return NVML_ERROR_NOT_SUPPORTED;
    *info = (nvmlGpuFabricInfo_t){.status = NVML_SUCCESS, .state = FABRIC_STATE_COMPLETED};
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetGpuFabricInfoV(nvmlDevice_t device, nvmlGpuFabricInfo_v2_t *info)
{
    REQUIRE_DEVICE(device);
    REQUIRE(info != NULL);
    if (machine.nvlinks == 0)
        return NVML_ERROR_NOT_SUPPORTED;
    if (info->version != STRUCT_VERSION(nvmlGpuFabricInfo_v2_t, 2))
        return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    *info = (nvmlGpuFabricInfo_v2_t){
        .version = info->version, .status = NVML_SUCCESS, .state = FABRIC_STATE_COMPLETED};
    return NVML_SUCCESS;
}
