"""Which GPUs a machine shows, and how they are connected."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pynvml
import pytest

from tests.nvml.conftest import initialised, without_permission

UUID = re.compile(r"GPU-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def uuids() -> list[str]:
    with initialised():
        devices = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        return [pynvml.nvmlDeviceGetUUID(device) for device in devices]


def test_a_machine_has_the_gpus_of_its_description(gpus: list[object]) -> None:
    assert len(gpus) == 8
    assert [pynvml.nvmlDeviceGetMinorNumber(gpu) for gpu in gpus] == list(range(8))
    assert pynvml.nvmlSystemGetDriverVersion() == "550.163.01"
    assert pynvml.nvmlDeviceGetCudaComputeCapability(gpus[0]) == (9, 0)


def test_names_say_simulated_and_keep_the_model(gpus: list[object]) -> None:
    names = {pynvml.nvmlDeviceGetName(gpu) for gpu in gpus}

    assert names == {"simulated NVIDIA H100 80GB HBM3"}
    shown_by_nvidia_smi = names.pop()[:24]
    assert "simulated" in shown_by_nvidia_smi


def test_slurm_finds_the_type_in_the_name(gpus: list[object]) -> None:
    assert "h100" in pynvml.nvmlDeviceGetName(gpus[0]).lower().replace(" ", "_")


def test_a_name_is_marked_once(describe: Callable[..., None]) -> None:
    describe(model="simulated NVIDIA L4")

    with initialised():
        assert pynvml.nvmlDeviceGetName(pynvml.nvmlDeviceGetHandleByIndex(0)) == "simulated NVIDIA L4"


def test_identities_are_well_formed_and_distinct(gpus: list[object]) -> None:
    found = [pynvml.nvmlDeviceGetUUID(gpu) for gpu in gpus]
    serials = [pynvml.nvmlDeviceGetSerial(gpu) for gpu in gpus]

    assert all(UUID.fullmatch(uuid) for uuid in found)
    assert len(set(found)) == len(gpus)
    assert all(re.fullmatch(r"SIM\d{10}", serial) for serial in serials)
    assert len(set(serials)) == len(gpus)


def test_identities_never_change_for_a_seed(describe: Callable[..., None]) -> None:
    describe()
    assert uuids()[0] == "GPU-8ed22f7b-5319-4e05-8871-a8cdb5a4d0ee"

    describe(power_max_w="1000", model="NVIDIA H200")
    assert uuids()[0] == "GPU-8ed22f7b-5319-4e05-8871-a8cdb5a4d0ee"


def test_identities_differ_between_machines(describe: Callable[..., None]) -> None:
    describe()
    here = set(uuids())
    describe(seed="pod-a-r1-u09")

    assert here.isdisjoint(uuids())


def test_devices_are_found_by_every_name_they_have(gpus: list[object]) -> None:
    device = gpus[5]
    address = pynvml.nvmlDeviceGetPciInfo(device)

    found = [
        pynvml.nvmlDeviceGetHandleByUUID(pynvml.nvmlDeviceGetUUID(device)),
        pynvml.nvmlDeviceGetHandleBySerial(pynvml.nvmlDeviceGetSerial(device)),
        pynvml.nvmlDeviceGetHandleByPciBusId(address.busId),
        pynvml.nvmlDeviceGetHandleByPciBusId(address.busIdLegacy.lower()),
    ]

    assert address.busId == "00000000:C3:00.0"
    assert [pynvml.nvmlDeviceGetIndex(handle) for handle in found] == [5] * 4
    with pytest.raises(pynvml.NVMLError_NotFound):
        pynvml.nvmlDeviceGetHandleByUUID("GPU-00000000-0000-4000-8000-000000000000")


def test_addresses_and_minors_can_be_given(describe: Callable[..., None]) -> None:
    describe(count="2", bus_ids="0001:a0:00.0 b0:00.0", minors="3 5")

    with initialised():
        devices = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(2)]
        assert [pynvml.nvmlDeviceGetPciInfo(d).busId for d in devices] == ["00000001:A0:00.0", "00000000:B0:00.0"]
        assert [pynvml.nvmlDeviceGetMinorNumber(device) for device in devices] == [3, 5]


def test_all_nvlinks_are_up_and_end_at_switches(gpus: list[object]) -> None:
    own = {pynvml.nvmlDeviceGetPciInfo(gpu).busId for gpu in gpus}

    for gpu in gpus:
        states = [pynvml.nvmlDeviceGetNvLinkState(gpu, link) for link in range(18)]
        ends = [pynvml.nvmlDeviceGetNvLinkRemotePciInfo(gpu, link).busId for link in range(18)]
        kinds = {pynvml.nvmlDeviceGetNvLinkRemoteDeviceType(gpu, link) for link in range(18)}
        assert states == [pynvml.NVML_FEATURE_ENABLED] * 18
        assert kinds == {pynvml.NVML_NVLINK_DEVICE_TYPE_SWITCH}
        assert own.isdisjoint(ends)
        assert sorted(ends.count(end) for end in set(ends)) == [4, 4, 5, 5]
    with pytest.raises(pynvml.NVMLError_InvalidArgument):
        pynvml.nvmlDeviceGetNvLinkState(gpus[0], 18)


def test_ports_of_the_switches_are_used_once(gpus: list[object]) -> None:
    ports = []
    for gpu in gpus:
        fields = [(pynvml.NVML_FI_DEV_NVLINK_REMOTE_NVLINK_ID, link) for link in range(18)]
        for link, value in enumerate(pynvml.nvmlDeviceGetFieldValues(gpu, fields)):
            ports.append((pynvml.nvmlDeviceGetNvLinkRemotePciInfo(gpu, link).busId, value.value.uiVal))

    assert len(set(ports)) == len(ports) == 144


def test_a_machine_without_nvlinks_has_none(describe: Callable[..., None]) -> None:
    describe(nvlinks=None)

    with initialised():
        devices = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(2)]
        with pytest.raises(pynvml.NVMLError_NotSupported):
            pynvml.nvmlDeviceGetNvLinkState(devices[0], 0)
        status = pynvml.nvmlDeviceGetP2PStatus(*devices, pynvml.NVML_P2P_CAPS_INDEX_NVLINK)
        assert status == pynvml.NVML_P2P_STATUS_NOT_SUPPORTED


@pytest.mark.parametrize(("hide", "visible"), [("yes", [0, 2, 3, 5, 6, 7]), ("no", list(range(8)))])
def test_gpus_that_a_process_may_not_open_can_be_hidden(
    describe: Callable[..., None], state: Path, monkeypatch: pytest.MonkeyPatch, hide: str, visible: list[int]
) -> None:
    for index in range(8):
        device = state / f"nvidia{index}"
        device.touch()
        device.chmod(0o000 if index in (1, 4) else 0o666)
    monkeypatch.setenv("GRIDMILL_LAB_GPU_DEVICES", str(state))
    describe(hide_denied_devices=hide)

    with without_permission(state), initialised():
        devices = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        assert [pynvml.nvmlDeviceGetMinorNumber(device) for device in devices] == visible
        assert [pynvml.nvmlDeviceGetIndex(device) for device in devices] == list(range(len(visible)))


def test_memory_is_that_of_the_description(gpus: list[object]) -> None:
    memory = pynvml.nvmlDeviceGetMemoryInfo(gpus[0], version=pynvml.nvmlMemory_v2)

    assert memory.total == 81559 << 20
    assert memory.used + memory.free + memory.reserved == memory.total


def test_an_event_never_happens(gpus: list[object]) -> None:
    events = pynvml.nvmlEventSetCreate()
    pynvml.nvmlDeviceRegisterEvents(gpus[0], pynvml.nvmlEventTypeXidCriticalError, events)

    with pytest.raises(pynvml.NVMLError_Timeout):
        pynvml.nvmlEventSetWait(events, 10)
    pynvml.nvmlEventSetFree(events)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"wattage": "1"}, "line 9: not a known key"),
        ({"count": "eight"}, "line 2: not a known key with an acceptable value"),
        ({"count": "17"}, "count must be from 1 to 16"),
        ({"nvlinks": "19"}, "nvlinks must be at most 18"),
        ({"seed": None}, "seed is missing"),
        ({"power_default_w": "701"}, "power_min_w <= power_default_w <= power_max_w"),
        ({"bus_ids": "1b:00.0 nonsense"}, "line 9"),
    ],
)
def test_a_wrong_description_is_refused_with_its_reason(
    describe: Callable[..., None],
    capfd: pytest.CaptureFixture[str],
    changes: dict[str, str | None],
    complaint: str,
) -> None:
    describe(**changes)

    with pytest.raises(pynvml.NVMLError_DriverNotLoaded):
        pynvml.nvmlInit()

    assert complaint in capfd.readouterr().err


def test_a_machine_without_a_description_has_no_driver(
    library: object, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GRIDMILL_LAB_GPUS", "/nonexistent/gpus.conf")

    with pytest.raises(pynvml.NVMLError_DriverNotLoaded):
        pynvml.nvmlInit()

    assert capfd.readouterr().err == ""
