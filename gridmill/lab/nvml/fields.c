/* nvmlDeviceGetFieldValues: the same readings by number, several in one call. */
#include <time.h>

#include "power.h"

enum {
    FIELD_ECC_CURRENT = 1,
    FIELD_ECC_PENDING = 2,
    FIELD_ECC_FIRST_COUNT = 3,
    FIELD_ECC_LAST_COUNT = 28,
    FIELD_MEMORY_TEMPERATURE = 82,
    FIELD_NVLINK_SPEED_FIRST = 84,
    FIELD_NVLINK_SPEED_LAST = 89,
    FIELD_NVLINK_SPEED_COMMON = 90,
    FIELD_NVLINK_COUNT = 91,
    FIELD_PCIE_REPLAY = 94,
    FIELD_PCIE_REPLAY_ROLLOVER = 95,
    FIELD_NVLINK_SPEED_FIRST_MORE = 132,
    FIELD_NVLINK_SPEED_LAST_MORE = 137,
    FIELD_REMAPPED_FIRST = 142,
    FIELD_REMAPPED_LAST = 145,
    FIELD_NVLINK_REMOTE_LINK = 146,
    FIELD_NVSWITCH_CONNECTED_LINKS = 147,
    FIELD_NVLINK_ERROR_FIRST = 161,
    FIELD_NVLINK_ERROR_LAST = 163,
    FIELD_NVLINK_SPEED = 164,
    FIELD_NVLINK_STATE = 165,
    FIELD_NVLINK_VERSION = 166,
    FIELD_POWER_AVERAGE = 185,
    FIELD_POWER_INSTANT = 186,
    FIELD_POWER_MINIMUM = 187,
    FIELD_POWER_MAXIMUM = 188,
    FIELD_POWER_DEFAULT = 189,
    FIELD_POWER_CURRENT = 190,
    FIELD_POWER_REQUESTED = 192
};

static nvmlReturn_t put_word(nvmlFieldValue_t *field, unsigned int word)
{
    field->value_type = VALUE_UNSIGNED_INT;
    field->value.quad = 0;
    field->value.word = word;
    return NVML_SUCCESS;
}

static nvmlReturn_t put_quad(nvmlFieldValue_t *field, unsigned long long quad)
{
    field->value_type = VALUE_UNSIGNED_LONG_LONG;
    field->value.quad = quad;
    return NVML_SUCCESS;
}

/* A value that exists for links only; `scope` is the link where the field is about one. */
static nvmlReturn_t put_link_word(nvmlFieldValue_t *field, unsigned int link, unsigned int word)
{
    if (machine.nvlinks == 0)
        return NVML_ERROR_NOT_SUPPORTED;
    REQUIRE(link < machine.nvlinks);
    return put_word(field, word);
}

/* GPUs occupy the ports of a switch one after another, each as many as it has links to that switch. */
static unsigned int nvswitch_port(nvmlDevice_t device, unsigned int link)
{
    if (machine.nvlinks == 0)
        return 0;
    unsigned int per_switch = (machine.nvlinks + machine.nvswitches - 1) / machine.nvswitches;
    unsigned int first = link;
    while (first > 0 && nvswitch_of_link(first - 1) == nvswitch_of_link(link))
        --first;
    return device->slot * per_switch + (link - first);
}

static nvmlReturn_t link_field(nvmlDevice_t device, nvmlFieldValue_t *field)
{
    switch (field->field) {
    case FIELD_NVLINK_SPEED_COMMON:
        return put_link_word(field, 0, machine.nvlink_mbps);
    case FIELD_NVLINK_COUNT:
        return put_word(field, machine.nvlinks);
    case FIELD_NVSWITCH_CONNECTED_LINKS:
        return put_link_word(field, 0, machine.nvlinks);
    case FIELD_NVLINK_REMOTE_LINK:
        return put_link_word(field, field->scope, nvswitch_port(device, field->scope));
    case FIELD_NVLINK_SPEED:
        return put_link_word(field, field->scope, machine.nvlink_mbps);
    case FIELD_NVLINK_STATE:
        return put_link_word(field, field->scope, FEATURE_ENABLED);
    case FIELD_NVLINK_VERSION:
        return put_link_word(field, field->scope, machine.nvlink_version);
    default:
        break;
    }
    if (field->field >= FIELD_NVLINK_SPEED_FIRST && field->field <= FIELD_NVLINK_SPEED_LAST)
        return put_link_word(field, field->field - FIELD_NVLINK_SPEED_FIRST, machine.nvlink_mbps);
    if (field->field >= FIELD_NVLINK_SPEED_FIRST_MORE && field->field <= FIELD_NVLINK_SPEED_LAST_MORE)
        return put_link_word(field, field->field - FIELD_NVLINK_SPEED_FIRST_MORE + 6, machine.nvlink_mbps);
    if (field->field >= FIELD_NVLINK_ERROR_FIRST && field->field <= FIELD_NVLINK_ERROR_LAST)
        return put_link_word(field, field->scope, 0);
    return NVML_ERROR_NOT_SUPPORTED;
}

/* Readings of the GPU itself; this library knows none of its module or memory. */
static nvmlReturn_t power_field(nvmlDevice_t device, nvmlFieldValue_t *field)
{
    if (field->scope != POWER_SCOPE_GPU)
        return NVML_ERROR_NOT_SUPPORTED;
    switch (field->field) {
    case FIELD_POWER_AVERAGE:
    case FIELD_POWER_INSTANT:
        return put_word(field, power_read(device).draw_mw);
    case FIELD_POWER_MINIMUM:
        return put_word(field, machine.power_minimum_w * 1000);
    case FIELD_POWER_MAXIMUM:
        return put_word(field, machine.power_maximum_w * 1000);
    case FIELD_POWER_DEFAULT:
        return put_word(field, machine.power_default_w * 1000);
    case FIELD_POWER_CURRENT:
    case FIELD_POWER_REQUESTED:
        return put_word(field, power_read(device).limit_mw);
    default:
        return NVML_ERROR_NOT_SUPPORTED;
    }
}

static nvmlReturn_t read_field(nvmlDevice_t device, nvmlFieldValue_t *field)
{
    switch (field->field) {
    case FIELD_ECC_CURRENT:
    case FIELD_ECC_PENDING:
        return put_word(field, FEATURE_ENABLED);
    case FIELD_MEMORY_TEMPERATURE:
        return put_word(field, power_read(device).temperature_c + 8);
    case FIELD_PCIE_REPLAY:
    case FIELD_PCIE_REPLAY_ROLLOVER:
        return put_word(field, 0);
    default:
        break;
    }
    if (field->field >= FIELD_ECC_FIRST_COUNT && field->field <= FIELD_ECC_LAST_COUNT)
        return put_quad(field, 0);
    if (field->field >= FIELD_REMAPPED_FIRST && field->field <= FIELD_REMAPPED_LAST)
        return put_word(field, 0);
    if (field->field >= FIELD_POWER_AVERAGE && field->field <= FIELD_POWER_REQUESTED)
        return power_field(device, field);
    return link_field(device, field);
}

nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t device, int count, nvmlFieldValue_t *fields)
{
    REQUIRE_DEVICE(device);
    REQUIRE(count > 0 && fields != NULL);
    long long now_us = (long long)time(NULL) * 1000000;
    for (int i = 0; i < count; ++i) {
        fields[i].timestamp = now_us;
        fields[i].latency_us = 0;
        fields[i].result = read_field(device, &fields[i]);
    }
    return NVML_SUCCESS;
}
