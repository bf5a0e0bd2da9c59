"""Phrases that everybody writes: to find one in two places says nothing about where it came from."""

from __future__ import annotations

from watchkeeper.gateway.flow.text import normal

_PHRASES = """
Please let me know if you have any questions or concerns. Please do not hesitate to contact me if you have any
questions Please feel free to reach out to me if you have any further questions or need any additional information
Let me know if you need anything else from me. Let me know what you think and if there is anything else I can help
with Thank you very much for your time and consideration. Thank you for your patience and understanding in this
matter I am looking forward to hearing from you soon. Looking forward to meeting you next week. I hope this email
finds you well I hope you are doing well. I hope you had a great weekend. Have a great day and a wonderful weekend.
Best regards If you have any questions please contact customer support. If you did not request this email you can
safely ignore it You are receiving this email because you are subscribed to this list. Click here to unsubscribe
from this list Do not reply to this email, this mailbox is not monitored. This is an automatically generated
message, please do not reply This email and any attachments are confidential and intended solely for the use of the
individual or entity to whom they are addressed. If you are not the intended recipient please notify the sender
immediately and delete this email All rights reserved. Terms of service and privacy policy. By using this site you
agree to the terms of use Permission is hereby granted, free of charge, to any person obtaining a copy of this
software and associated documentation files, to deal in the software without restriction. The software is provided
as is, without warranty of any kind, express or implied, including but not limited to the warranties of
merchantability, fitness for a particular purpose and noninfringement. Licensed under the Apache License, Version
2.0; you may not use this file except in compliance with the License. You may obtain a copy of the License at www
apache org licenses LICENSE-2.0 Unless required by applicable law or agreed to in writing, software distributed
under the License is distributed on an as is basis, without warranties or conditions of any kind, either express or
implied Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et
dolore magna aliqua The quick brown fox jumps over the lazy dog. No results were found for your search. The
requested resource was not found An unexpected error occurred, please try again later. Successfully created. The
operation completed successfully Content-Type: application/json; charset=utf-8. Content-Type: text/html;
charset=utf-8. public static void main(String args) if __name__ == "__main__": main(). from __future__ import
annotations. import os import sys import json import re <!DOCTYPE html><html lang="en"><head><meta
charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz 0123456789012345678901234567890123456789 January
February March April May June July August September October November December Monday Tuesday Wednesday Thursday
Friday Saturday Sunday
"""
_COMMON = normal(_PHRASES.encode())


def is_common(passage: bytes) -> bool:
    """Whether a passage in normal form is part of such a phrase, or of two in a row, or a few letters over and over."""
    if len(set(passage)) <= 4:
        return True
    cut = next((end for end in range(len(passage), 0, -1) if passage[:end] in _COMMON), 0)
    return cut > 0 and passage[cut:] in _COMMON
