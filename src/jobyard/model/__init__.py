"""What a job is and may become: pure code, without I/O, clock or threads."""
