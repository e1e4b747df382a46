"""Every operation that was recorded between libvirt and QEMU has a test, or a reason.

The recordings themselves are not part of the project: where they lie beside it, the
table is held against them.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import CONFORMANCE

RECORDINGS = CONFORMANCE.with_name("libvirt") / "transcripts"

COVERED = {
    "attach-channel": "devices:test_a_device_comes_and_goes[channel]",
    "attach-controller": "devices:test_a_device_comes_and_goes[controller]",
    "attach-dimm": "devices:test_memory_that_is_plugged_in_is_the_guests",
    "attach-disk-rollback": "devices:test_what_cannot_be_attached_is_undone",
    "attach-disk-scsi": "devices:test_a_device_comes_and_goes[disk-scsi]",
    "attach-disk-usb": "devices:test_a_device_comes_and_goes[disk-usb]",
    "attach-disk-virtio": "devices:test_an_operation_is_carried_out",
    "attach-input": "devices:test_a_device_comes_and_goes[input]",
    "attach-net-bridge": "network:test_an_interface_comes_and_goes[bridge]",
    "attach-net-ethernet": "network:test_an_interface_comes_and_goes[ethernet]",
    "attach-rng": "devices:test_a_device_comes_and_goes[rng]",
    "attach-watchdog": "devices:test_a_watchdog_comes",
    "backup-pull": "backup:test_a_backup_is_pulled",
    "backup-push": "backup:test_a_backup_is_pushed",
    "blkdeviotune": "devices:test_limits_come_back",
    "blockcommit-active": (
        "blocks:test_an_overlay_is_committed_and_the_disk_uses_its_base"
    ),
    "blockcommit-middle": "blocks:test_an_image_in_the_middle_is_committed",
    "blockcopy-abort": "blocks:test_a_copy_is_given_up",
    "blockcopy-oneshot": "blocks:test_a_copy_is_made_and_left",
    "blockcopy-start": "blocks:test_a_copy_is_followed_and_taken_over",
    "blockjob-info": "blocks:test_a_copy_is_followed_and_taken_over",
    "blockjob-pivot": "blocks:test_a_copy_is_followed_and_taken_over",
    "blockpull": "blocks:test_what_is_behind_is_pulled",
    "blockresize": "devices:test_a_disk_grows",
    "change-media": "devices:test_an_operation_is_carried_out",
    "checkpoint": (
        "backup:test_a_checkpoint_notes_what_changes_and_outlives_the_machine"
    ),
    "checkpoint-delete": (
        "backup:test_a_checkpoint_notes_what_changes_and_outlives_the_machine"
    ),
    "console-pty": "devices:test_the_console_is_a_terminal",
    "destroy": ":test_a_domain_starts_and_is_destroyed",
    "destroy-graceful": ":test_a_domain_is_destroyed_gracefully",
    "detach-channel": "devices:test_a_device_comes_and_goes[channel]",
    "detach-controller": "devices:test_a_device_comes_and_goes[controller]",
    "detach-dimm": "devices:test_a_device_comes_and_goes[dimm]",
    "detach-disk-scsi": "devices:test_a_device_comes_and_goes[disk-scsi]",
    "detach-disk-usb": "devices:test_a_device_comes_and_goes[disk-usb]",
    "detach-disk-virtio": "devices:test_an_operation_is_carried_out",
    "detach-input": "devices:test_a_device_comes_and_goes[input]",
    "detach-net-bridge": "network:test_an_interface_comes_and_goes[bridge]",
    "detach-net-ethernet": "network:test_an_interface_comes_and_goes[ethernet]",
    "detach-rng": "devices:test_a_device_comes_and_goes[rng]",
    "dirtyrate": "devices:test_a_dirty_rate_is_measured",
    "domblk": "devices:test_an_operation_is_carried_out",
    "domif": "devices:test_a_link_is_cut",
    "dominfo": "devices:test_an_operation_is_carried_out",
    "dommemstat": "devices:test_the_balloon_follows",
    "domstate-after-kill": ":test_an_emulator_that_is_killed_has_crashed",
    "domstats": ":test_a_rich_domain_looks_like_one_of_qemu_itself",
    "domtime-noagent": ":test_a_guest_without_an_agent_is_not_asked",
    "dump": "saving:test_memory_is_dumped_for_a_debugger",
    "inject-nmi": "devices:test_an_operation_is_carried_out",
    "iothread": "devices:test_an_operation_is_carried_out",
    "kill9": ":test_an_emulator_that_is_killed_has_crashed",
    "libvirtd-restart": "restart:test_a_machine_lives_on",
    "lifecycle-action": ":test_what_follows_a_reboot_can_be_changed",
    "managedsave": "saving:test_a_saved_machine_starts_where_it_was",
    "managedsave-start": "saving:test_a_saved_machine_starts_where_it_was",
    "migrate-abort": "migration:test_a_move_is_called_off",
    "migrate-back-tunnelled": (
        "migration:test_a_machine_moves_and_comes_back[tunnelled]"
    ),
    "migrate-params": "migration:test_its_figures_can_be_set",
    "migrate-storage-nbd": "migration:test_a_disk_moves_along",
    "migrate-unix": "migration:test_a_machine_moves_and_comes_back[p2p]",
    "monitor-command": ":test_a_monitor_command_goes_through",
    "pinning": "devices:test_an_operation_is_carried_out",
    "probe-nokvm": ":test_libvirt_takes_the_stand_in_for_a_qemu_7_2",
    "reboot": ":test_a_reboot_leaves_it_running[any]",
    "reboot-acpi": ":test_a_reboot_leaves_it_running[acpi]",
    "reset": ":test_a_reset_leaves_it_running",
    "restore": "saving:test_a_machine_is_saved_and_comes_back",
    "resume": ":test_a_domain_is_suspended_and_goes_on",
    "resume-after-paused-start": ":test_a_domain_starts_paused",
    "save": "saving:test_a_machine_is_saved_and_comes_back",
    "save-image": "saving:test_what_was_saved_can_be_edited",
    "screenshot": "devices:test_a_picture_is_taken",
    "send-key": "devices:test_an_operation_is_carried_out",
    "setmem": "devices:test_the_balloon_follows",
    "setmem-balloon-events": "devices:test_the_balloon_follows",
    "shutdown": ":test_a_guest_that_is_asked_to_switches_off",
    "snapshot-chain": "blocks:test_an_image_in_the_middle_is_committed",
    "snapshot-delete": "snapshots:test_a_snapshot_is_in_the_images",
    "snapshot-disk-external": (
        "blocks:test_an_overlay_is_committed_and_the_disk_uses_its_base"
    ),
    "snapshot-disk-external2": "blocks:test_what_is_behind_is_pulled",
    "snapshot-disk-external3": "blocks:test_an_image_in_the_middle_is_committed",
    "snapshot-internal": "snapshots:test_a_snapshot_is_in_the_images",
    "snapshot-memory-external": "snapshots:test_memory_is_kept_beside_the_images",
    "snapshot-revert": "snapshots:test_a_domain_goes_back_to_a_snapshot",
    "start": ":test_a_rich_domain_looks_like_one_of_qemu_itself",
    "start2": ":test_a_domain_starts_and_is_destroyed",
    "start-failure": ":test_a_domain_that_cannot_start_says_why[device]",
    "start-many-devices": ":test_a_machine_with_many_devices_starts",
    "start-paused": ":test_a_domain_starts_paused",
    "start-q35": ":test_a_machine_of_today_starts",
    "suspend": ":test_a_domain_is_suspended_and_goes_on",
    "suspend-outside": ":test_a_stop_behind_its_back_is_noticed",
    "vcpu-hotplug": "devices:test_a_processor_comes_and_goes",
    "vcpu-hotplug-then-unplug-request": "devices:test_a_processor_comes_and_goes",
}
"""The test of each recorded operation, behind ``tests/peers/test_libvirt``."""

NOT_COVERED = {
    "probe-kvm-pass1": "needs a host with KVM; what it asks is asked without KVM, too",
    "probe-kvm-pass2-tcg": "needs a host with KVM",
}
"""Why a recorded operation has no test."""


def recorded() -> list[str]:
    """Return the names of the recordings; none if they are not there."""
    return sorted(path.stem for path in RECORDINGS.glob("*.jsonl"))


def test_every_recorded_operation_is_in_the_table() -> None:
    if not (names := recorded()):
        pytest.skip("the recordings of libvirt are not here")
    assert names == sorted([*COVERED, *NOT_COVERED])


def test_the_tests_of_the_table_exist() -> None:
    missing = []
    for test in set(COVERED.values()):
        module, _, name = test.partition(":")
        file = Path(__file__).with_name(
            f"test_libvirt_{module}.py" if module else "test_libvirt.py"
        )
        function = re.escape(name.partition("[")[0])
        if not re.search(rf"^def {function}\(", file.read_text(), re.MULTILINE):
            missing.append(test)
    assert missing == []
