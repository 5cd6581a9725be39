"""The knowledge of a data subject, folded from the sealed consent register: consents, custody, age, tombstones."""
