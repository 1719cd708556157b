/*
 * The part of NVML's binary interface that this library implements: numbers and
 * memory layouts that callers compiled against NVML expect. Written from the
 * interface's documentation; only what is used here.
 */
#ifndef GRIDMILL_NVML_ABI_H
#define GRIDMILL_NVML_ABI_H

typedef enum {
    NVML_SUCCESS = 0,
    NVML_ERROR_UNINITIALIZED = 1,
    NVML_ERROR_INVALID_ARGUMENT = 2,
    NVML_ERROR_NOT_SUPPORTED = 3,
    NVML_ERROR_NO_PERMISSION = 4,
    NVML_ERROR_NOT_FOUND = 6,
    NVML_ERROR_INSUFFICIENT_SIZE = 7,
    NVML_ERROR_DRIVER_NOT_LOADED = 9,
    NVML_ERROR_TIMEOUT = 10,
    NVML_ERROR_OPERATING_SYSTEM = 17,
    NVML_ERROR_ARGUMENT_VERSION_MISMATCH = 25,
    NVML_ERROR_UNKNOWN = 999
} nvmlReturn_t;

typedef const struct gpu *nvmlDevice_t;

/* A versioned structure starts with its own size and version in one word. */
#define STRUCT_VERSION(type, version) ((unsigned int)(sizeof(type) | ((unsigned int)(version) << 24)))

enum { FEATURE_DISABLED = 0, FEATURE_ENABLED = 1 };
enum { CLOCK_GRAPHICS = 0, CLOCK_SM = 1, CLOCK_MEMORY = 2, CLOCK_VIDEO = 3, CLOCK_KINDS = 4 };
enum { CLOCK_ID_CURRENT = 0, CLOCK_ID_TARGET = 1, CLOCK_ID_DEFAULT = 2, CLOCK_ID_MAXIMUM = 3 };
enum { BRAND_NVIDIA = 14 };
enum { BUS_TYPE_PCIE = 2 };
enum { ECC_COUNTER_KINDS = 2, ECC_ERROR_KINDS = 2, ECC_LOCATION_SRAM = 7, ECC_LOCATION_DRAM = 2 };
enum { PERFORMANCE_STATE_0 = 0 };
enum { COMPUTE_MODE_DEFAULT = 0, COMPUTE_MODE_KINDS = 4 };
enum { TOPOLOGY_INTERNAL = 0, TOPOLOGY_NODE = 40, TOPOLOGY_SYSTEM = 50 };
enum { P2P_STATUS_OK = 0, P2P_STATUS_NOT_SUPPORTED = 5, P2P_CAPABILITY_NVLINK = 2, P2P_CAPABILITY_KINDS = 5 };
enum { NVLINK_DEVICE_SWITCH = 2, NVLINK_CAPABILITY_SLI = 4, NVLINK_CAPABILITY_KINDS = 6, NVLINK_ERROR_KINDS = 5 };
enum { FABRIC_STATE_COMPLETED = 3 };
enum { POWER_SCOPE_GPU = 0 };
enum { VALUE_DOUBLE = 0, VALUE_UNSIGNED_INT = 1, VALUE_UNSIGNED_LONG_LONG = 3 };

enum { CLOCKS_EVENT_IDLE = 0x1, CLOCKS_EVENT_POWER_CAP = 0x4 };
enum { CLOCKS_EVENTS_KNOWN = 0x1ff };
enum { EVENT_TYPES_KNOWN = 0x1f }; /* ECC errors, performance state, XID errors, clocks */

enum {
    TEMPERATURE_SHUTDOWN = 0,
    TEMPERATURE_SLOWDOWN = 1,
    TEMPERATURE_MEMORY_MAXIMUM = 2,
    TEMPERATURE_GPU_MAXIMUM = 3
};

enum { BUS_ID_SIZE = 32, BUS_ID_LEGACY_SIZE = 16, FABRIC_UUID_SIZE = 16 };

typedef struct {
    char bus_id_legacy[BUS_ID_LEGACY_SIZE];
    unsigned int domain, bus, device, pci_device_id, pci_subsystem_id;
    char bus_id[BUS_ID_SIZE];
} nvmlPciInfo_t;

typedef struct {
    unsigned int version, domain, bus, device, pci_device_id, pci_subsystem_id, base_class, sub_class;
    char bus_id[BUS_ID_SIZE];
} nvmlPciInfoExt_t;

typedef struct {
    unsigned long long total, free, used;
} nvmlMemory_t;

typedef struct {
    unsigned int version;
    unsigned long long total, reserved, free, used;
} nvmlMemory_v2_t;

typedef struct {
    unsigned int gpu, memory;
} nvmlUtilization_t;

typedef struct {
    unsigned long long l1_cache, l2_cache, device_memory, register_file;
} nvmlEccErrorCounts_t;

typedef struct {
    unsigned int version;
    unsigned long long counts[11];
    unsigned int threshold_exceeded;
} nvmlEccSramErrorStatus_t;

typedef struct {
    unsigned int maximum, high, partial, low, none;
} nvmlRowRemapperHistogramValues_t;

typedef union {
    double real;
    unsigned int word;
    unsigned long long quad;
} nvmlValue_t;

typedef struct {
    unsigned int field, scope;
    long long timestamp, latency_us;
    unsigned int value_type;
    nvmlReturn_t result;
    nvmlValue_t value;
} nvmlFieldValue_t;

typedef struct {
    unsigned char cluster_uuid[FABRIC_UUID_SIZE];
    nvmlReturn_t status;
    unsigned int clique;
    unsigned char state;
} nvmlGpuFabricInfo_t;

typedef struct {
    unsigned int version;
    unsigned char cluster_uuid[FABRIC_UUID_SIZE];
    nvmlReturn_t status;
    unsigned int clique;
    unsigned char state;
    unsigned int health_mask;
} nvmlGpuFabricInfo_v2_t;

typedef struct {
    unsigned int version;
    unsigned char scope;
    unsigned int milliwatts;
} nvmlPowerValue_v2_t;

/* An older name of a function, defined in the same file as the function itself. */
#define NVML_ALIAS(older, function) extern __typeof__(function) older __attribute__((alias(#function)))

#endif
