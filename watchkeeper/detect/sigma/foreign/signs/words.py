"""Signs that a single line `path=value` shows. Data: name, weight, what the line looks like (RE2)."""

from __future__ import annotations


def _any(words: str) -> str:
    """One of them; each may be an expression."""
    return f"({'|'.join(words.split())})"


_NO = r"(false|no|none|null|missing|absent|invalid|fail(ed)?|unverified|unsigned|unknown|untrusted|disabled"
_NO += r"|skipped|bypassed|stripped|mismatch\w*|0|)"
_YES = _any("true yes passed valid verified match(ed)? trusted approved current ok")
_ON = _any(r"true yes high critical detected active [1-9][0-9]* 0\.[6-9][0-9]* 1\.0")
_CHECKS = _any("""
allow_?list approv attest bound checksum confirm consent constrained correlation csrf delegation in_loop integrity
justif kyc match mtls notified pinned pkce prompted proof provenance reapprov recogni redact registered reviewed
sanctions_check sign(ed|ature) trust valid verif white_?list
""")
_SWITCHES = _any(r"""
authenticat\w* auth tls encrypt\w* rotation isolat\w* sandbox\w* digest\w* claim\w* required initiated expir\w*
delegation samesite
""")
_STATES = _any(r"""
abus after_revo alter anomal attack backdoor beacon bypass collid collision compromis conceal contradict covert
cross_(tenant|tool|user|agent|account) deviat downgrad drift elevated escalat escap evad evasion exceed exfil
exhaust exploit flood forged forwarded hidden hijack homoglyph imperson inject intercept invisib jailbreak lateral
leak lookalike loop malic manipulat mimic mix(er|_?up|ed_script) modified mutat obfuscat offboard outlier
outside_\w+ overrid overwr poison relay replay reus reveal reverse revoked rogue runaway seen_before shadow silent
smuggl spawned spoof squat stego stolen structuring substitut suspect suspic tamper terminated tunnel typosquat
unauthor undisclosed unexpected unusual violat
(auth|logging|security|versioning|audit|protection|sandbox|alerts?|backups?)_disabled (service|system)_down
(privilege|permission)_(increase|delta|gain)
(owner|publisher|iban|payee|beneficiary|maintainer|key|destination|account|wallet)\w*_changed
""")
_VERDICTS = _any(r"""
mismatch\w* tamper\w* spoof\w* rogue malicious untrusted unsigned bypass\w* injected backdoor\w* poison\w* stolen
replay\w* hijack\w* forged exploit\w* suspicious unapproved self-signed stripped impersonat\w* lookalike
jailbreak\w* sanctioned compromised newly[\x20_-]registered terminated offboarded scanner masscan nmap nuclei sqlmap
flood escap\w+ off-?hours
""")
_SECRETS = _any(r"""
confidential restricted top[\x20_-]?secret \bpii\b \bphi\b \bssn\b password_?hash credit_?card salar(y|ies)
private[\x20_]key ssh_id id_rsa api[\x20_-]?keys?\b secrets?\b credentials?\b chat_history
full_(conversation|history|context) (sensitive|pii|secret|personal)\w*=(true|yes|[1-9])
""")
_WAYS = _any(
    r"http_?(post|put|request) send_?e?mail upload\w* webhooks? paste(bin)? post_message create_gist s3_put exfil\w*"
)
_ODD = _any("xyz top tk ml ga cf click ru cc pw zip mov onion su icu buzz lol rest cyou")
_OMINOUS = _any("evil attack malicious rogue phish steal badhost exfil malware hacker")
_POWERS = _any(r"""
cluster-admin root superuser sudo nt\x20authority local_?system administrators? full_?control god_mode break_?glass
""")
_HOST = _any(r"""
host_?(pid|ipc|network)=true host_?path=/[^\n]{0,8}$ --privileged nsenter \bsetns\b chroot\x20+/ docker\.sock
/proc/1/ -v\x20+/:/ cap_sys_admin \bu\+s\b ptrace /proc/[0-9]+/mem release_agent core_pattern
""")
_RUIN = _any(r"""
delete_?bucket terminate_?instances drop_?(table|database|collection) purge_all wipe
deletes?[\x20_]?(all|namespace|ns|cluster|stack|volumes?)\b shred\b mkfs --force\b rm\x20+-\w*r
""")
_LASTING = _any(r"""
crontab cron_\w+= \*\x20\*\x20\*\x20\* authorized_keys launchagents systemctl\x20enable run_?key schtasks \.bashrc
\.git/hooks postinstall
""")
_ASKED_FOR = _any(r"""
ssh id_rsa credential password secret api_?key private_?key history full_(context|conversation) \.env \.npmrc
system_?prompt
""")
_UNASKED = r"(silently|secretly|without\x20(asking|mention\w*|telling|notif\w*|(their|user|the user's|human|any)\x20"
_UNASKED += r"(consent|approval|knowledge|confirmation|review)))"
_UNTOLD = r"((do\x20+not|don't|never|need\x20not)\x20(tell|mention|reveal|inform|notify|alert|disclose|show|log)\b"
_UNTOLD += r"|user\x20(need|must|should)\x20not\x20(know|see))"
_PARTS = r"((your|the|any|all|its|prior|previous|further|normal|usual|current)\x20+)*"
_GUARDS = _any(r"""
safety polic\w+ approval\w* guardrails? rules? instructions? logging monitoring checks? filters? restrictions?
confirmation prompt review validation authentication audit
""")
_SKIPPING = rf"(bypass|skip|ignore|override|disregard|suspend|disable)\w*\x20+{_PARTS}{_GUARDS}\b"
_ORDER = rf"({_UNASKED}|{_UNTOLD}|{_SKIPPING}|as the (orchestrator|admin\w*|supervisor|system)\b)"
_NAME = r"(^|[._])\w*"

