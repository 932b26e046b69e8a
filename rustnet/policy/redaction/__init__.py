"""Redaction: what becomes of a value, by its kind, a policy and a key."""

from rustnet.policy.redaction.keys import Key, key_of_file, key_of_passphrase, random_key
from rustnet.policy.redaction.moments import Shift
from rustnet.policy.redaction.numbers import IdentifyingNumbers, Numbers
from rustnet.policy.redaction.policies import POLICIES, SHARE, STRICT, TIMING_ONLY, Method, Policy
from rustnet.policy.redaction.pseudonyms import REDACTED
from rustnet.policy.redaction.redactor import Redactor

__all__ = [
    "POLICIES", "REDACTED", "SHARE", "STRICT", "TIMING_ONLY", "IdentifyingNumbers", "Key", "Method", "Numbers",
    "Policy", "Redactor", "Shift", "key_of_file", "key_of_passphrase", "random_key",
]  # fmt: skip
