"""weird.log: what rustnet found malformed, cut off or ambiguous."""

from rustnet.export.zeek.spec import FLOW_FIELDS, Field, Log, unset

WEIRD = Log(
    "weird",
    ("anomalies", "flows"),
    "anomalies m LEFT JOIN flows f ON f.capture_id = m.capture_id AND f.flow_id = m.flow_id AND f.src_ip IS NOT NULL "
    "WHERE m.ts IS NOT NULL",
    (
        Field("ts", "time", "epoch_ns(m.ts)"),
        *(
            Field(
                field.name,
                field.type,
                f"CASE WHEN f.flow_id IS NOT NULL THEN {field.sql} END",
                "unset if it has no flow",
            )
            for field in FLOW_FIELDS
        ),
        Field("name", "string", "m.kind", "rustnet's own names (`anomalies.kind`), not Zeek's"),
        Field("addl", "string", "m.detail"),
        Field("notice", "bool", "false", "always false: rustnet raises no notices of Zeek"),
        Field("peer", "string", "'rustnet'", "always `rustnet`"),
        unset("source", "string"),
    ),
    ("m.ts", "m.packet", "m.flow_id", "m.kind", "m.detail"),
    "One row for each anomaly that has a time. `anomalies.count` and `anomalies.offset` have no place.",
)