SIGNS: tuple[tuple[str, int, str], ...] = (
    ("bad_state", 3, rf"{_NAME}{_STATES}\w*={_ON}$"),
    ("bad_word", 3, rf"=([\w.-]+[ _.:-])?{_VERDICTS}([ _.:/-][\w.:-]+)?$"),
    ("bare_address", 2, r"https?://[0-9]{1,3}(\.[0-9]{1,3}){3}"),
    ("bearer_shown", 3, r"\bbearer\x20+[\w.-]{16,}"),
    ("check_failed", 2, rf"{_NAME}{_CHECKS}\w*={_NO}$"),
    ("check_off", 1, rf"{_NAME}{_SWITCHES}={_NO}$"),
    ("destruction", 3, _RUIN),
    ("fetched_code", 3, r"(curl|wget|iwr|downloadstring|b64decode|base64\x20+-d)[^\n]*(\|\x20*(ba|z)?sh|iex|eval|exec"
     r"|chmod)"),
    ("decoded_code", 3, r"(eval|exec)\(+[^\n]*(decode|atob|fromcharcode)"),
    ("great_power", 2, rf"=(.*[\W_])?{_POWERS}([\W_]|$)|=\*$|integrity_?level=(system|high)$|(^|[._])e?uid=0$"),
    ("haste", 1, rf"{_NAME}(account|publisher|maintainer|domain|registered|repo|package|wallet|payee)\w*"
     r"(age\w*|days_ago|first_seen\w*)=([0-6]|true)$"),
    ("host_reached", 3, _HOST),
    ("lasting", 2, _LASTING),
    ("nobody_known", 2, r"=(unknown|anonymous|unverified|unregistered|unclassified|guest)([ _-][\w.-]+)?$"),
    ("odd_domain", 2, rf"([/@.=]|^)[a-z0-9.-]+\.{_ODD}([:/ \"']|$)"),
    ("ominous_host", 3, rf"\b[a-z0-9.-]*{_OMINOUS}[a-z0-9-]*\.[a-z]{{2,}}"),
    ("outside", 1, r"=(external|public|third[_-]party|web_page|internet)([_-]\w+)?$"),
    ("secret_asked", 3, rf"(param\w*|property|field|schema|argument)\w*=[^\n]{{0,80}}{_ASKED_FOR}"),
    ("secret_matter", 2, _SECRETS),
    ("secret_sent", 2, r"[?&#](code|access_token|token|api_?key|secret|session|jwt|id_token)=[\w.-]+|\bset_cookie=\w+"),
    ("text_order", 3, _ORDER),
    ("way_out", 2, rf"=([^\n]{{0,60}}[\W_])?{_WAYS}([\W_][^\n]{{0,60}}|$)$"),
    ("wide_listener", 2, r"=(tcp://|https?://)?(0\.0\.0\.0|\[?::\]?)(:[0-9]+)?$"),
    ("at_home", -2, r"=(127\.0\.0\.1|localhost|::1|\[::1\])(:[0-9]+)?$"),
    ("in_order", -2, rf"{_NAME}{_CHECKS}\w*={_YES}$"),
)  # fmt: skip
UPHELD = (
    r"(?i)\b(never|do not|don't|must not|cannot|should not) (bypass|skip|ignore|override|disregard|disable|suspend)\w*"
)
"""Who forbids to skip a check does not order it."""
