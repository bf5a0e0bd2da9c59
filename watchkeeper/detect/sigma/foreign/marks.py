"""Marks by which events of clouds, networks and applications are known, where they do not say what they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from watchkeeper.detect.sigma.foreign.ecs import at
from watchkeeper.detect.sigma.foreign.model import Origin

Record = dict[str, Any]

UNKNOWN = Origin()


def _of(product: str, categories: tuple[str, ...] | None = None, services: tuple[str, ...] | None = None) -> Origin:
    return Origin(
        product,
        None if categories is None else frozenset(categories),
        None if services is None else frozenset(services),
    )


_NONE: tuple[str, ...] = ()
_AWS = _of("aws", _NONE, ("cloudtrail",))
_AZURE = _of("azure", _NONE)
_SIGNIN = _of("azure", _NONE, ("signinlogs", "riskdetection", "pim"))
_AUDIT = _of("azure", _NONE, ("auditlogs", "pim"))
_ACTIVITY = _of("azure", _NONE, ("activitylogs", "azureactivity"))
_RISK = _of("azure", _NONE, ("riskdetection", "pim"))
_GCP = _of("gcp", _NONE)
_M365 = _of("m365", _NONE)
_OKTA = _of("okta", _NONE, ("okta",))
_GITHUB = _of("github", _NONE, ("audit",))
_BITBUCKET = _of("bitbucket", _NONE, ("audit",))
_KUBERNETES = _of("kubernetes", ("application",), ("audit",))
_CANARY = _of("opencanary", ("application",))
_ONELOGIN = _of("onelogin", _NONE, ("onelogin.events",))
_DUO = _of("cisco", _NONE, ("duo",))
_WEB = _of("", ("proxy", "webserver"), ("apache", "nginx"))
_DNS = _of("", ("dns",), _NONE)
_PROCESS = _of("", ("process_creation",))
_FORTIGATE = _of("fortigate")

CATEGORIES = frozenset({"proxy", "webserver", "dns", "firewall", "antivirus", "database", "application"})
_WORDS = """
cloudtrail signinlogs auditlogs activitylogs azureactivity riskdetection pim gcp.audit google_workspace.admin
google_workspace.login audit exchange threat_management threat_detection okta onelogin.events duo auditd
apache nginx aaa bgp ldp event smb_files dns dce_rpc http x509 rdp kerberos sshd cron syslog clamav vsftpd
auth sudo guacamole
"""
SERVICES = frozenset(_WORDS.split())


def _has(*names: str) -> Callable[[Record], bool]:
    return lambda record: all(at(record, name) is not None for name in names)


def _is_aws(record: Record) -> bool:
    source = record.get("eventSource")
    return "eventName" in record and (
        (isinstance(source, str) and source.endswith(".amazonaws.com")) or "awsRegion" in record
    )


_BY_CATEGORY = {
    "auditlogs": _AUDIT,
    "signinlogs": _SIGNIN,
    "noninteractiveusersigninlogs": _SIGNIN,
    "serviceprincipalsigninlogs": _SIGNIN,
    "managedidentitysigninlogs": _SIGNIN,
    "riskyusers": _RISK,
    "userriskevents": _RISK,
    "administrative": _ACTIVITY,
    "security": _of("azure", _NONE, ("activitylogs", "azureactivity", "auditlogs")),
    "policy": _of("azure", _NONE, ("activitylogs", "azureactivity", "auditlogs")),
}


def _azure(record: Record) -> Origin:
    category = record.get("category") or record.get("Category") or record.get("CategoryValue")
    if at(record, "riskEventType") is not None:
        return _RISK
    if "LoggedByService" in record or "loggedByService" in record:
        return _AUDIT
    return _BY_CATEGORY.get(category.casefold(), _AZURE) if isinstance(category, str) else _AZURE


def _is_azure(record: Record) -> bool:
    marks = ("tenantId", "resourceId", "ResourceId", "correlationId", "CorrelationId", "AADTenantId", "callerIpAddress")
    if "operationName" in record or "OperationName" in record or "OperationNameValue" in record:
        return any(mark in record for mark in marks) or "properties" in record or "LoggedByService" in record
    return "riskEventType" in record or ("ResultType" in record and "AppDisplayName" in record)


def _zeek(record: Record) -> Origin:
    path = record.get("_path") or record.get("#path")
    return _of("zeek", None, (path.casefold(),)) if isinstance(path, str) and path in SERVICES else _of("zeek")


def _is_web(record: Record) -> bool:
    marks = ("c-uri", "cs-uri", "cs-uri-stem", "cs-uri-query", "cs-method", "sc-status", "c-useragent", "cs-user-agent")
    return sum(mark in record for mark in marks) >= 2


MARKED: tuple[tuple[Callable[[Record], bool], Origin | Callable[[Record], Origin]], ...] = (
    (_is_aws, _AWS),
    (_has("protoPayload"), _GCP),
    (_has("data.protoPayload"), _GCP),
    (_has("gcp.audit"), _GCP),
    (_has("Workload", "Operation"), _M365),
    (lambda record: record.get("eventSource") == "SecurityComplianceCenter", _M365),
    (_has("eventType", "securityContext"), _OKTA),
    (_has("eventType", "debugContext"), _OKTA),
    (_has("eventType", "displayMessage"), _OKTA),
    (_has("auditType"), _BITBUCKET),
    (_has("objectRef", "verb"), _KUBERNETES),
    (_has("auditID", "verb"), _KUBERNETES),
    (_is_azure, _azure),
    (_has("event_type_id", "account_id"), _ONELOGIN),
    (_has("logtype", "node_id"), _CANARY),
    (_has("access_device", "event_type"), _DUO),
    (_has("devid", "logid"), _FORTIGATE),
    (lambda record: isinstance(record.get("_path") or record.get("#path"), str), _zeek),
    (_has("uid", "id.orig_h"), _zeek),
    (lambda record: "action" in record and "actor" in record and ("org" in record or "repo" in record), _GITHUB),
    (_is_web, _WEB),
    (lambda record: "query" in record and ("record_type" in record or "answer" in record), _DNS),
    (_has("event.exec"), _of("macos", ("process_creation",))),
    (_has("event.create", "process.audit_token"), _of("macos", ("file_event",))),
)
"""In this order; the first that fits."""

_DATASETS = {
    "aws.cloudtrail": _AWS,
    "azure.auditlogs": _AUDIT,
    "azure.signinlogs": _SIGNIN,
    "azure.activitylogs": _ACTIVITY,
    "gcp.audit": _GCP,
    "o365.audit": _M365,
    "okta.system": _OKTA,
    "github.audit": _GITHUB,
    "kubernetes.audit_logs": _KUBERNETES,
    "auditd.log": _of("linux", _NONE, ("auditd",)),
    "apache.access": _of("", ("webserver",), ("apache",)),
    "nginx.access": _of("", ("webserver",), ("nginx",)),
}


def of_dataset(dataset: Any, module: Any) -> Origin | None:
    """What ECS says in `event.dataset`; of Zeek it names the log."""
    if not isinstance(dataset, str):
        return None
    if module == "zeek" or dataset.startswith("zeek."):
        return _zeek({"_path": dataset.removeprefix("zeek.")})
    return _DATASETS.get(dataset)
