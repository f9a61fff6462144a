"""What strangers send: attack classes by place, as named cases of raw bytes and the answer each has to get."""
