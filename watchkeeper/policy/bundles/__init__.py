"""Signed bundles: a set of policies with its tests as one file, which names its version and who approved it.

The form and its proof only: who keeps bundles and puts one in force is `gateway.bundles`.
"""

from typing import TYPE_CHECKING

from watchkeeper.core.doors import door

if TYPE_CHECKING:
    from watchkeeper.policy.bundles.building import Parts, build, collect
    from watchkeeper.policy.bundles.envelope import Envelope, read_envelope, sign
    from watchkeeper.policy.bundles.model import Bundle, Manifest, Signed
    from watchkeeper.policy.bundles.opening import open_bundle, prove
    from watchkeeper.policy.bundles.settings import TrustSettings, trusted_keys
    from watchkeeper.policy.bundles.trying import engine_with, try_out
else:
    __getattr__ = door(
        __name__,
        {
            "building": ("Parts", "build", "collect"),
            "envelope": ("Envelope", "read_envelope", "sign"),
            "model": ("Bundle", "Manifest", "Signed"),
            "opening": ("open_bundle", "prove"),
            "settings": ("TrustSettings", "trusted_keys"),
            "trying": ("engine_with", "try_out"),
        },
    )

__all__ = [
    "Bundle",
    "Envelope",
    "Manifest",
    "Parts",
    "Signed",
    "TrustSettings",
    "build",
    "collect",
    "engine_with",
    "open_bundle",
    "prove",
    "read_envelope",
    "sign",
    "trusted_keys",
    "try_out",
]
