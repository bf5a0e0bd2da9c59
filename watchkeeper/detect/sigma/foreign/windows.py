"""Windows: which events are of which Sigma category and service, by channel and event id. Tables, and nothing else.

After the log source conventions of the Sigma project. An event's channel decides; where it is missing, its provider.
"""

from __future__ import annotations

from watchkeeper.detect.sigma.foreign.model import Known, Origin

SYSMON = "microsoft-windows-sysmon/operational"

_SYSMON_IDS: dict[int, tuple[str, ...]] = {
    1: ("process_creation",),
    2: ("file_change",),
    3: ("network_connection",),
    4: ("sysmon_status",),
    5: ("process_termination",),
    6: ("driver_load",),
    7: ("image_load",),
    8: ("create_remote_thread",),
    9: ("raw_access_thread", "raw_access_read"),
    10: ("process_access",),
    11: ("file_event", "file_creation", "file_create"),
    12: ("registry_add", "registry_delete", "registry_event"),
    13: ("registry_set", "registry_event"),
    14: ("registry_rename", "registry_event"),
    15: ("create_stream_hash",),
    16: ("sysmon_status",),
    17: ("pipe_created",),
    18: ("pipe_created",),
    19: ("wmi_event",),
    20: ("wmi_event",),
    21: ("wmi_event",),
    22: ("dns_query",),
    23: ("file_delete",),
    24: ("clipboard_capture", "clipboard_change"),
    25: ("process_tampering",),
    26: ("file_delete", "file_delete_detected"),
    27: ("file_block_executable", "file_block"),
    28: ("file_block_shredding", "file_block"),
    29: ("file_executable_detected",),
    255: ("sysmon_error",),
}

_CATEGORIES: dict[tuple[str, int], tuple[str, ...]] = {
    **{(SYSMON, number): names for number, names in _SYSMON_IDS.items()},
    ("security", 4688): ("process_creation",),
    ("security", 4689): ("process_termination",),
    ("windows powershell", 400): ("ps_classic_start",),
    ("windows powershell", 600): ("ps_classic_provider_start",),
    ("windows powershell", 800): ("ps_classic_script",),
    ("microsoft-windows-powershell/operational", 4103): ("ps_module",),
    ("microsoft-windows-powershell/operational", 4104): ("ps_script",),
    ("powershellcore/operational", 4103): ("ps_module",),
    ("powershellcore/operational", 4104): ("ps_script",),
    ("microsoft-windows-kernel-file/analytic", 12): ("file_access",),
    ("microsoft-windows-kernel-file/analytic", 19): ("file_rename",),
    ("microsoft-windows-kernel-file/analytic", 26): ("file_delete",),
    ("microsoft-windows-kernel-file/analytic", 27): ("file_rename",),
    ("microsoft-windows-kernel-file/analytic", 30): ("file_event",),
    ("microsoft-windows-windows defender/operational", 1116): ("antivirus",),
    ("microsoft-windows-windows defender/operational", 1117): ("antivirus",),
}

