"""Events ``anomaly`` of ``eve.json``."""

from collections.abc import Iterator

from rustnet.export.eve.header import FLOW_COLUMNS, Header, application
from rustnet.export.formats import COMPACT, dumps
from rustnet.export.timeline import Fields, Source

WITH_A_PACKET = "m.packet IS NOT NULL AND m.ts IS NOT NULL"
"""SQL condition on anomalies that are about a packet, at a known time; Suricata knows no others."""


def anomaly_source(header: Header) -> Source:
    """Anomalies of packets and of application protocols; the names of events are our own."""

    def texts(row: Fields) -> Iterator[str]:
        event = header.common(row, "anomaly", row["packet"])
        app = application(row["f.app"], row["f.app_source"], row["f.protocol"])
        if row["f.flow_id"] is None:
            anomaly = {"type": "decode", "event": row["kind"]}
        elif app is None:
            anomaly = {"type": "stream", "event": row["kind"]}
        else:
            event["app_proto"] = app
            anomaly = {"app_proto": app, "type": "applayer", "event": row["kind"], "layer": "proto_parser"}
        event["anomaly"] = anomaly
        yield dumps(event, COMPACT)

    columns = ("capture_id", "packet", "kind")
    return Source("anomalies", "ts", texts, columns=columns, flow=FLOW_COLUMNS, where=WITH_A_PACKET)
