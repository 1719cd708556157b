/* What the machine has: its simulated GPUs, read once from the lab's description of the machine. */
#ifndef GRIDMILL_MACHINE_H
#define GRIDMILL_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "nvml_abi.h"

enum { MAXIMUM_GPUS = 16, MAXIMUM_NVLINKS = 18, MAXIMUM_NVSWITCHES = 8, TEXT_SIZE = 80 };

struct pci_address {
    unsigned int domain, bus, device;
};

struct gpu {
    unsigned int index;  /* place among the GPUs that this process may see */
    unsigned int slot;   /* place in the machine */
    unsigned int minor;  /* /dev/nvidia<minor> */
    struct pci_address address;
    char uuid[48];
    char serial[24];
    uint64_t random;     /* stable per seed and slot */
};

struct machine {
    char name[64];       /* begins with "simulated" */
    char seed[TEXT_SIZE];
    char driver_version[TEXT_SIZE];
    unsigned int cuda_major, cuda_minor;
    unsigned int capability_major, capability_minor;
    unsigned int slots;  /* GPUs in the machine */
    unsigned int count;  /* GPUs that this process may see */
    unsigned int memory_mib;
    unsigned int power_minimum_w, power_maximum_w, power_default_w;
    unsigned int clock_sm_mhz, clock_memory_mhz;
    unsigned int nvlinks, nvlink_version, nvlink_mbps;
    unsigned int pci_device_id, pci_subsystem_id;
    bool hide_denied_devices;
    unsigned int nvswitches;
    struct pci_address nvswitch[MAXIMUM_NVSWITCHES];
    struct gpu gpu[MAXIMUM_GPUS];
};

/* The machine of this process; valid between library_initialise and the last nvmlShutdown. */
extern struct machine machine;

/*
 * Reads $GRIDMILL_LAB_GPUS or /etc/gridmill-lab/gpus.conf into `machine`.
 * NVML_ERROR_DRIVER_NOT_LOADED when there is none or it is wrong; what is wrong goes to standard error.
 */
nvmlReturn_t machine_load(void);

/* Stable pseudo-random number for a text and a number. */
uint64_t machine_hash(const char *text, uint64_t number);

/* NVML_SUCCESS when the library is initialised and `device` is one of its handles. */
nvmlReturn_t device_check(nvmlDevice_t device);

/* The NVSwitch that a link of any GPU ends at, a place in machine.nvswitch; there must be NVLinks. */
unsigned int nvswitch_of_link(unsigned int link);

/* Copies `text` into the caller's buffer, NVML_ERROR_INSUFFICIENT_SIZE when it does not fit. */
nvmlReturn_t copy_text(char *buffer, unsigned int length, const char *text);

/* NVML_SUCCESS between nvmlInit and nvmlShutdown. */
nvmlReturn_t library_check(void);

#define REQUIRE(condition)                      \
    do {                                        \
        if (!(condition))                       \
            return NVML_ERROR_INVALID_ARGUMENT; \
    } while (0)

#define REQUIRE_SUCCESS(call)            \
    do {                                 \
        nvmlReturn_t outcome_ = (call);  \
        if (outcome_ != NVML_SUCCESS)    \
            return outcome_;             \
    } while (0)

#define REQUIRE_DEVICE(device) REQUIRE_SUCCESS(device_check(device))

#endif
