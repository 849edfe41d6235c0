"""What `rdzv-conformance` adds to pytest; it does nothing until a conformance test is collected."""
