"""`python -m rdzv_conformance`: the command `rdzv certify` by another way."""

from rdzv_conformance.commands import certify

if __name__ == "__main__":
    certify(prog_name="python -m rdzv_conformance")
