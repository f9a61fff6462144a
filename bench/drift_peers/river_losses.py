"""river: its detectors of concept drift at their defaults, every place at which one fires. Run by drift.py."""

from __future__ import annotations

import json
import sys

from drift_streams import losses
from river import drift

KINDS = {"ADWIN": drift.ADWIN, "HDDM_A": drift.binary.HDDMA, "DDM": drift.binary.DDM}

if __name__ == "__main__":
    for stream, at in losses(json.loads(sys.argv[1])["losses"]):
        for name, kind in KINDS.items():
            detector, fired = kind(), []
            for place, loss in enumerate(stream):
                detector.update(loss if name == "ADWIN" else bool(loss))
                if detector.drift_detected:
                    fired.append(place)
            print(json.dumps({"detector": name, "at": at, "fired": fired}), flush=True)
