"""`python -m rdzv_conformance.reports`: print the JSON Schema of `report.json`."""

import json

from rdzv_conformance.reports import schema

if __name__ == "__main__":
    print(json.dumps(schema(), indent=2))
