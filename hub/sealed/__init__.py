"""An envelope in and out: decoding, headers, boxes. Knows the event, the cipher and the keys, and no store."""