_SERVICEBUS = (
    "microsoft-servicebus-client",
    "microsoft-servicebus-client/operational",
    "microsoft-servicebus-client/admin",
)
_SERVICES: dict[str, tuple[str, ...]] = {
    "security": ("security",),
    "application": ("application",),
    "system": ("system",),
    "sysmon": (SYSMON,),
    "powershell": ("microsoft-windows-powershell/operational", "powershellcore/operational"),
    "powershell-classic": ("windows powershell",),
    "taskscheduler": ("microsoft-windows-taskscheduler/operational",),
    "wmi": ("microsoft-windows-wmi-activity/operational",),
    "dns-server": ("dns server",),
    "dns-server-audit": ("microsoft-windows-dns-server/audit",),
    "dns-server-analytic": ("microsoft-windows-dns-server/analytical",),
    "dns-client": ("microsoft-windows-dns client events/operational", "microsoft-windows-dns-client/operational"),
    "driver-framework": ("microsoft-windows-driverframeworks-usermode/operational",),
    "ntlm": ("microsoft-windows-ntlm/operational",),
    "dhcp": ("microsoft-windows-dhcp-server/operational",),
    "msexchange-management": ("msexchange management",),
    "applocker": (
        "microsoft-windows-applocker/msi and script",
        "microsoft-windows-applocker/exe and dll",
        "microsoft-windows-applocker/packaged app-deployment",
        "microsoft-windows-applocker/packaged app-execution",
    ),
    "printservice-admin": ("microsoft-windows-printservice/admin",),
    "printservice-operational": ("microsoft-windows-printservice/operational",),
    "codeintegrity-operational": ("microsoft-windows-codeintegrity/operational",),
    "smbclient-security": ("microsoft-windows-smbclient/security",),
    "smbclient-connectivity": ("microsoft-windows-smbclient/connectivity",),
    "smbserver-connectivity": ("microsoft-windows-smbserver/connectivity",),
    "firewall-as": (
        "microsoft-windows-windows firewall with advanced security/firewall",
        "microsoft-windows-windows firewall with advanced security/firewalldiagnostics",
    ),
    "bits-client": ("microsoft-windows-bits-client/operational",),
    "windefend": ("microsoft-windows-windows defender/operational",),
    "terminalservices-localsessionmanager": ("microsoft-windows-terminalservices-localsessionmanager/operational",),
    "microsoft-servicebus-client": _SERVICEBUS,
    "servicebus-client": _SERVICEBUS,
    "ldap": ("microsoft-windows-ldap-client/debug",),
    "ldap_debug": ("microsoft-windows-ldap-client/debug",),
    "security-mitigations": (
        "microsoft-windows-security-mitigations/kernel mode",
        "microsoft-windows-security-mitigations/user mode",
        "microsoft-windows-security-mitigations/kernelmode",
        "microsoft-windows-security-mitigations/usermode",
    ),
    "diagnosis-scripted": ("microsoft-windows-diagnosis-scripted/operational",),
    "shell-core": ("microsoft-windows-shell-core/operational",),
    "openssh": ("openssh/operational",),
    "bitlocker": ("microsoft-windows-bitlocker/bitlocker management",),
    "vhdmp": ("microsoft-windows-vhdmp/operational",),
    "appxdeployment-server": ("microsoft-windows-appxdeploymentserver/operational",),
    "appxpackaging-om": ("microsoft-windows-appxpackaging/operational",),
    "appmodel-runtime": ("microsoft-windows-appmodel-runtime/admin",),
    "lsa-server": ("microsoft-windows-lsa/operational",),
    "capi2": ("microsoft-windows-capi2/operational",),
    "certificateservicesclient-lifecycle-system": (
        "microsoft-windows-certificateservicesclient-lifecycle-system/operational",
    ),
    "application-experience": (
        "microsoft-windows-application-experience/program-telemetry",
        "microsoft-windows-application-experience/program-compatibility-assistant",
    ),
    "hyper-v-worker": ("microsoft-windows-hyper-v-worker", "microsoft-windows-hyper-v-worker-admin"),
    "iis-configuration": ("microsoft-iis-configuration/operational",),
    "kernel-event-tracing": ("microsoft-windows-kernel-eventtracing",),
    "kernel-shimengine": (
        "microsoft-windows-kernel-shimengine/operational",
        "microsoft-windows-kernel-shimengine/diagnostic",
    ),
    "ntfs": ("microsoft-windows-ntfs/operational",),
    "sense": ("microsoft-windows-sense/operational",),
    "raccess": ("rpcfw",),
}

PROVIDERS: dict[str, str] = {
    "microsoft-windows-sysmon": SYSMON,
    "microsoft-windows-security-auditing": "security",
    "microsoft-windows-eventlog": "security",
    "service control manager": "system",
    "powershell": "windows powershell",
    "microsoft-windows-powershell": "microsoft-windows-powershell/operational",
    "microsoft-windows-taskscheduler": "microsoft-windows-taskscheduler/operational",
    "microsoft-windows-wmi-activity": "microsoft-windows-wmi-activity/operational",
    "microsoft-windows-windows defender": "microsoft-windows-windows defender/operational",
    "microsoft-windows-bits-client": "microsoft-windows-bits-client/operational",
    "microsoft-windows-codeintegrity": "microsoft-windows-codeintegrity/operational",
}
"""The channel of a provider that writes to one, for records that name no channel."""

_OF_CHANNEL: dict[str, frozenset[str]] = {
    channel: frozenset(name for name, channels in _SERVICES.items() if channel in channels)
    for channels in _SERVICES.values()
    for channel in channels
}
KNOWN = Known(
    frozenset(name for names in _CATEGORIES.values() for name in names) | {"file_rename", "file_access"},
    frozenset(_SERVICES),
)
_NOTHING: frozenset[str] = frozenset()


def origin_of(channel: str, number: int | None) -> Origin:
    """What an event of this channel (lower case; empty where unknown) and id is."""
    if not channel:
        return Origin("windows")
    names = _CATEGORIES.get((channel, number)) if number is not None else None
    categories = None if number is None else frozenset(names) if names else _NOTHING
    return Origin("windows", categories, _OF_CHANNEL.get(channel, _NOTHING))
