"""The auditor: was everything that was released covered by a consent that counted at that moment?

It asks the log and the disclosure register, and judges by itself: neither the policy nor the read models that decided
the release are asked again, so a fault in them does not hide itself.

declared.py  what the consents topics say: grants, and what took them back
verify.py    every release of the register, held against it field by field, when its view was appended
"""
